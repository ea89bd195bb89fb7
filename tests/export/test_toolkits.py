"""What the toolkits' own readers demand of the files of `emotiontalk files`.

Where a reader cannot be installed from the registry, its demand is checked here, and the reader with which the files
were tried is named: repository, file, commit.
"""

import csv
import importlib.util
import json
import unicodedata
from pathlib import Path

import numpy
import pytest
import soundfile
import yaml
from support import PROJECT, archives, command, once

import emotiontalk

pytestmark = once
# A group of each speaker set, and all of test: the whole release takes three times as long.
GROUPS = ("G00001", "G00002", "G00003", "G00013", "G00014", "G00015")
SIZES = dict.fromkeys(("train", "validation", "test"), 0)
for group in GROUPS:
    SIZES[emotiontalk.split_of(group)] += emotiontalk.GROUPS[group]
TOTAL = sum(SIZES.values())


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def small(tmp_path):
    def small(*arguments, status=0, out=tmp_path / "out"):
        return command("files", out, *arguments, "--data-dir", PROJECT / "dummy_data", status=status)

    return small


@pytest.fixture(scope="module")
def made(rebuilt, tmp_path_factory):
    """Some groups of all splits of the rebuilt release, in three audio formats."""
    out = tmp_path_factory.mktemp("toolkits") / "out"
    names = ("kaldi", "emobox", "funasr", "merbench", "csv")
    command(
        "files",
        out,
        *[part for name in names for part in ("--for", name)],
        "--data-dir",
        rebuilt("--only", "Audio", "--groups", ",".join(GROUPS)),
    )
    return out


# --- Kaldi: kaldi-asr/kaldi f4007661, egs/wsj/s5/utils/{validate_data_dir,fix_data_dir,combine_data}.sh; WeNet:
# wenet-e2e/wenet 01546996, tools/{validate_data_dir.sh,make_raw_list.py}


@pytest.mark.slow
def test_kaldis_files_are_in_one_order_by_utterance_and_by_speaker(made):
    for split, size in SIZES.items():
        folder = made / "kaldi" / split
        table = {path.name: path.read_bytes().splitlines() for path in folder.iterdir()}
        ids = [line.split()[0] for line in table["utt2spk"]]
        assert len(ids) == size and ids == sorted(ids)
        for name in ("wav.scp", "text", "utt2emo", "utt2dur"):
            assert [line.split()[0] for line in table[name]] == ids
        assert [line.split()[1] for line in table["utt2spk"]] == sorted(line.split()[1] for line in table["utt2spk"])
        joined = [(uid, line.split()[0]) for line in table["spk2utt"] for uid in line.split()[1:]]
        assert joined == [tuple(line.split()) for line in table["utt2spk"]]
        assert all(len(line.split()) == 2 for name in ("wav.scp", "utt2dur") for line in table[name])
        assert all(float(line.split()[1]) > 0 for line in table["utt2dur"])


def test_kaldi_refuses_a_folder_with_a_blank_before_it_writes(small, tmp_path):
    said = small("--for", "kaldi", out=tmp_path / "my out", status=1).stderr
    assert "wav.scp" in said
    assert not (tmp_path / "my out").exists()
    small("--for", "lhotse", out=tmp_path / "my out")


# --- SpeechBrain: speechbrain/speechbrain 9c826ef3, recipes/IEMOCAP/emotion_recognition/train_with_wav2vec2.py


@pytest.mark.parametrize("label_set, number", [("all", 7), ("four", 4)])
def test_speechbrains_command_names_the_classes_and_whole_paths(small, tmp_path, label_set, number):
    small("--for", "speechbrain", "--label-set", label_set)
    told = (tmp_path / "out/speechbrain/README.md").read_text(encoding="utf-8")
    assert f"--out_n_neurons {number} " in told
    for name in ("train", "valid", "test"):
        (path,) = [word for word in told.split() if word.endswith(f"/speechbrain/{name}.json")]
        assert path.startswith("/") and json.loads(open(path, encoding="utf-8").read())


# --- S3PRL: s3prl/s3prl ec8064b5, s3prl/downstream/emotion/{expert,dataset}.py


def test_s3prls_files_are_where_its_expert_looks(small, tmp_path):
    small("--for", "s3prl")
    out = tmp_path / "out"
    for split in ("train", "test"):
        found = json.loads((out / f"s3prl/Session1/{split}_meta_data.json").read_text())
        assert list(found["labels"].values()) == list(range(7)) and len(found["meta_data"]) == 8
        assert all((out / row["path"]).is_file() and row["label"] in found["labels"] for row in found["meta_data"])
    assert f"meta_data='{out}/s3prl'" in (out / "s3prl/README.md").read_text()


# --- EmoBox: emo-box/EmoBox 08280f2, examples/sb/{speech_feature_extraction,dataset_prepare}.py


@pytest.mark.slow
def test_emoboxs_folds_and_whole_corpus(made):
    folder = made / "emobox"
    whole = json.loads((folder / "emotiontalk.json").read_text(encoding="utf-8"))
    records = lines(folder / "emotiontalk.jsonl")
    assert len(whole) == TOTAL and [record["key"] for record in records] == list(whole)
    assert all(record["key"].startswith("emotiontalk-G") for record in records)
    assert all(type(record["num_frame"]) is float and record["channel"] == 1 for record in records)
    labels = json.loads((folder / "label_map.json").read_text())
    for fold in ("official", "1", "2", "3", "4", "5"):
        parts = {}
        for part in ("train", "valid", "test"):
            name = f"fold_{fold}/emotiontalk_{part}_fold_{fold}"
            parts[part] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            assert [record["key"] for record in lines(folder / f"{name}.jsonl")] == list(parts[part])
            assert all(whole[key] == value and value["emo"] in labels for key, value in parts[part].items())
        assert sorted(key for part in parts.values() for key in part) == sorted(whole)
        sets = {part: {emotiontalk.speaker_set_of(key[12:18]) for key in keys} for part, keys in parts.items()}
        if fold == "official":
            assert [len(part) for part in parts.values()] == list(SIZES.values())
        else:
            assert sets["test"] == {int(fold)} and len(sets["valid"]) == 1 and len(sets["train"]) == 3
            assert not sets["valid"] & (sets["train"] | sets["test"]) and not sets["train"] & sets["test"]


def test_emobox_has_no_folds_of_speakers_where_a_split_is_missing(small, tmp_path):
    small("--for", "emobox", "--split", "test")
    folders = [path.name for path in (tmp_path / "out/emobox").iterdir() if path.is_dir()]
    assert folders == ["fold_official"]
    assert len(lines(tmp_path / "out/emobox/emotiontalk.jsonl")) == 8


# --- MERBench: zeroQiaoba/MERTools 89120b7, MERBench/toolkit/dataloader/meld.py; the authors' code: NKU-HLT/EmotionTalk
# 6ff3022, EmotionTalk/toolkit/dataloader/mm.py, whose audio_label.npz has −10


@pytest.mark.slow
def test_merbench_without_a_score_has_the_authors_value(made, small, tmp_path):
    npz = numpy.load(made / "merbench/label-audio.npz", allow_pickle=True)
    entries = [entry for name in npz.files for entry in npz[name].tolist().values()]
    assert len(entries) == TOTAL and {entry["val"] for entry in entries} == {-10}
    small("--for", "merbench", "--config", "multimodal")
    npz = numpy.load(tmp_path / "out/merbench/label-multimodal.npz", allow_pickle=True)
    assert all(-2 <= entry["val"] <= 2 for name in npz.files for entry in npz[name].tolist().values())
    ids = list(npz["train_corpus"].tolist())
    assert ids == sorted(ids)  # by dialogue and speaker, as in the authors' files; their order of these is their disk's


# --- FunASR: modelscope/FunASR 3c58cb56, funasr/datasets/audio_datasets/sensevoice2jsonl.py makes the same lines


@pytest.mark.slow
def test_sensevoices_lengths_are_those_of_its_own_script(made):
    for split, size in SIZES.items():
        records = lines(made / f"funasr/{split}.jsonl")
        assert len(records) == size
        for record in records:
            text, samples = record["target"], soundfile.info(record["source"]).frames
            assert record["source_len"] == int(samples / 16_000 * 1000 / 10)
            assert record["target_len"] == (len(text.split()) if " " in text else len(text))
            marks = any(unicodedata.category(character)[0] in "PS" for character in text)
            assert record["with_or_wo_itn"] == ("<|withitn|>" if marks else "<|woitn|>")
        assert any(" " in record["target"] for record in records)


def test_sensevoices_length_of_other_rates_is_at_16_khz(small, tmp_path):
    small("--for", "funasr", "--sampling-rate", "8000", "--split", "test")
    for record in lines(tmp_path / "out/funasr/test.jsonl"):
        info = soundfile.info(record["source"])
        assert info.samplerate == 8_000 and record["source_len"] == info.frames * 2 // 160
    assert "knows the\nfour labels" in (tmp_path / "out/funasr/README.md").read_text(encoding="utf-8")


# --- csv


@pytest.mark.slow
def test_tables_keep_the_speaker_a_string(made):
    for split, size in SIZES.items():
        records = lines(made / f"csv/{split}/metadata.jsonl")
        assert len(records) == size and all(record["speaker_id"] == record["id"][10:12] for record in records)
        assert all((made / "csv" / split / record["file_name"]).is_file() for record in records)
        with (made / f"csv/{split}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["id"] for row in rows] == [record["id"] for record in records]
        assert all((made / "csv" / row["file_name"]).is_file() for row in rows)


# --- audio of two channels


@pytest.mark.parametrize("options", [("--original",), ("--channels", "2")])
def test_readers_of_one_channel_refuse_two_and_others_warn(small, tmp_path, options):
    for name in ("s3prl", "speechbrain", "emobox", "merbench"):
        said = small("--for", "lhotse", "--for", name, *options, status=1).stderr
        assert f"{name} reads audio of one channel" in said and "--channels 2" in said
    assert not (tmp_path / "out").exists()
    said = small("--for", "kaldi", "--for", "funasr", "--for", "lhotse", *options).stderr
    assert "kaldi: of two channels, Kaldi and WeNet read the first" in said and "funasr: SenseVoice converts" in said
    assert "lhotse:" not in said


def test_merbench_refuses_what_mertools_does_not_find(small, tmp_path):
    for options in (("--format", "flac"), ("--sampling-rate", "8000")):
        assert "merbench reads WAV of 16 kHz" in small("--for", "merbench", *options, status=1).stderr
    assert not (tmp_path / "out").exists()


def test_a_readme_that_begins_with_code_has_all_of_it_as_code(small, tmp_path):
    small("--for", "csv", "--for", "lhotse", "--split", "test")
    for name, code in (("csv", "pandas.read_csv"), ("lhotse", "from lhotse import CutSet")):
        assert f"\n\n    {code}" in (tmp_path / f"out/{name}/README.md").read_text(encoding="utf-8")


def test_no_warning_where_there_is_one_channel(small):
    assert "channel" not in small("--for", "kaldi", "--for", "funasr").stderr


# --- messages: hiyouga/LLaMA-Factory ff6d4d12, data/{parser,converter}.py; modelscope/ms-swift 3602360a,
# dataset/preprocessor; salaniz/pycocoevalcap and Labbeti/aac-metrics from the registry


def test_messages_about_video_clips(small, tmp_path):
    """The clips are written once, as released; no audio is written; a second run writes no clip again."""
    out = tmp_path / "out"
    arguments = ("--for", "messages", "--config", "multimodal", "--media", "video")
    small(*arguments)
    assert not (out / "audio").exists()
    members = {name.split("/")[-1]: data for name, data in archives()["Multimodal"].items() if name.endswith(".mp4")}
    clips = sorted((out / "video").rglob("*.mp4"))
    assert len(clips) == 24 and all(clip.read_bytes() == members[clip.name] for clip in clips)
    infos = json.loads((out / "messages/dataset_info.json").read_text())
    assert infos["emotiontalk_emotion_video_test"]["columns"] == {"messages": "messages", "videos": "videos"}
    labels = {row["id"]: row["emotion"] for row in emotiontalk.load_dataset(
        "multimodal", PROJECT / "dummy_data", split="test", streaming=True).remove_columns("audio")}  # fmt: skip
    records = lines(out / "messages/emotion-video-test.jsonl")
    assert len(records) == 8
    for record in records:
        asked, answer = (message["content"] for message in record["messages"])
        (path,) = record["videos"]
        assert asked.startswith("<video>") and "audios" not in record and path.startswith(str(out))
        assert emotiontalk.EMOTIONS[labels[path.split("/")[-1][:-4]]] == answer
    before = {clip: clip.stat().st_mtime_ns for clip in clips}
    small(*arguments, "--task", "caption", "--caption", "emotion", "--for", "kaldi")
    assert {clip: clip.stat().st_mtime_ns for clip in clips} == before and (out / "audio").exists()
    told = {name: (out / name / "README.md").read_text(encoding="utf-8") for name in ("messages", "kaldi")}
    assert "Video: as released" in told["messages"] and "Audio: converted to 16,000 Hz" in told["kaldi"]


def test_a_video_of_the_users_stays(small, tmp_path):
    foreign = tmp_path / "out/video/test/G00003_13_06_001.mp4"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"mine")
    arguments = ("--for", "messages", "--config", "multimodal", "--media", "video")
    assert f"{foreign}: refusing" in small(*arguments, status=1).stderr
    assert foreign.read_bytes() == b"mine"


@pytest.mark.parametrize("caption", ["overall", "speaker", "style", "emotion"])
def test_captions_and_their_references(small, tmp_path, caption):
    small("--for", "messages", "--task", "caption", "--caption", caption)
    out, task = tmp_path / "out/messages", "caption" if caption == "overall" else f"caption-{caption}"
    references = json.loads((out / f"references-{task}-test.json").read_text(encoding="utf-8"))
    rows = emotiontalk.load_dataset("audio", PROJECT / "dummy_data", split="test", streaming=True)
    for row in rows.remove_columns("audio"):
        expected = row["captions"][caption]
        assert references[row["id"]] == (expected if caption == "overall" else [expected])
    answers = [record["messages"][1]["content"] for record in lines(out / f"{task}-test.jsonl")]
    assert answers == [captions[0] for captions in references.values()] and len(answers) == 8
    assert not (out / f"references-{task}-train.json").exists()


def test_options_of_messages_that_would_do_nothing_are_refused(small):
    assert "add --task caption" in small("--for", "messages", "--caption", "style", status=1).stderr
    assert "add --config multimodal" in small("--for", "messages", "--media", "video", status=1).stderr
    for option in (("--media", "video"), ("--task", "caption", "--caption", "style")):
        assert "--for messages" in small("--for", "kaldi", *option, status=1).stderr


# --- audformat, from the registry; felixbur/nkululeko a1e2bd19, nkululeko/data/dataset.py


def tables_of(folder):
    """The tables of a database as {name: {file: row}}, checked against its header, which is JSON and so YAML."""
    header = json.loads((folder / "db.yaml").read_text(encoding="utf-8"))
    found = {}
    for name, table in header["tables"].items():
        with (folder / f"db.{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            assert list(row) == ["file", *table["columns"]] and (folder / row["file"]).is_file()
        for column in table["columns"].values():
            assert column["scheme_id"] in header["schemes"]
            assert (
                column.get("rater_id", "gold") in header["raters"] and table.get("split_id", "test") in header["splits"]
            )
        found[name] = {row["file"]: row for row in rows}
    return header, found


@pytest.mark.parametrize("config", ["audio", "multimodal"])
def test_an_audformat_database(small, tmp_path, config):
    small("--for", "audformat", "--config", config)
    header, tables = tables_of(tmp_path / "out/audformat")
    scored = config == "multimodal"
    kinds = ["emotion", "emotion.votes", *(["sentiment"] if scored else [])]
    assert sorted(tables) == sorted(["files", *(f"{kind}.{s}" for kind in kinds for s in ("train", "dev", "test"))])
    assert header["schemes"]["emotion"]["labels"] == list(emotiontalk.EMOTIONS)
    assert len(tables["files"]) == 24
    for row in emotiontalk.load_dataset(config, PROJECT / "dummy_data", split="test", streaming=True).remove_columns(
        "audio"
    ):
        name = f"audio/test/{row['id']}.wav"
        assert tables["emotion.test"][name]["emotion"] == emotiontalk.EMOTIONS[row["emotion"]]
        assert tables["files"][name]["speaker"] == row["speaker_id"] and tables["files"][name]["turn"] == str(
            row["turn"]
        )
        assert header["schemes"]["speaker"]["labels"][row["speaker_id"]] == {"set": row["speaker_set"]}
        if scored:
            assert float(tables["sentiment.test"][name]["sentiment"]) == row["sentiment_score"]
        for vote in row["annotations"]:
            votes = tables["emotion.votes.test"][name]
            emotion, confidence = votes[vote["annotator"]], votes[f"{vote['annotator']}.confidence"]
            assert emotion == ("" if vote["emotion"] is None else emotiontalk.EMOTIONS[vote["emotion"]])
            assert confidence == ("" if vote["confidence"] is None else str(vote["confidence"]))


@pytest.mark.slow
def test_audformat_reads_its_database(small, tmp_path):
    audformat = pytest.importorskip("audformat")
    small("--for", "audformat", "--config", "multimodal", "--label-set", "four")
    database = audformat.Database.load(tmp_path / "out/audformat")
    _, tables = tables_of(tmp_path / "out/audformat")
    for split in ("train", "dev", "test"):
        read = database[f"emotion.{split}"].get()
        assert dict(read["emotion"]) == {file: row["emotion"] for file, row in tables[f"emotion.{split}"].items()}
        assert len(database[f"emotion.votes.{split}"].get()) == len(read) == len(database[f"sentiment.{split}"].get())
    files = database["files"].get(map={"speaker": ["speaker", "set"]})
    assert all(isinstance(speaker, str) for speaker in files["speaker"]) and files["set"].notna().all()
    seconds = {file: soundfile.info(tmp_path / "out/audformat" / file).duration for file in files.index}
    assert all(abs(files["duration"][file].total_seconds() - seconds[file]) < 1e-6 for file in seconds)
    assert len(database.get("emotion")) == len(files)  # the votes are no second gold standard


# --- NeMo: NVIDIA-NeMo/NeMo 8cfedd72, nemo/collections/common/parts/preprocessing/{manifest,collections}.py


def test_nemos_manifests(small, tmp_path):
    small("--for", "nemo")
    for split in ("train", "validation", "test"):
        records = lines(tmp_path / f"out/nemo/{split}.jsonl")
        assert len(records) == 8
        for record in records:
            assert list(record)[:5] == ["audio_filepath", "duration", "text", "emotion", "label"]
            assert abs(soundfile.info(record["audio_filepath"]).duration - record["duration"]) < 1e-6
            assert record["label"] == record["emotion"] in emotiontalk.EMOTIONS and len(record["speaker"]) == 2
    assert "channel_selector=average" in small("--for", "nemo", "--original", out=tmp_path / "two").stderr


# --- evaluation: EvolvingLMMs-Lab/lmms-eval 75571cfe, its task manager, evaluator and model `dummy`


class Functions(yaml.SafeLoader):
    """YAML as lmms-eval reads it: `!function utils.name` is the function's name."""


Functions.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


@pytest.fixture
def functions():
    path = PROJECT / "emotiontalk/export/assets/lmms_eval_utils.py"
    spec = importlib.util.spec_from_file_location("lmms_eval_utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("config, split", [("audio", None), ("multimodal", None), ("audio", "validation")])
def test_tasks_for_audio_language_models(small, tmp_path, functions, config, split):
    small("--for", "evaluation", "--config", config, *(("--split", split) if split else ()))
    out = tmp_path / "out/evaluation"
    tasks = ["emotion", *(["sentiment"] if config == "multimodal" else []), "asr", "caption"]
    names = [f"emotiontalk_{task}_{language}" for task in tasks for language in ("zh", "en")]
    group = yaml.safe_load((out / "lmms_eval/emotiontalk.yaml").read_text())
    assert group == {"group": "emotiontalk", "task": names}
    assert (out / "lmms_eval/utils.py").read_bytes() == (
        PROJECT / "emotiontalk/export/assets/lmms_eval_utils.py"
    ).read_bytes()
    rows = {
        row["id"]: row
        for row in emotiontalk.load_dataset(
            config, PROJECT / "dummy_data", split=split or "test", streaming=True
        ).remove_columns("audio")
    }
    for name in names:
        _, task, language = name.split("_")
        told = yaml.load((out / f"lmms_eval/{name}.yaml").read_text(encoding="utf-8"), Functions)
        assert told["task"] == name and told["test_split"] == (split or "test")
        values = [*told.values(), *(metric["aggregation"] for metric in told["metric_list"])]
        called = [value for value in values if isinstance(value, str) and value.startswith("utils.")]
        assert len(called) >= 5 and all(callable(getattr(functions, value.split(".")[1])) for value in called)
        docs = lines(Path(told["dataset_kwargs"]["data_files"][told["test_split"]]))
        assert [doc["id"] for doc in docs] == list(rows)
        process = getattr(functions, told["process_results"].split(".")[1])
        results = {}
        for doc in docs:
            assert list(doc) == ["id", "audio", "prompt", "options", "answer"]
            row = rows[doc["id"]]
            if task == "emotion":
                assert doc["answer"] == emotiontalk.EMOTIONS[row["emotion"]]
            elif task == "sentiment":
                assert doc["answer"] == emotiontalk.SENTIMENTS[row["sentiment"]]
            else:
                assert doc["answer"] == (row["text"] if task == "asr" else row["captions"]["overall"])
            assert all(option in doc["prompt"] for option in doc["options"])
            assert any("一" <= character <= "鿿" for character in doc["prompt"]) == (language == "zh")
            (audio,) = functions.doc_to_audio(doc)
            assert audio["array"].shape == (soundfile.info(doc["audio"]).frames,) and audio["sampling_rate"] == 16_000
            assert functions.doc_to_text(doc, {"pre_prompt": "a", "post_prompt": "b"}) == f"a{doc['prompt']}b"
            for metric, value in process(doc, [functions.doc_to_target(doc)]).items():  # a right answer
                results.setdefault(metric, []).append(value)
        assert sorted(results) == sorted(metric["metric"] for metric in told["metric_list"])
        if task != "caption":  # which needs pycocoevalcap
            for metric, values in results.items():
                assert getattr(functions, metric)(values) == (0 if metric == "cer" else 1)


def test_what_counts_the_answers_of_audio_language_models(functions):
    emotions, sentiments = list(emotiontalk.EMOTIONS), list(emotiontalk.SENTIMENTS)
    assert functions.chosen("The answer is: Happy.", emotions) == "happy"
    assert functions.chosen("情感是happy。", emotions) == "happy"
    assert functions.chosen("unhappy", emotions) == functions.chosen("happy or sad", emotions) == ""
    assert functions.chosen("Weakly negative", sentiments) == "weakly negative"
    assert functions.chosen("negative", sentiments) == "negative"
    pairs = [("sad", "sad"), ("sad", "sad"), ("sad", ""), ("happy", "sad")]
    assert functions.war(pairs) == 0.5 and functions.uar(pairs) == pytest.approx(1 / 3)
    right = {"answer": "你好，今天 OK 吗？"}
    assert functions.process_asr(right, ["你好今天ok吗"]) == {"cer": (0, 7)}
    assert functions.process_asr(right, ["你号今天ok"]) == {"cer": (2, 7)}
    assert functions.cer([(0, 7), (2, 7)]) == pytest.approx(1 / 7) and functions.edits("", "abc") == 3
