"""Tars and folders as people have them: concatenated, damaged, with odd headers, with links that go round."""

import gzip
import io
import shutil
import tarfile

import pytest
from support import PROJECT, archives, rows

import emotiontalk
from emotiontalk.archives.locations import Location
from emotiontalk.sample_data import pack, relative

UID = "G00003_13_06_003"


def texts(dataset):
    return {row["id"]: row["text"] for row in rows(dataset)}


def test_tars_put_together_are_read_whole(call, tmp_path, said):
    for name, compressed in (("plain", False), ("gzip", True)):
        out = tmp_path / name
        out.mkdir()
        members = archives()["Text"]
        half = len(members) // 2
        parts = [pack(dict(list(members.items())[a:b])) for a, b in ((0, half), (half, None))]
        (out / "Text.tar").write_bytes(b"".join(map(gzip.compress, parts)) if compressed else b"".join(parts))
        assert len(texts(call("text", out, split="all"))) == 24
    assert said.text.count("members go on after an end mark") == 2 and "Text.tar" in said.text


def test_a_header_of_zeros_loses_nothing_silently(call, tmp_path):
    data = bytearray(pack(archives()["Text"]))
    at = data.index(b"G00003_13_07_002.json") // 512 * 512
    data[at : at + 512] = bytes(512)
    (tmp_path / "Text.tar").write_bytes(data)
    with pytest.raises(emotiontalk.DamagedArchiveError, match="Text.tar: corrupt at byte .*zeros"):
        call("text", tmp_path)


def tar_with(member, out, data=b""):
    out.mkdir()
    with tarfile.open(PROJECT / "dummy_data" / "Text.tar") as old, tarfile.open(out / "Text.tar", "w") as new:
        for info in old:
            new.addfile(info, old.extractfile(info))
        new.addfile(member, io.BytesIO(data))
    return out


@pytest.mark.parametrize(
    "kind, what",
    [("3", "a device"), ("6", "a FIFO"), ("5", "a folder"), ("Z", ".*not a regular file"), ("2", "a link")],
)
def test_what_is_no_file_under_a_releases_name_is_named(call, tmp_path, kind, what):
    info = tarfile.TarInfo("Text/json/" + relative("G00003_13_06_009", "json"))
    info.type, info.linkname = kind.encode(), "elsewhere"
    with pytest.raises(emotiontalk.EmotionTalkError, match=f"G00003_13_06_009.json is stored as {what}"):
        call("text", tar_with(info, tmp_path / "release"))


def test_a_group_that_is_none(call, tmp_path):
    info = tarfile.TarInfo("Text/json/G00099/G00099_01/G00099_01_01/G00099_01_01_001.json")
    info.size = 2
    with pytest.raises(emotiontalk.EmotionTalkError, match="Text.tar: .*G00099"):
        call("text", tar_with(info, tmp_path / "release", b"{}"))


def header(name=b"x", size=b"00000000000\0", kind=b"0"):
    block = bytearray(512)
    block[: len(name)], block[124:136], block[156:157], block[257:263] = name, size, kind, b"ustar\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def base256(number):
    return (
        (number % 2**96 | (0xFF if number < 0 else 0x80) << 88).to_bytes(12, "big")
        if number < 0
        else (0x80 << 88 | number).to_bytes(12, "big")
    )


ODD_HEADERS = {
    "negative, octal": header(size=b"-0000001000\0"),
    "negative, base 256": header(size=base256(-1024)),
    **{f"negative, type {kind}": header(size=base256(-1024), kind=kind.encode()) for kind in "7VS8x"},
    "extended, 2**62": header(size=base256(2**62), kind=b"x"),
    "extended, 2**80": header(size=base256(2**80), kind=b"L"),
    "hundreds of extended": (header(size=b"00000001000\0", kind=b"x") + b"11 path=aa\n" + bytes(501)) * 900,
    "digits": header(size=b"00000377000\0", kind=b"x") + b"1" * 0o377000,
    "a long name of nothing": header(size=b"00000001000\0", kind=b"L") + bytes(512),
}


@pytest.mark.parametrize("odd", ODD_HEADERS)
@pytest.mark.parametrize("first", [True, False])
def test_odd_headers_end_in_one_line(tmp_path, odd, first, ends):
    whole = pack(archives()["Text"])
    (tmp_path / "Text.tar").write_bytes(
        ODD_HEADERS[odd] + whole if first else whole[: 512 * 30] + ODD_HEADERS[odd] + whole[512 * 30 :]
    )
    try:
        Location("Text", (str(tmp_path / "Text.tar"),)).open()
    except emotiontalk.EmotionTalkError as error:
        assert "\n" not in str(error) and len(str(error)) < 1_000


def test_links_that_go_round_end(call, tmp_path, ends):
    out = tmp_path / "release"
    for name, data in archives()["Text"].items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    for folder in (out / "Text", out / "Text" / "json"):
        (folder / "one").symlink_to(".."), (folder / "two").symlink_to("..")
    assert len(call("text", out, split="test")) == 8


def test_links_to_nothing_and_unfinished_shards_are_named(call, tmp_path, release):
    out = release()
    (out / "Text.tar").unlink()
    (out / "Text.tar").symlink_to("nowhere")
    with pytest.raises(emotiontalk.EmotionTalkError, match="Text.tar is a link"):
        call("text", out)
    (out / "Text.tar").unlink()
    folder = out / "Text" / "json" / "G00003"
    folder.mkdir(parents=True)
    (folder / f"{UID}.json").symlink_to("nowhere")
    with pytest.raises(emotiontalk.EmotionTalkError, match=f"{UID}.json is a link"):
        call("text", out)
    shutil.rmtree(out / "Text")
    (out / "Text").mkdir()
    (out / "Text" / "0.tar").write_bytes(pack(dict(list(archives()["Text"].items())[:20])))
    for ending in ("tar.part", "tar.zst"):
        (out / "Text" / f"1.{ending}").write_bytes(b"half")
        with pytest.raises(emotiontalk.MissingArchiveError, match=f"1.{ending}.*Finish the download, or unpack it"):
            call("text", out)
        (out / "Text" / f"1.{ending}").unlink()
    assert call("text", out, split="train").num_rows
