"""Bad input ends in an error that names the archive, the member and the way out; nothing is lost silently."""

import json
import logging

import pytest
from support import rows, some

UID = "G00003_13_06_003"


def member(name, archive, suffix="json"):
    folder = {"json": "json", "wav": "wav", "mp4": "mp4"}[suffix]
    group, dialogue, speaker, _ = name.split("_")
    return f"{archive}/{folder}/{group}/{group}_{dialogue}/{group}_{dialogue}_{speaker}/{name}.{suffix}"


def edit(archive, **fields):
    """A change of some fields of one annotation."""

    def change(members):
        name = member(UID, archive)
        note = json.loads(members[archive][name])
        note.update({key.replace("__", " "): value for key, value in fields.items()})
        members[archive][name] = json.dumps(note).encode()

    return change


def replace(archive, data, suffix="json"):
    return lambda members: members[archive].update({member(UID, archive, suffix): data})


def remove(archive, suffix):
    return lambda members: members[archive].pop(member(UID, archive, suffix))


def twice(members):
    members["Audio"]["Audio/again/" + UID + ".wav"] = b"RIFF"


BAD_UTTERANCES = {
    "annotation without media": (remove("Audio", "wav"), "audio", ["Audio.tar", UID, "no wav in Audio"]),
    "media without annotation": (
        remove("Audio", "json"),
        "audio",
        ["Audio.tar", UID + ".wav", "no annotation in Audio"],
    ),
    "missing in another pass": (remove("Text", "json"), "multimodal", [UID, "no annotation in Text"]),
    "video without annotation": (remove("Multimodal", "json"), "video", [UID, "no annotation in Multimodal"]),
    "no JSON": (replace("Audio", b'{"data": '), "audio", ["Audio.tar", UID + ".json", "not JSON"]),
    "not UTF-8": (replace("Text", '{"content": "你"}'.encode("gbk")), "text", ["Text.tar", UID + ".json", "not JSON"]),
    "no object": (replace("Text", b"[]"), "text", ["Text.tar", UID + ".json", "JSON object"]),
    "unknown emotion": (
        edit("Audio", emotion_result="bored"),
        "audio",
        ["Audio.tar", UID + ".json", "'bored'", "fearful"],
    ),
    "missing emotion": (edit("Video", emotion_result=None), "multimodal", ["Video.tar", UID + ".json", "None"]),
    "score out of range": (
        edit("Multimodal", Continuous__label_result=2.2),
        "multimodal",
        ["Multimodal.tar", UID, "2.2"],
    ),
    "score no number": (edit("Multimodal", Continuous__label_result="?"), "video", ["Multimodal.tar", UID, "'?'"]),
    "score NaN": (
        edit("Multimodal", Continuous__label_result=float("nan")),
        "multimodal",
        ["Multimodal.tar", UID, "nan"],
    ),
    "empty sound": (replace("Audio", b"", "wav"), "zh-en", ["Audio.tar", UID + ".wav", "empty"]),
}


def said_of_a_bad_utterance(load, release, case, **options):
    change, config, says = BAD_UTTERANCES[case]
    with pytest.raises(Exception) as error:
        rows(load(config, data_dir=release(change), **options)["test"])
    for words in [*says, "strict=False"]:
        assert words in str(error.value)
    assert type(error.value).__name__ == "BadUtteranceError"


@pytest.mark.parametrize("case", BAD_UTTERANCES)
@pytest.mark.parametrize("streaming", some([False, True], True))
def test_a_bad_utterance_is_a_clear_error(load, release, case, streaming):
    said_of_a_bad_utterance(load, release, case, streaming=streaming)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["annotation without media", "missing in another pass", "unknown emotion"])
def test_a_bad_utterance_is_a_clear_error_in_processes(load, release, case):
    said_of_a_bad_utterance(load, release, case, num_proc=2)


@pytest.mark.parametrize("case", some(BAD_UTTERANCES, *list(BAD_UTTERANCES)[:5]))
def test_strict_false_leaves_it_out_and_says_so(load, release, case, caplog):
    change, config, _ = BAD_UTTERANCES[case]
    with caplog.at_level(logging.WARNING):
        logging.getLogger("datasets").propagate = True
        found = load(config, data_dir=release(change), strict=False)
    name = "sample_id" if config == "zh-en" else "id"
    assert len(found["test"]) == 7 and UID not in found["test"][name]
    assert "1 of 4 utterances left out" in caplog.text and UID in caplog.text


@pytest.mark.parametrize(
    "change, config",
    [
        (
            edit("Audio", data=None, sourceAttr="?", paragraphs=[1], content=None, speaker_id=7, emo_cap=None,
                 spe_cap=[], style_cap={}, **{f"caption_{i}": None for i in range(1, 6)}),
            "multimodal",
        ),
        (
            edit("Audio", data={"A": {"emotion": "bored", "Confidence_degree": "11"}, "B": 3},
                 paragraphs={"startTime": "soon"}),
            "audio",
        ),
        (
            edit("Multimodal", data={"A": {"Continuous_label": 3}, "F": {}}, file_name="elsewhere.mp4", more={"x": 1}),
            "video",
        ),
        (edit("Text", content=12, file_name=None), "text"),
    ],
)  # fmt: skip
def test_what_does_not_decide_a_row_is_none_and_no_error(load, release, change, config):
    found = load(config, data_dir=release(change), split="test")
    row = next(row for row in rows(found) if row["id"] == UID)
    assert len(row["annotations"]) == 5
    if config == "audio":
        assert row["annotations"][0] == {"annotator": "A", "emotion": None, "confidence": None, "sentiment": None}
        assert row["start"] is None
    if config == "multimodal":
        assert row["captions"] == {"speaker": None, "style": None, "emotion": None, "overall": [None] * 5}
        assert row["transcription"]
    if config == "text":
        assert row["transcription"] == "12"


def test_a_missing_archive(load, release):
    out = release()
    (out / "Audio.tar").unlink()
    with pytest.raises(FileNotFoundError) as error:
        load("audio", data_dir=out)
    for words in ("Audio.tar", str(out), "data/", "hf download BAAI/Emotiontalk", "Accept the terms"):
        assert words in str(error.value)


def test_a_folder_that_is_not_there(load, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load("text", data_dir=tmp_path / "nowhere")


def test_the_same_id_twice(load, release):
    with pytest.raises(Exception, match="twice") as error:
        load("audio", data_dir=release(twice))
    assert UID in str(error.value) and "Audio/again/" in str(error.value)


def cut(data, at):
    return data[: int(len(data) * at)]


DAMAGES = {
    "cut in a sound": ("Audio", lambda data: cut(data, 0.6), "truncated"),
    "cut at the end of a member": (
        "Audio", lambda data: data.rstrip(b"\0")[: len(data.rstrip(b"\0")) // 512 * 512], "truncated",
    ),
    "a header spoilt": (
        "Audio", lambda data: data[:512 * 40] + data[512 * 40:].replace(b"ustar", b"USTAR", 1), "corrupt",
    ),
    "no tar": ("Audio", lambda data: b"<html>Access denied</html>" * 100, "cannot be read as a tar"),
    "empty": ("Audio", lambda data: b"", "cannot be read as a tar"),
    "Git LFS pointer": (
        "Audio",
        lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:f85\nsize 14811722752\n",
        "git lfs pull",
    ),
    "gzip cut": ("Text", lambda data: cut(data, 0.5), "truncated or corrupt"),
    "gzip spoilt": ("Text", lambda data: data[:300] + b"\xff" * 64 + data[364:], "truncated or corrupt"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_archive(load, release, damage):
    archive, spoil, says = DAMAGES[damage]
    out = release()
    path = out / f"{archive}.tar"
    spoilt = spoil(path.read_bytes())
    assert spoilt != path.read_bytes()
    path.write_bytes(spoilt)
    with pytest.raises(Exception) as error:
        load("audio" if archive == "Audio" else "text", data_dir=out, split="test")
    size = {"Audio": "14,811,722,752", "Text": "1,477,776"}[archive]
    for words in (f"{archive}.tar", says, size, "SHA-256", "download it again"):
        assert words in str(error.value)
    assert type(error.value).__name__ == "DamagedArchiveError"


def test_no_utterance_of_the_split(load, release):
    def only_train(members):
        for files in members.values():
            for name in [n for n in files if not ("G00002" in n or "G00004" in n)]:
                del files[name]

    out = release(only_train)
    assert list(load("text", data_dir=out)) == ["train"]
    with pytest.raises(Exception, match="no utterance of .*test"):
        load("text", data_dir=out, prepare_splits=["test"])


def test_members_that_are_no_part_of_the_release_are_passed_over(load, release):
    def litter(members):
        for archive in members:
            members[archive][f"__MACOSX/{archive}/json/{UID}.json"] = b"fork"
            members[archive][f"{archive}/json/._{UID}.json"] = b"fork"
            members[archive][f"{archive}/{UID}_copy.json"] = b"{}"
            members[archive]["readme.txt"] = b"hello"
            members[archive]["/etc/passwd"] = b"root"

    assert len(load("multimodal", data_dir=release(litter), split="test")) == 8


def test_links_in_a_tar_are_named(load, release):
    import tarfile

    out = release()
    with tarfile.open(out / "Text.tar", "w") as tar:
        info = tarfile.TarInfo(member(UID, "Text"))
        info.type, info.linkname = tarfile.LNKTYPE, "elsewhere"
        tar.addfile(info)
    with pytest.raises(Exception, match="Text.tar: .*003.json is stored as a link.*--hard-dereference"):
        load("text", data_dir=out)


def test_no_room_for_a_compressed_archive(release, monkeypatch):
    """The disk of the temporary files is full: that is what the error says, not that the archive is damaged."""
    import errno

    import emotiontalk.archives.tar

    class Full:
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(emotiontalk.archives.tar.tempfile, "TemporaryFile", Full)
    with pytest.raises(emotiontalk.EmotionTalkError, match="no room .*TMPDIR"):
        emotiontalk.archives.tar.Tar("Text", str(release() / "Text.tar"))


def test_half_a_surrogate_pair_is_no_error(load, release):
    """JSON can hold it (an emoji cut in two), a file in UTF-8 cannot: it becomes the replacement character."""
    for folder, content, expected in (("half", "好\ud83d", "好\ufffd"), ("whole", "好\ud83d\ude00", "好😀")):
        out = release(edit("Text", content=content), folder=folder)
        found = {row["id"]: row for row in rows(load("text", data_dir=out, split="test"))}
        assert found[UID]["transcription"] == found[UID]["text"] == expected
