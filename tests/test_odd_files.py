"""Audio that cannot be decoded and texts that are none: an error or a null of that utterance, and a word about it."""

import hashlib
import json

import pytest
from conftest import command, rows

import emotiontalk
from emotiontalk.cli.dummy import relative

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
    warning = next(r.getMessage() for r in said.records if "content in the text annotation" in r.getMessage())
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
