"""Audio that cannot be decoded and texts that are none: an error or a null of that utterance, and a word about it."""

import contextlib
import hashlib
import json
import os
import random
import struct

import pytest
from support import command, rows

import emotiontalk
from emotiontalk.sample_data import relative

UID = "G00003_13_06_003"


def texts(dataset):
    return {row["id"]: row["text"] for row in rows(dataset)}


def clip(change):
    def edit(members):
        name = "Audio/wav/" + relative(UID, "wav")
        members["Audio"][name] = change(members["Audio"][name])

    return edit


NO_AUDIO = {
    "an HTML page": lambda data: b"<html><body>404</body></html>" * 40,
    "no samples": lambda data: data[:40] + bytes(4),
    "a header alone": lambda data: data[:44],
    "cut in the header": lambda data: data[:30],
    "no format": lambda data: data[:12] + data[36:],
    "514 channels": lambda data: data[:22] + b"\x02\x02" + data[24:],
    "3 channels of a frame of 2": lambda data: data[:22] + b"\x03" + data[23:],
    "2,147,527,748 Hz": lambda data: data[:24] + struct.pack("<I", 44_100 + 2**31) + data[28:],
    "1 Hz": lambda data: data[:24] + struct.pack("<I", 1) + data[28:],
}


@pytest.mark.parametrize("case", NO_AUDIO)
def test_what_is_no_audio_is_an_error_of_its_utterance(call, release, case, said):
    out = release(clip(NO_AUDIO[case]))
    for options in ({}, {"streaming": True}):
        with pytest.raises(emotiontalk.BadUtteranceError, match=f"{UID}.wav cannot be decoded .*strict=False"):
            rows(call("audio", out, split="test", **options))
    assert len(call("audio", out, split="test", strict=False)) == 7 and "1 of 4 utterances left out" in said.text
    exported = command("parquet", out / "export", "--config", "audio", "--data-dir", out, status=1)
    assert f"{UID}.wav cannot be decoded" in exported.stderr


def test_a_clip_of_which_conversion_leaves_nothing(call, release, said):
    out = release(clip(lambda data: data[:40] + struct.pack("<I", 2) + data[44:46]))
    assert len(call("audio", out, split="test")) == 8  # one frame, as released
    with pytest.raises(emotiontalk.BadUtteranceError, match=f"{UID}.wav"):
        call("audio", out, split="test", sampling_rate=16_000)
    assert len(call("audio", out, split="test", sampling_rate=16_000, strict=False)) == 7 and UID in said.text


def test_a_rate_that_is_one_bit_off_is_named(call, release, said):
    out = release(clip(lambda data: data[:24] + struct.pack("<I", 44_100 ^ 1 << 14) + data[28:]))
    assert len(call("audio", out, split="test")) == 8
    assert "contradicts itself" in said.text and f"{UID}.wav" in said.text


@pytest.mark.parametrize("options", [{}, {"sampling_rate": 16_000, "mono": True}, {"sampling_rate": 768_000}], ids=str)
def test_any_bit_of_a_header(call, release, said, options):
    """Each row is what it was, or its clip is named."""
    bits = random.Random(20).sample(range(44 * 8), 44 * 8)

    def flip(members):
        for name in (name for name in members["Audio"] if name.endswith(".wav")):
            data, bit = bytearray(members["Audio"][name]), bits.pop()
            data[bit // 8] ^= 1 << bit % 8
            members["Audio"][name] = bytes(data)

    for number in range(3):
        said.clear()
        found = call("audio", release(flip, f"release{number}"), streaming=True, strict=False, **options)
        with contextlib.suppress(emotiontalk.NoUtteranceError):
            for row in (row for split in found.values() for row in rows(split)):
                as_released = row["sampling_rate"] in (44_100, 16_000) and row["channels"] in (1, 2)
                assert as_released or f"{row['id']}.wav" in said.text or "contradicts itself" in said.text


def test_audio_that_is_truncated_is_named(call, release, said):
    out = release(clip(lambda data: data[:-800]))
    assert len(call("audio", out, split="test")) == 8
    assert "its header says more samples than are there" in said.text and f"{UID}.wav" in said.text


@pytest.mark.parametrize("content", [None, ["好"], {"a": 1}, float("nan")])
def test_a_content_that_is_no_text_is_null_and_named(call, release, content, said):
    def change(members):
        name = "Text/json/" + relative(UID, "json")
        members["Text"][name] = json.dumps(
            {**json.loads(members["Text"][name].decode("utf-8-sig")), "content": content}
        ).encode()

    out = release(change)
    assert texts(call("text", out, split="test"))[UID] is None
    warning = next(r.getMessage() for r in said.records if "content in the text" in r.getMessage())
    assert "1 of 4 utterances" in warning and f"{UID}.json" in warning
    assert UID in command("verify", "--data-dir", out, "--json", status=1).stdout


def test_texts_of_any_kind_end(ends):
    """Where a pattern looks at each character again and again, these take minutes."""
    for text in (
        "[" + " " * 40_000,
        "[" * 40_000,
        "[/" * 20_000,
        "over" * 10_000 + " " * 40_000,
        "/over" + " " * 40_000,
        "[over" * 9_000,
    ):
        emotiontalk.spoken_text(10 * text)


def test_the_benchmarks_label_is_read_as_the_others_are(call, release):
    def change(members):
        name = "Audio/json/" + relative(UID, "json")
        members["Audio"][name] = json.dumps(
            {**json.loads(members["Audio"][name].decode("utf-8-sig")), "emotion_result": " Happiness"}
        ).encode()

    found = {row["sample_id"]: row for row in rows(call("zh-en", release(change), split="test"))}
    assert found[UID]["benchmark_metadata"]["emotion"] == "happy"


def test_an_error_is_one_line_whatever_its_cause_holds(call, release):
    for value in ("x" * 1_000_000, "a\nb\r\nc", {"k": ["v"] * 100_000}):

        def change(members, value=value):
            name = "Text/json/" + relative(UID, "json")
            members["Text"][name] = json.dumps(
                {**json.loads(members["Text"][name].decode("utf-8-sig")), "emotion_result": value}
            ).encode()

        with pytest.raises(emotiontalk.BadUtteranceError) as error:
            call("text", release(change, folder=hashlib.sha1(repr(value).encode()).hexdigest()), split="test")
        assert "\n" not in str(error.value) and len(str(error.value)) < 1_000 and UID in str(error.value)


def all_broken(members):
    for name in members["Audio"]:
        if name.endswith(".wav") and name.split("/")[-1][:6] in ("G00003", "G00015"):
            members["Audio"][name] = b"<html>"


def test_a_split_of_which_nothing_is_left_says_so(load, call, release):
    """And the others load."""
    out = release(all_broken)
    with pytest.raises(emotiontalk.NoUtteranceError if load is call else Exception) as error:
        load("audio", data_dir=out, split="test", strict=False)
    assert "no utterance of test" in str(error.value) and "corresponds to no data" not in str(error.value)
    assert len(load("audio", data_dir=out, split="train", strict=False)) == 8
    assert sorted(call("audio", out, strict=False)) == ["train", "validation"]


@pytest.mark.parametrize("digits", [4_000, 5_000])
def test_a_content_of_thousands_of_digits(call, release, digits):
    """More of them than Python reads are no JSON."""

    def edit(members):
        name = "Audio/json/" + relative(UID, "json")
        text = members["Audio"][name].decode()
        content = json.dumps(json.loads(text)["content"], ensure_ascii=False)
        assert content in text
        members["Audio"][name] = text.replace(content, digits * "7", 1).encode()

    out = release(edit)
    if digits == 4_000:
        assert texts(call("audio", out, split="test"))[UID] == digits * "7"
    else:
        with pytest.raises(emotiontalk.BadUtteranceError, match=f"{UID}.json is not JSON"):
            call("audio", out, split="test")


@pytest.mark.parametrize("kind", ["a FIFO", "a device"])
def test_what_is_no_file_is_not_read(call, tmp_path, ends, kind):
    if kind == "a FIFO":
        os.mkfifo(tmp_path / "Audio.tar")
    else:
        (tmp_path / "Audio.tar").symlink_to("/dev/zero")
    with pytest.raises(emotiontalk.EmotionTalkError, match="Audio.tar is not"):
        call("audio", tmp_path)
    run = command("verify", "--data-dir", tmp_path, status=2)
    assert "Audio.tar is not" in run.stdout
    run = command("verify", "--quick", "--data-dir", tmp_path, status=2)
