"""The two cards: their blocks run, and what they say of fields, splits and classes is what the code says."""

import ast
import importlib
import importlib.metadata
import re

import pytest
import yaml
from card import (
    CARDS,
    DOCUMENTS,
    audio_formats,
    blocks,
    card,
    class_counts,
    is_meant,
    only,
    python,
    section,
    table,
    tables_in,
    text_of,
)
from support import PROJECT, SHARED, VERSION, command, once, rows, undecoded

import emotiontalk


@pytest.mark.parametrize("document", [CARDS[0], pytest.param(CARDS[1], marks=[once, pytest.mark.slow])])
def test_the_blocks_of_the_cards(desk, document):
    loading, sample, _ = only(document)
    last = sample.rstrip().splitlines()[-1]
    said = python(desk, loading + "print(ds)\n" + sample.replace(last, f"print({last})"))
    assert "num_rows: 8" in said and "(19200,) happy\n" in said


def is_shown(shown, value):
    """Whether a value is the one that a card shows; `...` is any value, at the end of a list any further ones."""
    if shown is ...:
        return True
    if isinstance(shown, dict):
        return list(shown) == list(value) and all(is_shown(shown[key], value[key]) for key in shown)
    if isinstance(shown, list):
        cut = shown[-1:] == [...]
        first = shown[:-1] if cut else shown
        long_enough = len(value) > len(first) if cut else len(value) == len(first)
        return long_enough and all(map(is_shown, first, value))
    return type(shown) is type(value) and shown == value


@pytest.mark.parametrize("document", CARDS)
def test_the_example_is_the_first_row_of_the_sample_data(call, document):
    code = only(document)[2]
    dataset = call("multimodal", split="test")
    row = rows(dataset)[0]
    row["audio"] = {key: row["audio"][key] for key in ("bytes", "path")}  # `datasets` has either order
    assert is_shown(ast.literal_eval(code), row)
    assert not is_shown({**ast.literal_eval(code), "turn": 2}, row)
    labels = re.findall(r'^    "(\w+)": (\d),  # (\w+)', code, flags=re.M)
    assert len(labels) == 5
    assert all(dataset.features[field].int2str(int(number)) == name for field, number, name in labels)


@once
@pytest.mark.parametrize("document", CARDS)
def test_what_pip_installs(document):
    """The extras that the cards name, and the command; `test_install.py` installs the wheel."""
    installed = only(document, "sh")[0].splitlines()
    assert [line.split("  ")[0] for line in installed] == ["pip install .", 'pip install ".[tools]"']
    project = importlib.metadata.distribution("emotiontalk")
    named = set(re.findall(r'pip install "\.\[(\w+)\]"', "".join(map(text_of, DOCUMENTS))))
    assert named == {"tools", "encoders", "training", "video", "opensmile", "cluster"} and named <= set(
        project.metadata.get_all("Provides-Extra")
    )
    commands = [entry.name for entry in project.entry_points if entry.group == "console_scripts"]
    assert commands == ["emotiontalk"] == re.findall(r"(\w+)$", installed[1].replace("加载器和命令", "the command"))


@pytest.mark.slow
@pytest.mark.parametrize("document", CARDS)
def test_what_you_want_is_what_you_get(desk, document):
    heading = {"README.md": "what you want", "README.zh.md": "需求"}[document]
    calls = [cell.strip("`") for _, cell in table(document, heading)]
    assert len(calls) == 10
    if document == "README.zh.md":
        assert calls == [cell.strip("`") for _, cell in table("README.md", "what you want")]
        return
    code = "import emotiontalk\n" + "".join(
        f"print(len(next(iter(({call}).values())) if 'split' not in {call!r} else [*{call}]))\n" for call in calls
    )
    counts = [int(line) for line in python(desk, code).split()]
    # utterances (of the first split); five of train and all of validation; "Four" leaves some out; dialogues
    assert counts[:3] == [8, 8, 8] and counts[3] == 13 and counts[4:7] == [8, 8, 8]
    assert 0 < counts[7] < 8 and counts[8:] == [2, 8]


@pytest.mark.slow
def test_your_version_of_datasets_and_what_you_type(desk):
    rows = table("README.md", "your `datasets`")
    assert [is_meant("2.14 to 2.19", v) for v in ((2, 13), (2, 19), (2, 20))] == [False, True, False]
    meant = [cell for version, cell in rows if is_meant(version)]
    assert len(rows) == 4 and len(meant) == (3 if VERSION < (4, 0) else 2)
    for cell in meant:
        call = re.match(r"`((?:emotiontalk\.)?load_dataset\(.*?\))`", cell)[1]
        imports = "import emotiontalk\nfrom datasets import load_dataset\n"
        said = python(desk, f"{imports}ds = {call}\nprint(len(ds), ds.column_names)")
        assert said.startswith("8 ['id', 'group'") and "'audio'" in said


@once
def test_the_card_describes_every_field_of_every_config():
    for config, spec in emotiontalk.CONFIGS.items():
        document, title = (
            ("README.md", f"`{config}`") if config != "zh-en" else ("docs/exports.md", "The zh→en benchmark")
        )
        (rows,) = tables_in(section(document, title))
        expected = [[f"`{field}`", emotiontalk.description_of(config, field)] for field in spec.fields]
        assert rows == [["field", "what it holds"], *expected]
        if config != "zh-en":
            assert spec.description in " ".join(section(document, title).split())


@once
def test_the_cards_name_the_annotation_conditions_as_the_code_does():
    names = {
        config: name.replace("silent-video", "silent video") for config, name in emotiontalk.CONDITION_NAMES.items()
    }
    assert [(row[0], row[2]) for row in table("README.md", "annotation condition")] == [
        (names[condition], f"`{condition}`") for condition in emotiontalk.CONDITIONS
    ]
    configs = table("README.md", "config", "reads")
    assert [row[0].split("`")[1] for row in configs] == list(emotiontalk.CONFIGS)
    for (config, spec), (_, reads, label, splits) in zip(emotiontalk.CONFIGS.items(), configs):
        label_of = "all four, in each turn" if config == "dialogues" else names[spec.condition]
        assert label.split(", as a string")[0] == label_of
        archives = (
            set(emotiontalk.ARCHIVES)
            if reads == "annotations in all four archives"
            else set(re.findall(r"`(\w+)\.tar`", reads))
        )
        assert archives == set(emotiontalk.archives_of(config))
        assert splits == ("all" if spec.splits == emotiontalk.SPLITS else ", ".join(spec.splits))


def paper_links():
    """The paper at the ACL anthology, and its arXiv version."""
    acl = re.search(r"url\s+= \{(.*)\}", emotiontalk.CITATION)[1]
    return acl, "https://arxiv.org/abs/" + re.search(r"arXiv:([\d.]+)", emotiontalk.CITATION)[1]


@once
def test_the_citation_file_says_what_the_citation_says():
    file = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(file)  # what the format requires
    (reference,) = file["references"]
    entries = re.findall(r"^@(\w+)\{.*?^\}", emotiontalk.CITATION, flags=re.M | re.S)
    assert entries == ["inproceedings", "article"] and reference["type"] == "article"
    for cited, entry, link in zip(
        (file["preferred-citation"], reference), emotiontalk.CITATION.split("\n\n"), paper_links()
    ):
        found = {key: " ".join(value.split()) for key, value in re.findall(r"(\w+)\s+= \{(.*?)\}[,\n]", entry, re.S)}
        assert cited["title"] == found["title"] and str(cited["year"]) == found["year"] and cited["url"] == link
        authors = [f"{name['family-names']}, {name['given-names']}" for name in cited["authors"]]
        assert " and ".join(authors) == found["author"]
        if cited is reference:
            assert cited["journal"] == found["journal"]
        else:
            assert cited["type"] == "conference-paper" and cited["collection-title"] == found["booktitle"]
            assert f"{cited['start']}--{cited['end']}" == found["pages"]


@once
def test_the_formats_of_audio_and_where_they_are_named():
    assert audio_formats() == audio_formats("README.zh.md") == emotiontalk.AUDIO_FORMATS
    assert sum(audio_formats().values()) == emotiontalk.TOTAL
    for document, title, not_theirs in (
        ("README.md", "Audio formats", "They are not the authors' numbers: their card says 44.1 kHz"),
        ("README.zh.md", "音频格式", "由一个公开项目在发布的 tar 包中统计得到，并非作者给出"),
        ("docs/verify.md", "Is your download complete?", "counted by a public project, not by the authors"),
    ):
        text = " ".join(section(document, title).split())
        assert not_theirs in text
        assert [text.count(f"{count:,}") for count in emotiontalk.AUDIO_FORMATS.values()] == [1, 1, 1]
    checks = " ".join(section("docs/verify.md", "Is your download complete?").split())
    named = re.findall(r"([\d,]+)(?: clips)? of ([\w. ]+?)(?=,)", checks[checks.index("**Audio formats**") :])
    format_name = importlib.import_module("emotiontalk.verification.findings").format_name
    expected = [(f"{n:,}", format_name(*form, 16)) for form, n in emotiontalk.AUDIO_FORMATS.items()]
    assert named == expected


@once
def test_verify_says_one_line_about_formats(release):
    """Formats of a part of the release; an unknown one is named."""

    def halve(members):
        name = next(name for name in members["Audio"] if name.endswith("G00003_13_06_001.wav"))
        wav = bytearray(members["Audio"][name])
        wav[24:28] = (22_050).to_bytes(4, "little")
        members["Audio"][name] = bytes(wav)

    said = command("verify", "--data-dir", release(halve), status=1).stdout
    (line,) = [line for line in said.splitlines() if line.startswith("Audio formats:")]
    reported = ", ".join(f"{count:,}" for count in emotiontalk.AUDIO_FORMATS.values())
    counts = "21 44.1 kHz stereo, 1 22.05 kHz stereo, 1 44.1 kHz mono, 1 16 kHz mono"
    assert line == f"Audio formats: {counts} (reported of the release: {reported})."
    (unknown,) = [line for line in said.splitlines() if "unknown format" in line]
    assert unknown.startswith("warning") and "G00003_13_06_001.wav" in unknown and "22,050 Hz" in unknown


def test_label_set_four_is_as_the_card_says(call):
    found = call("audio", label_set="four")
    for dataset in found.values():
        assert dataset.features["emotion"].names == list(emotiontalk.FOUR)
        shares = [row["soft_label"] for row in undecoded(dataset)]
        assert all(soft is None or (len(soft) == 4 and abs(sum(soft) - 1) < 1e-9) for soft in shares)
    text = " ".join(section("README.md", "Splits").split())
    assert "`emotion` has four classes, with the same numbers" in text and "They sum to 1. `soft_label` is null" in text
    assert "四个类别" in text_of("README.zh.md") and "和为 1；没有标注者选择这四类时为 null" in text_of("README.zh.md")
    dataset = call("multimodal", split="test", label_set="four")
    assert dataset.features["emotion_audio"].names == list(emotiontalk.EMOTIONS)


@once
@pytest.mark.parametrize("document", CARDS)
def test_the_cards_cite_and_number_as_the_code_does(document):
    assert dict(blocks(document))["bibtex"] == emotiontalk.CITATION
    acl, arxiv = paper_links()
    assert (
        text_of(document).index(acl) < text_of(document).index(arxiv) < 400 + text_of(document).index("# EmotionTalk")
    )
    text = " ".join(text_of(document).split())
    for names in (emotiontalk.EMOTIONS, emotiontalk.SENTIMENTS):
        at = -1
        for number, name in enumerate(names):
            found = re.compile(rf"\b{number} {name}\b").search(text, at + 1)
            assert found and (at < 0 or found.start() - at < 40), name
            at = found.start()


@once
def test_the_agreement_that_the_card_gives_is_that_of_the_report():
    text = " ".join(section("README.md", "Dataset creation").split())
    kappa = importlib.import_module("emotiontalk.reporting.numbers").PAPER_KAPPA
    for condition, name in emotiontalk.CONDITION_NAMES.items():
        assert re.search(rf"{name.replace('-video', ' video')} {kappa[condition]}\b", text)


@once
def test_what_the_card_counts():
    """Labels that differ, shares of classes, dialogues."""
    text = " ".join(text_of("README.md").split())
    *classes, total = class_counts()["audio", "test"]
    shares = {name: f"{100 * count / total:.0f} %" for name, count in zip(emotiontalk.EMOTIONS, classes)}
    assert f"{shares['neutral']} are neutral and {shares['fearful']} are fearful" in text
    train, validation, test = emotiontalk.DIALOGUES.values()
    assert f"{train} are in train, {validation} in validation and {test} in test" in text
    assert f"Of the {train + validation + test} dialogues" in text
    labels = SHARED / "reference" / "labels.csv.gz"
    if labels.is_file():
        import pandas

        table = pandas.read_csv(labels)
        table = table[table["id"].str[:6].map(emotiontalk.split_of) == "test"]
        differ = int((table["emotion_audio"] != table["emotion_multimodal"]).sum())
        assert f"differ for {differ} of {len(table):,} utterances" in text


@once
def test_groups_without_common_speakers():
    """The card's five sets hold all groups and speakers once; with the labels at hand, they are those of the corpus."""
    numbered = table("README.md", "`speaker_set`", "groups")
    assert [(int(row[0]), emotiontalk.speaker_set_of(f"G000{row[1][:2]}")) for row in numbered] == [
        (number, number) for number in range(1, 6)
    ]
    rows = [[cell.split(", ") for cell in row[1:]] for row in numbered]
    groups = [f"G000{group}" for row in rows for group in row[0]]
    speakers = [speaker for row in rows for speaker in row[1]]
    assert sorted(groups) == sorted(emotiontalk.GROUPS) and len(set(speakers)) == len(speakers) == 19
    assert [tuple(f"G000{group}" for group in row[0]) for row in rows] == list(emotiontalk.SPEAKER_SETS)
    for row in rows:
        assert {emotiontalk.split_of(f"G000{group}") for group in row[0]} == set(row[2])
    labels = SHARED / "reference" / "labels.csv.gz"
    if labels.is_file():
        import pandas

        ids = pandas.read_csv(labels)["id"].str.split("_")
        found = ids.groupby(ids.str[0]).agg(lambda parts: {part[2] for part in parts})
        for row in rows:
            assert set().union(*(found[f"G000{group}"] for group in row[0])) == set(row[1])


@once
@pytest.mark.parametrize("document", ["README.md", "README.zh.md"])
def test_the_folds_of_the_cards(document):
    speakers = {number: len(row[2].split(", ")) for number, row in enumerate(table("README.md", "`speaker_set`"), 1)}
    expected = []
    for fold in emotiontalk.FOLDS:
        sizes, dialogues = (emotiontalk.split_sizes(config, fold) for config in ("text", "dialogues"))
        expected.append([fold, sizes["train"], sizes["test"], dialogues["test"], speakers[fold]])
    found = [[int(cell.replace(",", "")) for cell in row] for row in table(document, "`fold`")]
    assert found == expected
    assert '`sorted(set(train["dialogue"]))[9::10]`' in text_of(document)


@once
def test_the_cards_header():
    header, _ = card()
    assert header["license"] == "cc-by-nc-sa-4.0" and header["language"] == ["zh"]
    assert [config["config_name"] for config in header["configs"]] == list(emotiontalk.CONFIGS)
    assert header["size_categories"] == ["10K<n<100K"] and header["task_categories"]
    assert "translation" not in header["task_categories"]  # zh-en has no targets
    assert header["multilinguality"] == ["monolingual"] and header["source_datasets"] == ["original"]
    assert header["annotations_creators"] == ["expert-generated"]
    assert "extra_gated_prompt" in header
