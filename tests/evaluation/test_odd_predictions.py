"""Predictions in odd files: what is in them is read, or an error names the file. And odd names of files."""

import datetime
import decimal
import json
import os
import socket

import numpy
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import PROJECT, command, once, some

import emotiontalk
from emotiontalk.evaluation.predictions_error import PredictionsError
from emotiontalk.sample_data import utterances

DUMMY = ("--data-dir", PROJECT / "dummy_data")
IDS = [uid for uid, _ in utterances() if uid[:6] in ("G00003", "G00015")]
ONES = numpy.eye(7)[[n % 7 for n in range(8)]]
OPTIONS = {"config": "text", "data_dir": PROJECT / "dummy_data"}
pytestmark = once


def refused(path, *named, status=2):
    said = command("score", path, "--config", "text", *DUMMY, status=status).stderr.splitlines()[-1]
    assert said.startswith("emotiontalk: ") and all(name in said for name in (str(path), *named)), said


@pytest.mark.parametrize("ending", some(["csv", "tsv", "json", "jsonl", "parquet"], "csv", "parquet"))
@pytest.mark.parametrize("kind", ["a FIFO", "a socket", "a device", "a link to a FIFO", "a folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path, monkeypatch, ends, ending, kind):
    path = tmp_path / f"a.{ending}"
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    if kind == "a socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a folder":
        path.mkdir()
    else:
        os.mkfifo(tmp_path / "fifo" if "link" in kind else path)
        if "link" in kind:
            path.symlink_to("fifo")
    refused(path)


def score(table, tmp_path):
    pq.write_table(table, tmp_path / "a.parquet")
    return emotiontalk.score(tmp_path / "a.parquet", **OPTIONS).metrics


LISTS = {
    "fixed-size": pa.list_(pa.float32(), 7),
    "large": pa.large_list(pa.float64()),
    "usual": pa.list_(pa.float16()),
    "of decimals": pa.list_(pa.decimal128(5, 3)),
    "of whole numbers": pa.large_list(pa.int8()),
    "fixed-size, of whole numbers": pa.list_(pa.uint64(), 7),
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_each_kind_are_probabilities(tmp_path, kind):
    of = LISTS[kind].value_type
    make = decimal.Decimal if pa.types.is_decimal(of) else numpy.float16 if of == pa.float16() else of.to_pandas_dtype()
    values = [[make(int(one)) for one in row] for row in ONES]
    expected = emotiontalk.score({uid: n % 7 for n, uid in enumerate(IDS)}, **OPTIONS).metrics
    table = pa.table({"id": IDS, "probabilities": pa.array(values, LISTS[kind])})
    assert score(table, tmp_path) == expected
    tensors = pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [7]), pa.array(ONES.tolist(), pa.list_(pa.float32(), 7))
    )
    assert score(pa.table({"id": IDS, "probs": tensors}), tmp_path) == expected


FAR = {
    "dates": pa.array([2**31 - 1] * 8, pa.int32()).cast(pa.date32()),
    "milliseconds": pa.array([2**62] * 8, pa.int64()).cast(pa.timestamp("ms")),
    "nanoseconds": pa.array([1] * 8, pa.int64()).cast(pa.timestamp("ns")),
    "a time zone that nobody has": pa.array([1] * 8, pa.int64()).cast(pa.timestamp("s", "No/Where")),
    "durations": pa.array([2**62] * 8, pa.int64()).cast(pa.duration("s")),
    "times": pa.array([1] * 8, pa.int64()).cast(pa.time64("ns")),
    "lists of dates": pa.array([[1]] * 8, pa.list_(pa.timestamp("ns"))),
    "bytes": pa.array([b"x"] * 8, pa.binary(1)),
    "structs": pa.array([{"a": 1}] * 8),
    "maps": pa.array([[("a", 1)]] * 8, pa.map_(pa.string(), pa.int64())),
}


@pytest.mark.parametrize("kind", FAR)
def test_other_columns_of_parquet_are_passed_over(tmp_path, kind):
    table = pa.table({"id": IDS, "made": FAR[kind], "pred": pa.array(["sad"] * 8).dictionary_encode()})
    assert score(table, tmp_path) == emotiontalk.score(dict.fromkeys(IDS, "sad"), **OPTIONS).metrics
    pq.write_table(pa.table({"id": IDS, "pred": FAR[kind]}), tmp_path / "b.parquet")
    refused(tmp_path / "b.parquet", "no predictions")


def test_two_columns_of_one_name(tmp_path):
    columns = [IDS, ["sad"] * 8, ["happy"] * 8]
    pq.write_table(pa.Table.from_arrays([pa.array(c) for c in columns], ["id", "pred", "pred"]), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "one name (pred)")
    (tmp_path / "a.csv").write_text("id,pred,pred\n" + "".join(f"{uid},sad,happy\n" for uid in IDS))
    refused(tmp_path / "a.csv", "one name (pred)")
    (tmp_path / "a.jsonl").write_text("".join(f'{{"id": "{uid}", "pred": 1, "pred": 2}}\n' for uid in IDS))
    refused(tmp_path / "a.jsonl", "more than once (pred)")
    frame = pandas.DataFrame(dict(zip("abc", columns)))
    for names in (["id", "pred", "pred"], ["id", "id", "pred"], ["id", 1, "1"]):
        with pytest.raises(PredictionsError, match="the DataFrame.*one name"):
            emotiontalk.score(frame.set_axis(names, axis=1), **OPTIONS)
    with pytest.raises(PredictionsError, match="one name"):
        emotiontalk.score([{"id": uid, 1: "x", "1": "y", "pred": 2} for uid in IDS], **OPTIONS)
    with pytest.raises(PredictionsError, match="DataFrame cannot be read"):
        emotiontalk.score(frame.set_index(["a", "b"]), **OPTIONS)


def test_a_key_and_the_id_in_its_row(tmp_path):
    path, expected = tmp_path / "a.json", emotiontalk.score(dict.fromkeys(IDS, "sad"), **OPTIONS).metrics

    def scored(held):
        path.write_text(json.dumps(held))
        return emotiontalk.score(path, **OPTIONS).metrics == emotiontalk.score(held, **OPTIONS).metrics == expected

    assert scored({uid: {"pred": "sad"} for uid in IDS})
    assert scored({uid: {"id": f"wav/{uid.lower()}.wav", "pred": "sad"} for uid in IDS})  # the same one
    assert scored({uid: {"id": n, "pred": "sad"} for n, uid in enumerate(IDS)})  # a number says nothing
    assert scored({n: {"id": uid, "pred": "sad"} for n, uid in enumerate(IDS)})  # as `to_json(orient="index")`
    for column in ("id", "path", "utt"):
        held = {uid: {column: other, "pred": "sad"} for uid, other in zip(IDS, [*IDS[:6], IDS[7], IDS[6]])}
        path.write_text(json.dumps(held))
        refused(path, IDS[6], IDS[7])
        with pytest.raises(PredictionsError, match=IDS[7]):
            emotiontalk.score(held, **OPTIONS)
    (tmp_path / "a.csv").write_text("id,wav,pred\n" + "".join(f"{uid},{IDS[0]}.wav,sad\n" for uid in IDS))
    refused(tmp_path / "a.csv", "7 rows", IDS[1])


def test_numbers_that_python_lacks(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(dict.fromkeys(IDS, 1)).replace(": 1", ": 1" + 400 * "0"))
    refused(tmp_path / "a.json", IDS[0])
    frame = pandas.DataFrame({"id": IDS, "pred": [pandas.NaT, datetime.date.max, pandas.NA, None, 1j, 9, [], {}]})
    with pytest.raises(PredictionsError, match=IDS[0]):
        emotiontalk.score(frame, **OPTIONS)


@pytest.mark.parametrize(
    "arguments",
    [["dummy", "~nobodyhere/x"], ["score", "~nobodyhere/a.csv"], ["report", "--out=~nobodyhere/a.html"],
     ["parquet", "~nobodyhere/x"], ["files", "~nobodyhere/x", "--for", "csv"], ["zh-en", "~nobodyhere/x"],
     ["infos", "--path", "~nobodyhere/x"], ["probe", "--out", "~nobodyhere/x"],
     ["probe", "--features", "~nobodyhere/x.npz"], ["probe", "--cache-dir", "~nobodyhere/x"],
     ["push", "me/x", "--as", "parquet", "--export", "~nobodyhere/x"]],
)  # fmt: skip
def test_the_home_of_nobody(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    said = command(*arguments, *(() if arguments[0] in ("dummy", "infos") else DUMMY), status=1).stderr
    assert "Traceback" not in said and "~nobodyhere/" in said and not list(tmp_path.iterdir())


NOT_UTF8 = {
    "dummy": ["dummy", "OUT"], "infos": ["infos", "--path", "OUT"],
    "score": ["score", "IN", "--config", "text", *DUMMY, "--out", "OUT"],
    "probe": ["probe", "--config", "text", "--seeds", "1", *DUMMY, "--out", "OUT"],
    "report": ["report", "--clips", "0", *DUMMY, "--out", "OUT"],
    "zh-en": ["zh-en", "OUT", *DUMMY, "--transcripts", "OUT.jsonl"],
    "files": ["files", "OUT", "--for", "csv", *DUMMY], "parquet": ["parquet", "OUT", "--config", "text", *DUMMY],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NOT_UTF8)
def test_a_name_that_is_not_utf8(tmp_path, name):
    """It is written, twice; or where the files would hold it, it is refused before the work."""
    out, given = tmp_path / "out\udcff", tmp_path / "in\udcff.json"
    given.write_text(json.dumps(dict.fromkeys(IDS, "sad")))
    words = [str(word).replace("OUT", str(out)).replace("IN", str(given)) for word in NOT_UTF8[name]]
    for options in ({}, {"env": dict(os.environ)} if name == "score" else {}):  # in a process of its own, too
        said = command(*words, status=int(name in ("files", "parquet")), **options).stderr
        assert "Traceback" not in said
    assert out.exists() == (name not in ("files", "parquet")) and (out.exists() or "out\\udcff" in said)
