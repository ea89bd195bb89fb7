"""Where people keep the release: tars, shards, folders, compressed, in any order. The rows are the same."""

import bz2
import gzip
import lzma
import random
import shutil
import tarfile

import pytest
from support import PROJECT, archives, once, rows, some

from emotiontalk.sample_data import pack

CONFIGS = ("multimodal", "video", "dialogues")


@pytest.fixture
def expected(load, tmp_path):
    return {c: {s: rows(d) for s, d in load(c, cache_dir=tmp_path / "expected").items()} for c in CONFIGS}


def unpacked(out):
    for members in archives().values():
        for name, data in members.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def card_layout(out):
    """`data/{audio,Text,Video,Multimodal}/*.tar`, some of them in shards."""
    for name, members in archives().items():
        folder = out / "data" / (name.lower() if name == "Audio" else name)
        folder.mkdir(parents=True)
        names = list(members)
        for n in range(3):
            part = {k: members[k] for k in names[n::3]}
            (folder / f"part-{n}.tar").write_bytes(pack(part, compressed=n == 1))


def unpacked_in_data(out):
    unpacked(out / "data")
    (out / "data" / "Audio").rename(out / "data" / "audio")


def renamed_top_folders(out):
    """`./`, another top folder, none: only the file name counts."""
    for (name, members), prefix in zip(archives().items(), ("./", "Release 2025/x/", "", "../")):
        (out / f"{name}.tar").write_bytes(
            pack({prefix + n.split("/", 1 + (not prefix))[-1]: d for n, d in members.items()})
        )


def order(key):
    def write(out):
        for name, members in archives().items():
            names = sorted(members, key=key)
            (out / f"{name}.tar").write_bytes(pack({n: members[n] for n in names}))

    return write


def compressed(out):
    openers = {
        "Audio": (gzip, ".tar.gz"),
        "Multimodal": (bz2, ".tar"),
        "Text": (lzma, ".tar.xz"),
        "Video": (gzip, ".TGZ"),
    }
    for name, members in archives().items():
        module, ending = openers[name]
        (out / f"{name.lower()}{ending}").write_bytes(module.compress(pack(members)))


def pax_and_directories(out):
    """As other tar programs write: extended headers, directory members, long names."""
    for name in archives():
        with tarfile.open(PROJECT / "dummy_data" / f"{name}.tar") as old, tarfile.open(out / f"{name}.tar", "w") as new:
            new.format = tarfile.PAX_FORMAT
            folder = tarfile.TarInfo("一个很长的名字" * 20)
            folder.type = tarfile.DIRTYPE
            new.addfile(folder)
            for member in old:
                data = old.extractfile(member)
                member.name = "一个很长的名字" * 20 + "/" + member.name
                new.addfile(member, data)


def tar_beside_its_folder(out):
    unpacked(out)
    for name in archives():
        shutil.copy(PROJECT / "dummy_data" / f"{name}.tar", out)


LAYOUTS = {
    "unpacked": unpacked,
    "card layout, shards": card_layout,
    "unpacked in data": unpacked_in_data,
    "other top folders": renamed_top_folders,
    "media first": order(lambda name: (name.endswith(".json"), name)),
    "shuffled": order(lambda name: random.Random(name).random()),
    "compressed": compressed,
    "extended headers": pax_and_directories,
    "tar beside its folder": tar_beside_its_folder,
}


@once
@pytest.mark.parametrize("layout", some(LAYOUTS, "compressed"))
def test_the_rows_are_the_same(load, expected, layout, tmp_path):
    out = tmp_path / "release"
    out.mkdir()
    LAYOUTS[layout](out)
    for config in CONFIGS:
        loaded = load(config, data_dir=out, **({"num_proc": 2} if config == "audio" else {}))
        assert list(loaded) == list(expected[config])
        for split in loaded:
            assert rows(loaded[split]) == expected[config][split]
            assert rows(load(config, data_dir=out, split=split, streaming=True)) == expected[config][split]


def odd_headers(out):
    """Legal, and seen: folders with a size, names with rubbish after their end."""
    for name, members in archives().items():
        plain = pack(members)
        folder = bytearray(pack({"folder": b""})[:512])
        folder[156:157], folder[124:136] = b"5", b"00000010000\0"
        folder[148:156] = b" " * 8
        folder[148:156] = b"%06o\0 " % sum(folder)
        header = bytearray(plain[:512])
        end = header.index(b"\0")
        header[end + 1 : 100] = b"x" * (99 - end)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        (out / f"{name}.tar").write_bytes(bytes(folder) + bytes(header) + plain[512:])


def sidecars(out):
    """What downloaders leave beside the archives."""
    for name in archives():
        shutil.copy(PROJECT / "dummy_data" / f"{name}.tar", out)
        (out / f"{name}.tar.sha256").write_text("f859")
        (out / f"{name}.tar.part").write_text("")
        cache = out / name / ".cache" / "huggingface" / "download"
        cache.mkdir(parents=True)
        (cache / f"{name}.tar.metadata").write_text("etag")


@pytest.mark.parametrize("layout", some([odd_headers, sidecars], odd_headers))
def test_what_other_programs_leave_does_no_harm(load, expected, layout, tmp_path):
    out = tmp_path / "release"
    out.mkdir()
    layout(out)
    for config in CONFIGS:
        assert {s: rows(d) for s, d in load(config, data_dir=out).items()} == expected[config]
