"""`probe --features` of files that are damaged, or not what they seem: each is named in a line, with what is wrong."""

import io
import json
import os
import pickle
import random
import re
import shutil
import struct
import warnings
import zipfile

import numpy
import pyarrow as pa
import pyarrow.parquet
import pytest
from support import PROJECT, _command_here, once

from emotiontalk.sample_data import utterances

pytestmark = once
IDS = sorted(uid for uid, _ in utterances())
VECTORS = {uid: numpy.random.default_rng(n).normal(size=8).astype("f4") for n, uid in enumerate(IDS)}
ODD = IDS[2]  # the utterance whose array is spoilt
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


def npy(array, pickled=False):
    out = io.BytesIO()
    numpy.save(out, array, allow_pickle=pickled)
    return out.getvalue()


def header(text, data=b"", version=1):
    """An npy file with a header of one's own."""
    text = text.encode("latin1") + b"\n"
    size = struct.pack("<H", len(text)) if version == 1 else struct.pack("<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def shaped(shape, data=b"", descr="'<f4'", fortran=False):
    return header(f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}", data)


GOOD = npy(VECTORS[ODD])
ENTRIES = {  # what stands in place of an npy file
    "objects": npy(numpy.array([[1], [1, 2]], dtype=object), pickled=True),
    "empty": b"",
    "cut": GOOD[:-5],
    "cut in the header": GOOD[:40],
    "too long": GOOD + b"\0\0\0\0",
    "text": b"1 2 3",
    "a pointer of Git LFS": LFS,
    "a pickle": pickle.dumps([1.0] * 8),
    "a zip": b"PK\x05\x06" + bytes(18),
    "3.6 TiB": shaped("(1000000000000,)"),
    "2e9 empty texts": shaped("(2000000000,)", descr="'<U0'"),
    "more than 64 bits": shaped("(1000000000000, 1000000000000)"),
    "a negative shape": shaped("(-8,)", bytes(32)),
    "many axes": shaped("(" + "1," * 200 + ")", bytes(4)),
    "a shape of floats": shaped("(8.0,)", bytes(32)),
    "a shape of texts": shaped("('8',)", bytes(32)),
    "no axes": npy(numpy.float32(1)),
    "too large": npy(numpy.full(8, 1e25)),
    "four axes": npy(numpy.ones((2, 2, 2, 1), "f4")),
    "no numbers": npy(numpy.zeros((0, 8), "f4")),
    "other dimensions": npy(numpy.ones(9, "f4")),
    "NaN": npy(numpy.full(8, numpy.nan)),
    "infinite": npy(numpy.full(8, numpy.inf)),
    "more than a float32 holds": npy(numpy.full(8, 1e300)),
    "complex": npy(numpy.ones(8, "c8")),
    "texts": npy(numpy.array(["1"] * 8)),
    "bytes": npy(numpy.array([b"1"] * 8)),
    "dates": npy(numpy.zeros(8, "M8[s]")),
    "durations": npy(numpy.zeros(8, "m8[s]")),
    "booleans": npy(numpy.ones(8, bool)),
    "records": npy(numpy.zeros(8, [("a", "f4")])),
    "void": npy(numpy.zeros(8, "V4")),
    "a type that is none": shaped("(8,)", bytes(32), descr="'<q9'"),
    "a type of no bytes": shaped("(8,)", b"", descr="'<U0'"),
    "no dict": header("[1, 2]", bytes(32)),
    "no Python": header("{'descr': ", bytes(32)),
    "nested": header("(" * 3000 + ")" * 3000, bytes(32)),
    "a long header": header("{'descr': '<f4', 'fortran_order': False, 'shape': (8,), }" + " " * 20_000, bytes(32)),
    "a call": header("__import__('os').abort()", bytes(32)),
    "version 3": header("{'descr': '<f4', 'fortran_order': False, 'shape': (8,), }", bytes(32), version=3),
    "version 9": GOOD[:6] + b"\x09\0" + GOOD[8:],
}


def npz(entries, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        with zipfile.ZipFile(path, "w", **options) as file:
            for name, data in entries:
                file.writestr(name, data)
    return path


def plain(odd=None):
    return [(f"{uid}.npy", odd if odd is not None and uid == ODD else npy(VECTORS[uid])) for uid in IDS]


def folder(path, odd):
    for name, data in plain(odd):
        (path / name[:6]).mkdir(parents=True, exist_ok=True)
        (path / name[:6] / name).write_bytes(data)
    return path


def parquet(path, **columns):
    columns = {"id": IDS, "features": [VECTORS[uid].tolist() for uid in IDS], **columns}
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


def probe(path, *others):
    """(exit status, what was printed, what was said) of a probe of these features."""
    words = ("probe", "--features", path, "--config", "text", "--data-dir", PROJECT / "dummy_data", "--seeds", "1")
    run = _command_here([*map(str, words), *others])
    return run.returncode, run.stdout, run.stderr


def refused(path, *named):
    """Check that features are refused in one line that names these words."""
    status, _, said = probe(path)
    assert status == 1 and "Traceback" not in said and "[Errno" not in said, said
    (line,) = re.findall(r"emotiontalk: .*", said)
    assert all(str(word) in line for word in named), line
    return line


QUICK = (
    "objects",
    "empty",
    "cut",
    "text",
    "3.6 TiB",
    "2e9 empty texts",
    "a negative shape",
    "nested",
    "void",
    "dates",
    "other dimensions",
)


def quick(names):
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", quick(ENTRIES))
def test_an_entry_of_an_npz_and_a_file_of_a_folder_are_named(tmp_path, name):
    path = npz(plain(ENTRIES[name]), tmp_path / "f.npz")
    refused(path, path, ODD)
    refused(folder(tmp_path / "folder", ENTRIES[name]), tmp_path / "folder", ODD)


@pytest.mark.parametrize("name", quick(ENTRIES))
def test_ids_and_rows_that_are_spoilt_are_named(tmp_path, name):
    good = npy(numpy.array(IDS)), npy(numpy.stack(list(VECTORS.values())))
    path = npz([("ids.npy", good[0]), ("x.npy", ENTRIES[name])], tmp_path / "x.npz")
    refused(path, path)
    path = npz([("ids.npy", ENTRIES[name]), ("x.npy", good[1])], tmp_path / "ids.npz")
    refused(path, path)


def zips(tmp_path):
    """Zips that are spoilt as a whole: name -> bytes."""
    whole = npz(plain(), tmp_path / "whole.npz").read_bytes()
    one = npz([("bomb.npy", bytes(1 << 24))], tmp_path / "b.npz", compression=zipfile.ZIP_DEFLATED).read_bytes()
    start, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    listed = one[start:end] * 80  # one entry, eighty times in the list
    bomb = one[:start] + listed + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 80, 80, len(listed), start, 0)
    encrypted = bytearray(whole)
    for found in re.finditer(rb"PK\x01\x02", whole):
        encrypted[found.start() + 8] |= 1
    for found in re.finditer(rb"PK\x03\x04", whole):
        encrypted[found.start() + 6] |= 1
    method = bytearray(whole)
    for found in re.finditer(rb"PK\x01\x02", whole):
        method[found.start() + 10] = 99
    flipped = bytearray(whole)
    flipped[whole.index(VECTORS[ODD].tobytes())] ^= 1
    return {
        "empty": b"", "cut": whole[: len(whole) // 2], "cut at the end": whole[:-3], "zeros": bytes(5_000),
        "a zeroed end": whole[:-900] + bytes(900), "a bomb": bomb, "encrypted": bytes(encrypted),
        "an unknown compression": bytes(method), "one bit": bytes(flipped), "a pointer of Git LFS": LFS,
        "a pickle": pickle.dumps(VECTORS), "an npy": npy(numpy.ones(8)), "text": b"id,features\n",
        "twice": npz([*plain(), *plain()], tmp_path / "t.npz").read_bytes(),
        "no entries": npz([], tmp_path / "n.npz").read_bytes(),
        "other names": npz([("../../etc/x.npy", GOOD), ("\udcff.npy".encode("utf8", "replace").decode(), GOOD)],
                           tmp_path / "o.npz").read_bytes(),
        "texts instead": npz([(name.replace(".npy", ".txt"), data) for name, data in plain()],
                             tmp_path / "x.npz").read_bytes(),
        "in a zip": npz([("f.npz", whole)], tmp_path / "z.npz").read_bytes(),
    }  # fmt: skip


def test_a_zip_that_is_spoilt_is_named(tmp_path):
    for name, data in zips(tmp_path).items():
        (tmp_path / "f.npz").write_bytes(data)
        line = refused(tmp_path / "f.npz", tmp_path / "f.npz")
        assert ODD in line or name != "one bit"
        assert "git lfs pull" in line or name != "a pointer of Git LFS"


def test_what_is_beside_the_features_is_passed_over(tmp_path):
    expected = probe(npz(plain(), tmp_path / "f.npz"))[:2]
    entries = [("README.txt", b"about"), ("folder/", b""), ("other.npy", b"no array"), *plain()]
    assert probe(npz(entries, tmp_path / "f.npz"))[:2] == expected
    absolute = [(f"/data/{name}", data) for name, data in plain()]
    assert probe(npz(absolute, tmp_path / "f.npz", compression=zipfile.ZIP_DEFLATED))[:2] == expected
    (folder(tmp_path / "folder", None) / "nowhere.npy").symlink_to("missing")
    assert probe(tmp_path / "folder")[1] == expected[1].replace("f.npz", "folder")


def test_what_is_no_regular_file_is_named_and_not_waited_for(tmp_path):
    for name in ("f.npz", "f.parquet"):
        os.mkfifo(tmp_path / name)
        refused(tmp_path / name, tmp_path / name)
        (tmp_path / name).unlink()
        (tmp_path / name).symlink_to("missing")
        refused(tmp_path / name, tmp_path / name)
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()
        refused(tmp_path / name, tmp_path / name)
    place = folder(tmp_path / "folder", None) / ODD[:6] / f"{ODD}.npy"
    place.unlink()
    for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("missing", path), lambda path: os.symlink(path, path)):
        make(place)
        refused(tmp_path / "folder", place)
        place.rmdir() if place.is_dir() else place.unlink()
    refused("/dev/null", "/dev/null")
    for name in ("f.pt", "f.csv", "f.npy", "f.pkl", "f"):
        (tmp_path / name).write_bytes(GOOD)
        refused(tmp_path / name, tmp_path / name)


def test_a_name_that_is_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"f\xff.npz")
    npz(plain(), path)
    assert probe(path, "--out", str(tmp_path / "out"))[0] == 0
    settings = json.loads((tmp_path / "out/result.json").read_text(encoding="utf-8"))["settings"]
    assert settings["features"].endswith(r"f\udcff.npz")
    npz(plain(b""), path)
    status, _, said = probe(path)
    assert status == 1 and "Traceback" not in said and r"f\udcff.npz" in said and ODD in said


def tables(tmp_path):
    whole = parquet(tmp_path / "whole.parquet").read_bytes()
    rows = [VECTORS[uid].tolist() for uid in IDS]
    schema = {
        "texts": [[str(n) for n in row] for row in rows],
        "a row of nothing": [None, *rows[1:]],
        "nothing in a row": [[None] * 8, *rows[1:]],
        "an empty row": [[], *rows[1:]],
        "ragged": [[[1.0], [1.0, 2.0]], *([[1.0], [2.0]] for _ in rows[1:])],
        "booleans": [[True] * 8] * len(rows),
        "no lists": [1.0] * len(rows),
        "dicts": [{"a": 1.0}] * len(rows),
    }
    found = {name: parquet(tmp_path / "t.parquet", features=column).read_bytes() for name, column in schema.items()}
    return {
        **found,
        "empty": b"", "cut": whole[: len(whole) // 2], "without its end": whole[:-9], "an end alone": whole[-80:],
        "zeros": bytes(5_000), "PAR1": b"PAR1", "PAR1 twice": b"PAR1PAR1", "a pointer of Git LFS": LFS,
        "a footer of 4 GB": whole[:-8] + b"\xff\xff\xff\xff" + b"PAR1", "an npz": zips(tmp_path)["twice"],
        "ids of nothing": parquet(tmp_path / "t.parquet", id=pa.nulls(len(IDS), pa.string())).read_bytes(),
        "ids twice": parquet(tmp_path / "t.parquet", id=[IDS[0]] * len(IDS)).read_bytes(),
    }  # fmt: skip


def test_a_parquet_file_that_is_spoilt_is_named(tmp_path):
    for data in tables(tmp_path).values():
        (tmp_path / "f.parquet").write_bytes(data)
        refused(tmp_path / "f.parquet", tmp_path / "f.parquet")


def test_a_checksum_of_parquet_is_compared(tmp_path):
    features = pa.array([VECTORS[uid].tolist() for uid in IDS], type=pa.list_(pa.float32()))
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pyarrow.parquet.write_table(pa.table({"id": IDS, "features": features}), tmp_path / "f.parquet", **options)
    assert probe(tmp_path / "f.parquet")[0] == 0
    data = bytearray((tmp_path / "f.parquet").read_bytes())
    data[data.index(VECTORS[ODD].tobytes())] ^= 1
    (tmp_path / "f.parquet").write_bytes(data)
    refused(tmp_path / "f.parquet", tmp_path / "f.parquet")


def test_numbers_of_two_types_are_told(tmp_path):
    status, _, said = probe(npz(plain(npy(VECTORS[ODD].astype(">f4"))), tmp_path / "f.npz"))
    assert status == 0 and ODD in said and str(tmp_path / "f.npz") in said and ">f4" in said


@pytest.mark.parametrize("head", ["linear", pytest.param("emobox", marks=pytest.mark.slow)])
def test_numbers_at_the_end_of_float32_are_no_traceback(tmp_path, head):
    if head != "linear":
        pytest.importorskip("torch")
    for n, factor in enumerate((3e38, 1e30, 1e19)):
        for uids in ([ODD], IDS, IDS[:1], IDS[-1:], [IDS[0], IDS[-1]]):
            entries = [(f"{u}.npy", npy(VECTORS[u].clip(-1, 1) * (factor if u in uids else 1))) for u in IDS]
            status, _, said = probe(npz(entries, tmp_path / f"f{n}.npz"), "--head", head)
            assert "Traceback" not in said, said
            assert status == 0 or str(tmp_path) in said or "float" in said


def flipped(data, seed):
    """Some damage, as disks and networks do it."""
    draw, data = random.Random(seed), bytearray(data)
    kind = draw.choice(("bit", "bits", "cut", "zeros", "byte", "swap", "grown"))
    at = draw.randrange(len(data))
    if kind in ("bit", "bits"):
        for _ in range(1 if kind == "bit" else 20):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind == "zeros":
        size = min(draw.choice((1, 16, 512)), len(data) - at)
        data[at : at + size] = bytes(size)
    elif kind == "byte":
        data[at] = draw.choice((0, 0xFF, 0x7F, 0x80, 0x20))
    elif kind == "swap":
        half = data[at:]
        data[at:] = half[::-1]
    else:
        data += draw.randbytes(draw.randrange(1, 4_000))
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["each", "parquet", "folder"])
def test_damaged_features_give_the_same_numbers_or_a_line(tmp_path, form):
    good = npy(numpy.array(IDS)), npy(numpy.stack(list(VECTORS.values())))
    path = tmp_path / ("f.parquet" if form == "parquet" else "f.npz")
    if form == "parquet":
        parquet(path)
    elif form == "folder":
        path = folder(tmp_path / "f", None)
    else:
        entries = [("ids.npy", good[0]), ("x.npy", good[1])] if form == "rows" else plain()
        npz(entries, path, compression=zipfile.ZIP_DEFLATED if form == "packed" else zipfile.ZIP_STORED)
    target = path / ODD[:6] / f"{ODD}.npy" if form == "folder" else path
    whole = target.read_bytes()
    expected = probe(path)[1]
    for seed in range(80):
        target.write_bytes(flipped(whole, f"{form} {seed}"))
        status, printed, said = probe(path)
        assert "Traceback" not in said and "[Errno" not in said, f"{seed}: {said}"
        if status:
            assert str(path) in said, f"{seed}: {said}"
        elif form not in ("parquet", "folder"):  # these have no checksum
            assert printed == expected, seed
    shutil.rmtree(tmp_path)
