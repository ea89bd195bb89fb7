"""Members of an archive: bytes by slices, read from where they are; and the error of a damaged archive."""

import pickle

import pytest
from support import PROJECT, archives

import emotiontalk
from emotiontalk.archives.locations import Location
from emotiontalk.archives.tar import Tar
from emotiontalk.corpus import ARCHIVES
from emotiontalk.errors import DamagedArchiveError, damaged_archive_error
from emotiontalk.members import InMemory, Member, NotFetched
from emotiontalk.sample_data import pack

SLICES = [slice(4, 8), slice(None, 3), slice(2, None), slice(-4, None), slice(8, 4), slice(5, 1 << 40), slice(99, 200)]


def in_memory(data, before=b"", after=b""):
    return Member(InMemory("Audio", "Audio.tar", before + data + after), "a.wav", len(before), len(data))


@pytest.mark.parametrize("wanted", SLICES, ids=str)
def test_a_slice_of_a_member_is_that_of_its_bytes(wanted, tmp_path):
    data = bytes(range(60))
    assert in_memory(data, b"before", b"after")[wanted] == data[wanted]
    (tmp_path / "Text.tar").write_bytes(pack({"a.json": b"x" * 700, "b.json": data, "c.json": b"y"}))
    by_name = {member.name: member for member in Tar("Text", str(tmp_path / "Text.tar")).members()}
    assert by_name["b.json"][wanted] == data[wanted] and len(by_name["b.json"]) == len(data)
    (tmp_path / "Text").mkdir()
    (tmp_path / "Text" / "G00003_13_06_001.json").write_bytes(data)
    unpacked = Location.local("Text", (str(tmp_path / "Text"),)).open()
    assert unpacked.annotation_files("G00003")["G00003_13_06_001"][wanted] == data[wanted]


@pytest.mark.parametrize("wanted", [0, slice(0, 4, 2), "a"])
def test_a_member_has_only_slices_of_neighbouring_bytes(wanted):
    with pytest.raises(TypeError):
        in_memory(b"abcdef")[wanted]


def test_a_slice_reads_only_what_it_names(tmp_path):
    (tmp_path / "Audio.tar").write_bytes(pack({"a.wav": b"RIFF" + bytes(10_000)}))
    (member,) = Tar("Audio", str(tmp_path / "Audio.tar")).members()
    with open(tmp_path / "Audio.tar", "r+b") as file:
        file.truncate(1_000)
    assert member[:4] == b"RIFF"
    with pytest.raises(DamagedArchiveError, match=r"Audio\.tar.*a\.wav"):
        member.read()


def test_other_bytes_under_the_same_name():
    member = in_memory(b"released", b"before")
    converted = member.replaced_by(b"converted, and longer")
    assert converted.read() == b"converted, and longer" and member.read() == b"released"
    assert str(converted) == str(member) == "Audio.tar: a.wav"


def test_media_that_were_not_fetched_cannot_be_read():
    member = Member(NotFetched("Audio", "https://x/Audio.tar"), "G00003_13_06_001.wav", 0, 0)
    for read in (member.read, lambda: member[:4]):
        with pytest.raises(RuntimeError, match=r"G00003_13_06_001\.wav.*skip_media"):
            read()


def test_the_error_of_a_damaged_archive_names_what_is_right():
    error = damaged_archive_error("Text", "/data/Text.tar", "truncated.")
    size, sha256 = ARCHIVES["Text"]
    assert isinstance(error, emotiontalk.EmotionTalkError) and not isinstance(error, OSError)
    assert all(words in str(error) for words in ("/data/Text.tar: truncated.", f"{size:,} bytes", sha256, "hugging"))
    again = pickle.loads(pickle.dumps(error))  # from a worker
    assert type(again) is DamagedArchiveError and str(again) == str(error)


def test_only_a_damaged_archive_is_called_damaged(tmp_path):
    """What is wrong with the utterances in it is another error: such a download is kept."""
    (tmp_path / "Text.tar").write_bytes(pack(dict.fromkeys(archives()["Text"], b"[]")))
    with pytest.raises(emotiontalk.BadUtteranceError) as error:
        emotiontalk.load_dataset("text", tmp_path, split="test", cache_dir=tmp_path / "cache")
    assert not isinstance(error.value, DamagedArchiveError)
    (tmp_path / "Text.tar").write_bytes((PROJECT / "dummy_data" / "Text.tar").read_bytes()[:-900])
    with pytest.raises(DamagedArchiveError, match=r"Text\.tar"):
        emotiontalk.load_dataset("text", tmp_path, split="test", cache_dir=tmp_path / "cache")
