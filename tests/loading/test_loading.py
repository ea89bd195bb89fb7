"""What users type, on the miniature release: configs, splits, sound, options, streaming, processes."""

import io
import json
import subprocess
import sys

import numpy
import pytest
import soundfile
from support import CONFIGS, PROJECT, RUNS_SCRIPTS, archives, as_script, rows, some, typed

from emotiontalk import decode_audio
from emotiontalk.sample_data import relative, utterances

IDS = [uid for uid, _ in utterances()]
SPLIT = {"G00001": "validation", "G00012": "validation", "G00003": "test", "G00015": "test"}
EMOTIONS = ["neutral", "happy", "sad", "angry", "surprised", "disgusted", "fearful"]


def test_every_split_has_its_groups_sorted_by_id(load):
    loaded = load("audio")
    assert list(loaded) == ["train", "validation", "test"]
    for split in loaded:
        assert loaded[split]["id"][:] == sorted(uid for uid in IDS if SPLIT.get(uid[:6], "train") == split)


def test_multimodal_is_the_default_config(load):
    assert set(load(split="test").features) == set(load("multimodal", split="test").features)
    assert "sentiment_score" in load(split="test").features


def test_options_without_a_config_name_are_for_the_default_config():
    """`datasets` before 2.16 then makes a config of its own from the options alone."""
    from emotiontalk import EmotionTalkConfig

    assert EmotionTalkConfig(label_set="four").name == "multimodal"


def test_the_sound_decodes(load):
    sound = load("audio", split="test")[0]["audio"]
    sound = sound if RUNS_SCRIPTS else decode_audio(sound, mono=True)
    assert sound["sampling_rate"] == 44_100
    assert len(sound["array"]) == 52_920  # 1.2 s
    assert 0.1 < numpy.abs(sound["array"]).max() < 0.4


def test_sound_and_video_are_the_archives_bytes(load):
    made = archives()
    for config, field, archive, suffix in [("audio", "audio", "Audio", "wav"), ("video", "video", "Multimodal", "mp4")]:
        for split in load(config).values():
            for row in rows(split):
                folder = "wav" if suffix == "wav" else "mp4"
                assert row[field]["bytes"] == made[archive][f"{archive}/{folder}/{relative(row['id'], suffix)}"]
                assert row[field]["path"] == f"{row['id']}.{suffix}"


@pytest.mark.parametrize("config", some(CONFIGS, "multimodal"))
def test_streamed_and_shared_out_rows_are_the_prepared_ones(load, config, tmp_path):
    prepared = load(config)
    processes = load(config, num_proc=2, cache_dir=tmp_path / "processes")
    for split in prepared:
        expected = rows(prepared[split])
        assert expected
        assert rows(processes[split]) == expected
        assert rows(load(config, split=split, streaming=True)) == expected


def test_keys_come_from_the_id(load):
    row = load("text", split="test")[0]
    keys = ("id", "group", "dialogue", "speaker_id", "turn")
    assert [row[k] for k in keys] == ["G00003_13_06_001", "G00003", "G00003_13", "06", 1]


def test_each_config_has_the_label_of_its_own_pass(load):
    wanted = {"multimodal": "Multimodal", "audio": "Audio", "text": "Text", "video": "Video"}
    made = archives()
    for config, archive in wanted.items():
        dataset = load(config, split="train").remove_columns(
            [] if config == "text" else [{"video": "video"}.get(config, "audio")]
        )
        for row in dataset:
            note = json.loads(made[archive][f"{archive}/json/{relative(row['id'], 'json')}"])
            nouns = {"happiness": "happy", "sadness": "sad", "anger": "angry", "surprise": "surprised",
                     "disgust": "disgusted", "fear": "fearful"}  # fmt: skip
            assert EMOTIONS[row["emotion"]] == nouns.get(note["emotion_result"], note["emotion_result"])
        assert dataset.features["emotion"].names == EMOTIONS


def test_what_people_typed_is_read(load):
    """The oddities of the miniature release: BOM, strings for numbers, missing and null fields, flat captions."""
    loaded = load("multimodal").remove_columns("audio")
    by_index = {index: uid for uid, index in utterances()}
    found = {row["id"]: row for split in loaded.values() for row in split}
    assert found[by_index[3]]["captions"]["speaker"] == "第3句的音色"  # BOM
    assert found[by_index[2]]["captions"]["overall"] == [f"第2句的描述{i}" for i in range(1, 6)]  # flat
    assert found[by_index[5]]["start"] is None and found[by_index[5]]["captions"]["overall"][4] is None
    assert found[by_index[6]]["sentiment_score"] == 0.4 and found[by_index[6]]["start"] == 9.0  # strings
    votes = found[by_index[7]]["annotations"]
    assert [vote["annotator"] for vote in votes] == list("ABCDE")
    assert votes[1] == {"annotator": "B", "emotion": None, "confidence": None, "sentiment": None}
    assert votes[2]["confidence"] is None and votes[2]["emotion"] is not None
    assert votes[0]["confidence"] == 0.9
    assert found[by_index[9]]["emotion_text"] is not None  # a noun


def test_transcription_is_verbatim_and_text_has_no_marks(load):
    index = dict(utterances())
    seen = 0
    for split in load("audio").values():
        for row in split.remove_columns("audio"):
            assert not set(row["text"]) & set("[]【】")
            if index[row["id"]] % 4 == 2:
                assert row["text"] == "那就早点休息，别太晚睡，好不好？"
            if index[row["id"]] % 3 == 1 and index[row["id"]] % 4:
                assert "【" in row["transcription"]
                seen += 1
    assert seen


def test_dialogues_are_in_turn_order(load):
    dialogue = load("dialogues", split="test")[0]
    assert dialogue["id"] == dialogue["dialogue"] == "G00003_13" and dialogue["group"] == "G00003"
    assert [turn["turn"] for turn in dialogue["turns"]] == [1, 2, 3, 4]
    assert [turn["speaker_id"] for turn in dialogue["turns"]] == ["06", "07", "06", "07"]
    labels = {"emotion_text", "emotion_audio", "emotion_video", "emotion_multimodal"}
    assert labels <= set(dialogue["turns"][0]) and dialogue["turns"][1]["text"] == "还可以吧，就是有点累。"


def test_zh_en_has_the_benchmarks_keys(load):
    loaded = load("zh-en")
    assert list(loaded) == ["test"]
    row = loaded["test"].remove_columns("audio")[1]
    assert json.dumps(row, ensure_ascii=False) == (
        '{"dataset_id": "emotiontalk", "sample_id": "G00003_13_06_003", '
        '"src_audio": "emotiontalk/audio/zh/G00003_13_06_003.wav", '
        '"src_ref": "那就早点休息，【over/别太晚【/over】睡，好【over】不好【/over/】？", '
        '"tgt_ref": null, "src_lang": "zh", "tgt_lang": "en", '
        '"benchmark_metadata": {"context": "short", "emotion": "angry", "dataset_type": "emotion"}}'
    )
    sound, rate = soundfile.read(io.BytesIO(rows(loaded["test"])[0]["audio"]["bytes"]))
    assert rate == 44_100 and sound.shape[1] == 2


def test_label_set_four(load):
    everything, four = load("text", split="train"), load("text", split="train", label_set="four")
    assert four["id"][:] == [row["id"] for row in everything if row["emotion"] < 4]
    assert 0 < len(four) < len(everything)
    assert four.features["emotion"].names == EMOTIONS[:4]


@as_script
def test_prepare_splits_prepares_only_those(load):
    assert list(load("audio", prepare_splits=["test"])) == ["test"]
    assert list(load("audio", prepare_splits=["validation", "test"])) == ["validation", "test"]


@pytest.mark.parametrize(
    "config, option, message",
    [
        ("audio", {"label_set": "five"}, 'choose "all" or "four"'),
        pytest.param(
            "audio", {"prepare_splits": ["dev"]}, "choose from ['train', 'validation', 'test']", marks=as_script
        ),
        pytest.param("zh-en", {"prepare_splits": ["train"]}, "choose from ['test']", marks=as_script),
        ("audio", {"data_files": str(PROJECT / "dummy_data" / "Audio.tar")}, "pass data_dir="),
        ("audio", {"strict": "no"}, "choose True or False"),
        ("dialogues", {"label_set": "four"}, "dialogues"),
        ("sound", {}, "'sound' not found"),
        ("audio", {"labels": "four"}, "labels"),
    ],
)
def test_an_unknown_option_or_value_is_an_error(load, config, option, message):
    with pytest.raises(ValueError, match=".*") as error:
        load(config, **option)
    assert message in str(error.value)


def test_a_config_asks_only_for_the_archives_it_needs(load, release, tmp_path):
    out = release()
    for unneeded in ("Audio", "Multimodal", "Video"):
        (out / f"{unneeded}.tar").unlink()
    assert len(load("text", data_dir=out, split="test")) == 8


def test_a_changed_folder_is_not_mistaken_for_the_cached_one(load, release):
    out = release(lambda m: m["Text"].pop(next(n for n in m["Text"] if "G00003" in n)))
    assert len(load("text", data_dir=out, split="test")) == 7
    (out / "Text.tar").unlink()
    release(folder="other")
    (out.parent / "other" / "Text.tar").rename(out / "Text.tar")
    assert len(load("text", data_dir=out, split="test")) == 8


def test_loading_by_a_relative_folder_in_a_fresh_process(tmp_path):
    """As typed in a shell: relative paths, no cache, nothing imported from the project but the loader."""
    code = f"d = {typed('multimodal', data_dir='dummy_data', split='test')}; print(d.num_rows, d.split)"
    environment = {"PATH": "/usr/bin:/bin", "HF_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert run.stdout.split() == ["8", "test"], run.stderr[-2000:]
