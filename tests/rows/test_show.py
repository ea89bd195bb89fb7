"""Rows to look at: `show`, `label_names`, `context`, and an export with labels as text."""

import base64
import html.parser
import importlib.util
import io
import os
import pickle
import re
import subprocess
import sys

import datasets
import numpy
import pytest
import soundfile
from support import CONFIGS, PROJECT, VERSION, command, manifest_of, once, rows, some, undecoded

import emotiontalk
from emotiontalk.corpus import EMOTIONS, SENTIMENTS
from emotiontalk.schema import FIELDS

DUMMY = PROJECT / "dummy_data"
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=y>\x1b[31m\x07\u202e&"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A function that gives the test split of a config, prepared once."""
    cache = tmp_path_factory.mktemp("shown")

    def loaded(config, **options):
        return emotiontalk.load_dataset(config, DUMMY, split="test", cache_dir=cache, **options)

    return loaded


class Page(html.parser.HTMLParser):
    """The tags of a page, in order, with their attributes, and its text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page_of(rows):
    page = Page()
    page.feed(emotiontalk.show(rows)._repr_html_())
    page.close()
    assert page.open == []
    return page


def players(page, tag="audio"):
    return [base64.b64decode(attributes["src"].split(",", 1)[1]) for name, attributes in page.tags if name == tag]


# --- show


@pytest.mark.parametrize("config", CONFIGS)
def test_rows_of_every_config_are_shown(loaded, config):
    """Decoded where `datasets` can, undecoded, streamed; as HTML and as text."""
    dataset = loaded(config)
    streamed = next(iter(emotiontalk.load_dataset(config, DUMMY, split="test", streaming=True)))
    for row in (dataset[0], undecoded(dataset)[0], streamed):
        text, page = str(emotiontalk.show(row)), page_of(row)
        for shown in (text, "".join(page.text)):
            assert "G00003_13" in shown and "你好，今天过得怎么样？" in shown
            assert ("happy" if config != "text" else "angry") in shown
        assert len(text) < 3_000 and repr(emotiontalk.show(row)) == text
        assert len(players(page)) == ("audio" in row)


def test_what_is_shown_of_a_row(loaded):
    row = undecoded(loaded("multimodal"))[0]
    lines = str(emotiontalk.show(row)).splitlines()
    assert lines[0] == "G00003_13_06_001: speaker 06, turn 1"
    found = {line[2:18].strip(): line[20:] for line in reversed(lines[1:]) if line[2:18].strip()}
    assert found["audio"] == "G00003_13_06_001.wav, 1.20 s, 44.1 kHz, stereo"
    assert found["emotion"] == "happy" and found["emotion_text"] == "angry" and found["sentiment"] == "positive (1.2)"
    assert re.fullmatch(r"happy +80% █{16}", found["votes"]) and "  surprised  20% ████" in "\n".join(lines)
    assert found["caption, speaker"] == "第8句的音色" and found["caption"] == "第8句的描述1"
    assert found["time"] == "12.00 … 13.20 s of the dialogue"
    assert found["annotations"].split() == ["annotator", "emotion", "confidence", "sentiment"]
    page = page_of(row)
    bars = [attributes["style"] for tag, attributes in page.tags if tag == "span"]
    assert [re.search(r"width:([\d.]+)em", bar)[1] for bar in bars] == ["6.40", "1.60"]
    assert "details" in dict(page.tags)
    styles = "".join(attributes.get("style", "") for _, attributes in page.tags)
    assert not re.search(r"(?<![-\w])color:(?!inherit)|#[0-9a-f]{3}", styles)  # the notebook's own, light or dark


def test_the_player_has_the_clip_at_16_khz(loaded):
    for dataset in (loaded("audio"), undecoded(loaded("audio"))):
        batch = dataset[0:5]
        clips = players(page_of(batch))
        assert len(clips) == 5
        for clip, row in zip(clips, rows(dataset)):
            samples, rate = soundfile.read(io.BytesIO(clip))
            wanted = emotiontalk.decode_audio(row["audio"], 16_000, mono=True)["array"]
            assert rate == 16_000 and samples.ndim == 1 and abs(len(samples) - len(wanted)) <= 1
            length = min(len(samples), len(wanted))
            assert numpy.corrcoef(samples[:length], wanted[:length])[0, 1] > 0.99
        shown = emotiontalk.show(batch)
        assert shown._repr_html_() is shown._repr_html_()  # decoded once


def test_a_decoder_of_torchcodec_is_played():
    """By its interface, as `datasets` 4 and later give it."""

    class Decoder:
        metadata = None

        def get_all_samples(self):
            data = type("Data", (), {"cpu": lambda self: self, "numpy": lambda self: numpy.zeros((2, 44_100), "f4")})()
            return type("Samples", (), {"data": data, "sample_rate": 44_100})()

    page = page_of({"id": "G00003_13_06_001", "audio": Decoder()})
    assert soundfile.info(io.BytesIO(players(page)[0])).duration == 1.0
    assert "audio" in str(emotiontalk.show({"id": "G00003_13_06_001", "audio": Decoder()}))


def test_audio_that_cannot_be_played_says_why():
    for media in ({"bytes": b"none", "path": HOSTILE}, {"bytes": None, "path": "/none.wav"}, {}, "x", 3):
        page = page_of({"id": "a", "audio": media})
        assert players(page) == [] and "cannot be played" in "".join(page.text)
    assert page_of({"id": "a", "audio": None}).tags[0][0] == "div"


def test_video_is_played_where_its_bytes_are_there():
    row = {"id": "a", "video": {"bytes": b"mp4", "path": "a.mp4"}}
    assert players(page_of(row), "video") == [b"mp4"]
    decoder = type("Decoder", (), {"_hf_encoded": row["video"]})()
    assert players(page_of({"id": "a", "video": decoder}), "video") == [b"mp4"]
    other = page_of({"id": "a", "video": object()})
    assert players(other, "video") == [] and "Video(decode=False)" in "".join(other.text)


def test_everything_of_a_row_is_escaped():
    hostile = {
        "id": HOSTILE, "speaker_id": HOSTILE, "turn": HOSTILE, "transcription": HOSTILE, "text": HOSTILE + "!",
        "emotion": HOSTILE, "sentiment": 99, "sentiment_score": HOSTILE, "soft_label": [0.5, None, 9.0],
        "captions": {"speaker": HOSTILE, HOSTILE: HOSTILE, "overall": [HOSTILE, None]},
        "annotations": [{"annotator": HOSTILE, "emotion": 77, "confidence": HOSTILE, "sentiment": None}],
        "turns": [{"turn": HOSTILE, "speaker_id": HOSTILE, "transcription": HOSTILE, "emotion_text": HOSTILE}],
        "audio": {"bytes": b"", "path": HOSTILE}, "video": {"bytes": b"x", "path": HOSTILE},
        HOSTILE: {HOSTILE: [HOSTILE]},
    }  # fmt: skip
    page, text = page_of(hostile), str(emotiontalk.show(hostile))
    assert {tag for tag, _ in page.tags} <= {
        "div", "b", "table", "tr", "td", "th", "i", "span", "details", "summary", "video", "code",
    }  # fmt: skip
    assert all(set(attributes) <= {"style", "src", "controls", "preload"} for _, attributes in page.tags)
    said = "".join(page.text)
    assert said.count("<script>") > 12 and "99" in said and "77" in said
    for shown in (text, said):
        assert not set("\x1b\x07\u202e") & set(shown) and "\\x1b[31m" in shown


def test_batches_lists_and_other_rows(loaded):
    dataset = undecoded(loaded("audio"))
    for some_rows in (dataset[0:3], [dataset[n] for n in range(3)]):
        assert str(emotiontalk.show(some_rows)) == "\n\n".join(str(emotiontalk.show(dataset[n])) for n in range(3))
    assert str(emotiontalk.show(dataset[0:0])) == "no rows" == emotiontalk.show([])._repr_html_()
    for column in ("soft_label", "audio", "annotations", "captions"):
        alone = dataset.select_columns([column])
        assert len(emotiontalk.show(alone[0]).rows) == 1 and len(emotiontalk.show(alone[0:3]).rows) == 3
    turns = loaded("dialogues").select_columns(["turns"])
    assert len(emotiontalk.show(turns[0]).rows) == 1 and len(emotiontalk.show(turns[0:2]).rows) == 2
    assert "prediction  sad" in str(emotiontalk.show({"id": "a", "prediction": "sad"}))
    assert re.search("emotion +happy", str(emotiontalk.show(emotiontalk.label_names(dataset[0]))))
    for wrong in (dataset, 3, "text", None, [1]):
        with pytest.raises(TypeError, match=r"show\(ds\[0:5\]\)"):
            emotiontalk.show(wrong)


def test_four_classes_have_four_bars(loaded):
    row = undecoded(loaded("audio", label_set="four"))[0]
    assert len(row["soft_label"]) == 4 and "votes  " in str(emotiontalk.show(row))


@once
def test_bytes_in_a_notebook_are_short():
    """`%load_ext emotiontalk`: a row with undecoded audio, printed as a notebook prints it."""
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    row = {"audio": {"bytes": b"RIFF" + bytes(1_000_000), "path": "a.wav"}, "short": b"abc"}

    def printed(value):
        return shell.display_formatter.format(value)[0]["text/plain"]

    assert len(printed(row)) > 1_000_000
    shell.run_line_magic("load_ext", "emotiontalk")
    assert printed(row) == (
        "{'audio': {'bytes': <1,000,004 bytes, b'RIFF\\x00\\x00\\x00\\x00'…>,\n  'path': 'a.wav'},\n 'short': b'abc'}"
    )
    assert len(printed([row] * 5)) < 1_000


# --- label_names


def expected(row):
    """The row with words, by hand."""
    row = dict(row)
    for name in row:
        if re.fullmatch(r"emotion(_\w+)?|sentiment", name):
            names = SENTIMENTS if name == "sentiment" else EMOTIONS
            row[name] = None if row[name] is None else names[row[name]]
    if "annotations" in row:
        row["annotations"] = [
            {**vote, "emotion": None if vote["emotion"] is None else EMOTIONS[vote["emotion"]]}
            for vote in row["annotations"]
        ]
    if "turns" in row:
        row["turns"] = [expected(turn) for turn in row["turns"]]
    return row


@pytest.mark.parametrize("config", CONFIGS)
def test_labels_as_words_of_rows_and_datasets(loaded, config):
    dataset = undecoded(loaded(config))
    wanted = [expected(row) for row in dataset]
    assert [emotiontalk.label_names(row) for row in dataset] == wanted == emotiontalk.label_names(list(dataset))
    batch = emotiontalk.label_names(dataset[0:5])
    assert [dict(zip(batch, values)) for values in zip(*batch.values())] == wanted[:5]
    words = emotiontalk.label_names(dataset)
    assert type(words) is datasets.Dataset and list(words) == wanted
    assert words.column_names == list(words.features) == dataset.column_names == list(words[0])
    assert "ClassLabel" not in str(words.features)
    assert emotiontalk.label_names(wanted[0]) == wanted[0]  # words stay
    copied = pickle.loads(pickle.dumps(words))  # as `num_proc` sends it
    assert list(copied[0]) == words.column_names and list(copied) == wanted
    assert emotiontalk.label_names(dataset)._fingerprint == words._fingerprint  # what `map` has made is found again


def test_the_audio_of_a_dataset_is_neither_decoded_nor_copied(loaded, monkeypatch):
    dataset = loaded("multimodal")
    monkeypatch.setattr(datasets.Audio, "decode_example", lambda *_, **__: 1 / 0)
    words = emotiontalk.label_names(dataset)
    assert {file["filename"] for file in words.cache_files} == {file["filename"] for file in dataset.cache_files}
    assert words.features["audio"] == dataset.features["audio"]
    chosen = emotiontalk.label_names(dataset.shuffle(seed=1).select([5, 1, 3]))
    assert chosen["id"][:] == dataset.shuffle(seed=1).select([5, 1, 3])["id"][:]
    assert chosen["emotion"][:] == [words["emotion"][:][words["id"][:].index(uid)] for uid in chosen["id"][:]]


@pytest.mark.parametrize("config", some(CONFIGS, "multimodal", "dialogues"))
def test_labels_as_words_of_streams(loaded, config):
    stream = emotiontalk.load_dataset(config, DUMMY, split="test", streaming=True)
    words = emotiontalk.label_names(stream)
    assert isinstance(words, datasets.IterableDataset) and "ClassLabel" not in str(words.features)
    assert list(words.features) == list(stream.features)
    found, plain = list(words), list(stream)
    for row, other in zip(found, plain):
        for name in ("audio", "video"):
            assert str(row.pop(name, None)) == str(other.pop(name, None))  # decoded or not, as before
    assert found == [expected(row) for row in plain] and len(found) == (2 if config == "dialogues" else 8)


DECODED = """
import emotiontalk
for streaming in (True, False):
    ds = emotiontalk.load_dataset("audio", "dummy_data", split="test", streaming=streaming)
    for row, plain in zip(emotiontalk.label_names(ds), ds):
        assert type(row["audio"]) is type(plain["audio"]) and (row["audio"]["array"] == plain["audio"]["array"]).all()
        assert '<audio controls' in emotiontalk.show(row)._repr_html_()
        print("label:", row["emotion"], type(row["audio"]).__name__)
"""


@pytest.mark.slow
def test_decoded_audio_stays_as_it_is(tmp_path):
    """Of a stream, too; from datasets 4 on with a torchcodec of the same interface where none is installed."""
    from stand_in import TORCHCODEC

    path = [str(PROJECT)]
    if VERSION >= (4, 0) and not importlib.util.find_spec("torchcodec"):
        (tmp_path / "torchcodec").mkdir()
        for module in ("__init__", "decoders", "encoders"):
            text = TORCHCODEC if module == "decoders" else "class AudioEncoder:\n    pass\n"
            (tmp_path / "torchcodec" / f"{module}.py").write_text(text, encoding="utf-8")
        path.insert(0, str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    said = subprocess.run(
        [sys.executable, "-c", DECODED], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    lines = [line for line in said.stdout.splitlines() if line.startswith("label: ")]  # the others are what show prints
    assert len(lines) == 16 and lines[:8] == lines[8:] and lines[0].startswith("label: happy ")


def test_a_stream_is_read_no_further_than_it_is_used():
    read = []

    def generate():
        for number in range(100):
            read.append(number)
            yield {"emotion": number % 7}

    features = datasets.Features({"emotion": datasets.ClassLabel(names=list(EMOTIONS))})
    stream = emotiontalk.label_names(datasets.IterableDataset.from_generator(generate, features=features))
    assert read == [] and next(iter(stream)) == {"emotion": "neutral"} and len(read) < 5
    without = datasets.IterableDataset.from_generator(generate)
    assert next(iter(emotiontalk.label_names(without))) == {"emotion": "neutral"}


def test_all_splits_and_formats(loaded, call):
    splits = call("text")
    words = emotiontalk.label_names(splits)
    assert type(words) is datasets.DatasetDict and words["train"].features["emotion"] == datasets.Value("string")
    streams = emotiontalk.label_names(call("text", streaming=True))
    assert type(streams) is datasets.IterableDatasetDict and next(iter(streams["test"]))["emotion"] == "angry"
    table = words["test"].to_pandas()
    assert table["emotion"].tolist() == [EMOTIONS[label] for label in splits["test"]["emotion"]]
    formatted = emotiontalk.label_names(splits["test"].with_format("pandas"))
    assert formatted.format["type"] == "pandas" and formatted[0:2]["emotion"].tolist() == table["emotion"].tolist()[:2]
    numbers = splits["test"].to_pandas()
    assert emotiontalk.label_names({"emotion": numbers["emotion"].to_numpy()})["emotion"] == table["emotion"].tolist()
    four = loaded("audio", label_set="four")
    assert set(emotiontalk.label_names(four)["emotion"]) <= set(emotiontalk.FOUR)
    assert emotiontalk.label_names(splits["test"].remove_columns(["emotion", "annotations"])).num_rows == 8


def test_what_is_no_label(loaded):
    """A missing label, a rating, and numbers that are no class."""
    assert emotiontalk.label_names({"emotion": None, "sentiment": None, "turns": None}) == {
        "emotion": None, "sentiment": None, "turns": None,
    }  # fmt: skip
    assert emotiontalk.label_names({"emotion": [1.0, float("nan")]}) == {"emotion": ["happy", None]}  # of pandas
    vote = {"annotator": "A", "emotion": 2, "confidence": 0.5, "sentiment": -2}
    assert emotiontalk.label_names(vote) == {**vote, "emotion": "sad"}
    assert emotiontalk.label_names({"mine": 3, "soft_label": [1.0]}) == {"mine": 3, "soft_label": [1.0]}
    missing = datasets.Dataset.from_list(
        [{"annotations": [{"emotion": None}]}, {"annotations": None}],
        features=datasets.Features({"annotations": [{"emotion": datasets.ClassLabel(names=list(EMOTIONS))}]}),
    )
    assert list(emotiontalk.label_names(missing)) == list(missing)
    for label in (-1, 7, 1.5, {}):
        with pytest.raises(ValueError, match="none of the classes 0 neutral, 1 happy"):
            emotiontalk.label_names({"emotion": label})
    for wrong in (None, 3, "happy"):
        with pytest.raises(TypeError, match="a row, rows or a dataset"):
            emotiontalk.label_names(wrong)


# --- context


def test_the_turns_before_each_turn(loaded):
    turns = loaded("dialogues")[0]["turns"]
    assert len(turns) == 4
    for k in range(6):
        windows = emotiontalk.context(turns, k)
        assert [window[-1] for window in windows] == turns
        assert [len(window) for window in windows] == [min(n, k) + 1 for n in range(4)]
        assert all(window == turns[n - len(window) + 1 : n + 1] for n, window in enumerate(windows))
    assert {turn["speaker_id"] for turn in emotiontalk.context(turns, 3)[-1]} == {"06", "07"}
    gap = [turns[0], turns[3]]  # a missing turn number
    assert emotiontalk.context(gap, 1) == [[turns[0]], gap]
    assert emotiontalk.context([], 3) == []
    with_words = emotiontalk.context(emotiontalk.label_names(turns), 0)
    assert [window[0]["emotion_text"] for window in with_words] == ["angry", "sad", "surprised", "fearful"]


def test_turns_as_a_dict_of_lists(loaded):
    """As `datasets` gives a sequence of dicts, on the versions that do; and as an array."""
    turns = loaded("dialogues")[0]["turns"]
    lists = {name: [turn[name] for turn in turns] for name in turns[0]}
    assert emotiontalk.context(lists, 2) == emotiontalk.context(turns, 2)
    sequence = datasets.Features({"turns": datasets.Sequence({"turn": datasets.Value("int32")})})
    given = datasets.Dataset.from_dict({"turns": [{"turn": [1, 3]}]}, features=sequence)[0]["turns"]
    assert isinstance(given, dict) and emotiontalk.context(given, 1) == [[{"turn": 1}], [{"turn": 1}, {"turn": 3}]]
    array = loaded("dialogues").to_pandas()["turns"][0]
    assert [len(window) for window in emotiontalk.context(array, 1)] == [1, 2, 2, 2]


def test_what_context_does_not_take(loaded):
    row = loaded("dialogues")[0]
    for wrong in (row, None, "turns", 3):
        with pytest.raises(TypeError, match=r'row\["turns"\]'):
            emotiontalk.context(wrong, 1)
    with pytest.raises(ValueError, match="k=-1"):
        emotiontalk.context(row["turns"], -1)
    for k in (1.0, True, None, "2"):
        with pytest.raises(TypeError, match="whole number"):
            emotiontalk.context(row["turns"], k)


# --- parquet --labels-as-text


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    out = tmp_path_factory.mktemp("exported")
    command("parquet", out, "--data-dir", DUMMY, "--labels-as-text", "--config", "multimodal", "--config", "dialogues")
    return out


@pytest.mark.parametrize("config", ["multimodal", "dialogues"])
def test_an_export_with_labels_as_text(exported, loaded, config, tmp_path):
    found = datasets.load_dataset(str(exported), config, split="test", cache_dir=str(tmp_path))
    words = emotiontalk.label_names(loaded(config))
    audio = {name: found.features[name] for name in ("audio",) if name in found.features}  # may be undecoded there
    assert found.features == datasets.Features({**words.features, **audio})
    assert rows(found) == rows(words)


def test_the_card_of_an_export_with_labels_as_text(exported):
    card = (exported / "README.md").read_text(encoding="utf-8")
    assert "Labels: text (--labels-as-text)." in card and "class_label" not in card and "0…6" not in card
    assert "the audio-visual label, as a word" in card
    assert manifest_of(exported)[0]["labels_as_text"] is True


def test_an_export_of_other_labels_is_refused(exported, tmp_path):
    source = ("--data-dir", DUMMY, "--config", "text")
    said = command("parquet", exported, *source, status=1).stderr
    assert "(labels as text)" in said and "labels as numbers" in said
    command("parquet", tmp_path / "numbers", *source)
    before = manifest_of(tmp_path / "numbers")
    said = command("parquet", tmp_path / "numbers", *source, "--labels-as-text", status=1).stderr
    assert "(labels as numbers)" in said
    assert manifest_of(tmp_path / "numbers") == before


def test_an_export_goes_on_with_its_labels(exported, tmp_path):
    """The same command, and `push`, which takes them from the export."""
    from emotiontalk.export.parquet import resume_parquet

    command("parquet", tmp_path / "out", "--config", "text", "--labels-as-text", "--data-dir", DUMMY)
    (tmp_path / "out/text/test-00003-of-00008.parquet").unlink()
    resume_parquet(tmp_path / "out", data_dir=DUMMY)
    found = datasets.load_dataset(str(tmp_path / "out"), "text", split="test", cache_dir=str(tmp_path / "cache"))
    assert len(found) == 8 and set(found["emotion"]) <= set(EMOTIONS)


@once
def test_an_export_in_pandas(exported):
    pandas = pytest.importorskip("pandas")
    table = pandas.concat(pandas.read_parquet(path) for path in sorted(exported.glob("multimodal/test-*.parquet")))
    assert table["emotion"].tolist()[:2] == ["happy", "angry"] or set(table["emotion"]) <= set(EMOTIONS)
    assert table["annotations"].iloc[0][0]["emotion"] in EMOTIONS


def test_the_names_are_there_on_every_version():
    assert VERSION and all(name in dir(emotiontalk) for name in ("show", "label_names", "context"))


# --- rows of any kind


def text_of(row):
    """What is shown of a row in a terminal; in a notebook it is shown, too."""
    page_of(row)
    return repr(emotiontalk.show(row))


def test_captions_as_one_string_or_a_list():
    for captions in ("她很高兴", ["她很高兴"], {"overall": "她很高兴"}, {"overall": ["她很高兴", None]}):
        assert text_of({"id": "a", "captions": captions}).splitlines()[1:] == ["  caption  她很高兴"]
    assert text_of({"id": "a", "captions": {"speaker": None, "overall": None}}) == "a"
    assert "caption, speaker" in text_of({"id": "a", "captions": {"speaker": ["x"]}})


def test_durations_and_other_numbers_that_are_none():
    audio = {"bytes": b"", "path": "a.wav"}
    shown = text_of({"id": "a", "audio": audio, "duration": float("nan"), "sampling_rate": "?", "channels": 1.5})
    assert "a.wav, nan s, ? Hz, 1.5 channels" in shown
    shown = text_of({"id": "a", "audio": audio, "duration": "1.5", "sampling_rate": 16000.0, "channels": "2"})
    assert "a.wav, 1.50 s, 16 kHz, stereo" in shown
    assert "inf … x s" in text_of({"id": "a", "start": float("inf"), "end": "x"})
    assert "1.00 … 2.00 s" in text_of({"id": "a", "start": 1, "end": "2"})


@pytest.mark.parametrize("value", ["glad", 99, -1, 2.5, True, [9, "x"], {"a": 1}, (1, 99), 10**30])
def test_labels_of_the_wrong_type(value):
    shown = text_of({"id": "a", "emotion": value, "annotations": [{"annotator": "A", "emotion": value}]})
    expected = value if isinstance(value, str) else list(value) if isinstance(value, tuple) else value
    assert str(value) in shown or str(expected) in shown
    assert "–" in text_of({"id": "a", "emotion": float("nan")})


@pytest.mark.parametrize("value", ["?", 3, [3], {"a": [1, 2], "b": [1]}, {"a": 1}, [[1]], [None], float("nan")])
@pytest.mark.parametrize("name", ["annotations", "turns", "soft_label", "captions"])
def test_what_should_be_a_list_of_something(name, value):
    shown = text_of({"id": "a", name: value})
    assert shown.startswith("a\n") or value in ([None],)


def test_shares_that_are_none_are_shown_as_they_are():
    for shares in ([float("nan")] * 7, [3, 2, 0, 0, 0, 0, 0], [0.1] * 9, ["x"], {"sad": 1}, "0.5"):
        assert "votes" in text_of({"id": "a", "soft_label": shares}) and "█" not in text_of({"soft_label": shares})
    assert "█" in text_of({"soft_label": [0.5, "0.5", None, 0, 0, 0, 0]})


def test_a_batch_with_odd_columns():
    shown = text_of({"id": ["a", "b"], "emotion": [1], "captions": None, "text": ["x", "y"]})
    assert shown.count("text") == 2 and "a\n" in shown and "b\n" in shown and "happy" in shown
    assert text_of({"emotion": [1, 99], "id": "a"}).startswith("a\n")  # a row with a list in it


ODD = [
    None, float("nan"), "", "x", -1, 2.5, True, [], [1], {}, {"a": 1}, {"a": [1]}, {"a": [1], "b": []}, b"x", 10**5000,
    numpy.float32("nan"), numpy.array([1, 2]), numpy.array("s"), object(), [{"emotion": "9"}, 3], [[1]], {1: 2}, {"x"},
    {"bytes": "text", "path": 3}, {"bytes": b"no", "path": None}, {"overall": 3}, [0.5] * 9,
]  # fmt: skip


@pytest.mark.parametrize("name", [*FIELDS, "duration", "sampling_rate", "channels", "soft_label", "mine"])
def test_anything_in_any_field_is_shown(name):
    for value in ODD:
        for row in (
            {name: value},
            {"id": "a", "audio": {"bytes": b"x", "path": "p"}, name: value},
            {"id": ["a"], name: value},
        ):
            text_of(row)


@once
@pytest.mark.parametrize("options", [["-"], ["-i", "-q"]], ids=["script", "prompt"])
def test_show_prints_once(options):
    """A script prints it; a prompt shows what it returns."""
    row = {"id": "G00003_13_06_001", "text": "你好", "emotion": 1}
    code = f"import emotiontalk\nemotiontalk.show({row!r})\n"
    command = [sys.executable, *options]
    run = subprocess.run(command, input=code, cwd=PROJECT, capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.count("G00003_13_06_001") == 1, run.stderr
