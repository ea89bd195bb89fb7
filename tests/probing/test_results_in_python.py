"""`probe` and `extract_features` as functions: what they take, their results, and the cache that they share."""

import dataclasses
import json

import numpy
import pytest
from support import PROJECT, VERSION, once

import emotiontalk

pytestmark = [once, pytest.mark.skipif(VERSION < (3, 6), reason="the tools are tried on later versions")]
RELEASE = PROJECT / "dummy_data"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """The result of a probe, and the folder that it has written."""
    out = tmp_path_factory.mktemp("probe") / "out"
    return emotiontalk.probe(config="text", seeds=2, data_dir=RELEASE, out=out), out


def test_a_result_is_a_table_a_text_and_json(result):
    probed, out = result
    assert json.loads((out / "result.json").read_text(encoding="utf-8")) == json.loads(json.dumps(probed.to_dict()))
    assert probed.settings["upstream"] == "text-tfidf" and probed.settings["command"] is None
    table = probed.to_pandas()
    assert list(table.columns) == ["rate", "seed", "value"] and sorted(set(table["rate"])) == ["uar", "war"]
    assert table["value"].tolist() == probed.rates["war"] + probed.rates["uar"] and table["seed"].tolist() == [0, 1] * 2
    assert str(probed).startswith("text-tfidf, linear head") and str(probed.sizes["test"]) in str(probed)


def test_a_notebook_shows_a_result_escaped(result):
    named = dataclasses.replace(result[0], settings={**result[0].settings, "upstream": "<b>&"})
    assert "&lt;b&gt;&amp;, linear head" in named._repr_html_() and "<b>" not in named._repr_html_()
    assert "<pre>" in emotiontalk.FoldsResult({1: named})._repr_html_()


def test_a_saved_result_is_what_out_writes(result, tmp_path):
    probed, out = result
    probed.save(tmp_path / "saved")
    for name in ("result.json", "predictions.jsonl", "confusion.png"):
        assert (tmp_path / "saved" / name).read_bytes() == (out / name).read_bytes()


def test_a_file_of_the_user_is_not_overwritten(result, tmp_path):
    (tmp_path / "result.json").write_text("mine")
    with pytest.raises(emotiontalk.RequestError, match=r"result\.json"):
        result[0].save(tmp_path)
    with pytest.raises(emotiontalk.RequestError, match=r"result\.json"):
        emotiontalk.probe(config="text", seeds=1, data_dir=RELEASE, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_file() and path.name[0] != "."] == ["result.json"]
    assert (tmp_path / "result.json").read_text() == "mine"


def test_folds_are_a_table_with_the_fold_in_front(result, tmp_path):
    of_fold = dataclasses.replace(result[0], settings={**result[0].settings, "fold": 1})
    folds = emotiontalk.FoldsResult({1: of_fold, 2: of_fold})
    table = folds.to_pandas()
    assert list(table.columns) == ["fold", "rate", "seed", "value"] and table["fold"].tolist() == [1] * 4 + [2] * 4
    assert folds.means == of_fold.means and set(folds.to_dict()["folds"]) == {"1", "2"}
    folds.save(tmp_path)
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["mean"] == folds.means
    assert (tmp_path / "fold_2/predictions.jsonl").is_file()


def test_features_of_ones_own_need_no_upstream(tmp_path):
    ids = [uid for split in emotiontalk.SPLITS for uid in ids_of(split)]
    numpy.savez(tmp_path / "mine.npz", **{uid: numpy.arange(3.0) + n for n, uid in enumerate(ids)})
    for features in (tmp_path / "mine.npz", [str(tmp_path / "mine.npz")]):
        probed = emotiontalk.probe(features=features, config="text", seeds=1, data_dir=RELEASE)
        assert probed.settings["upstream"] == "mine.npz"


def ids_of(split):
    """The ids of a split."""
    return emotiontalk.load_dataset("text", split=split, data_dir=RELEASE)["id"]


@pytest.mark.parametrize(
    "options, named",
    [
        ({"config": "zh-en"}, "config='zh-en'"),
        ({"pooling": "frames"}, "pooling='frames'"),
        ({"seeds": 0}, "seeds=0"),
        ({"fold": 6}, "fold=6"),
        ({"fold": 1, "folds": True}, "remove fold="),
        ({"frames": 0}, "frames="),
        ({"frames": 4}, "frames="),
        ({"fusion": "mean-of-probabilities"}, "fusion="),
        ({"head": "superb"}, 'head="superb"|head="linear"'),
        ({"layer": 3, "features": "mine.npz"}, "layer="),
    ],
)
def test_errors_name_options_as_python_has_them(options, named):
    with pytest.raises(emotiontalk.RequestError, match=named) as raised:
        emotiontalk.probe(data_dir=RELEASE, **options)
    assert "--" not in str(raised.value)


def test_a_request_does_not_show_its_token():
    from emotiontalk.probing.request import ProbeRequest

    assert "secret" not in repr(ProbeRequest(token="secret"))


@pytest.mark.slow
def test_probe_takes_the_features_that_were_extracted(tmp_path):
    where = {"config": "audio", "data_dir": RELEASE, "cache_dir": tmp_path}
    table = emotiontalk.extract_features("logmel", **where)
    stored = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    probed = emotiontalk.probe("logmel", seeds=1, **where)
    assert len(stored) == 3 and {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == stored
    assert probed.sizes == {split: table.splits.count(split) for split in emotiontalk.SPLITS}
    of_test = emotiontalk.extract_features("logmel", splits=("test",), **where)
    whole = table.to_dict()
    assert all((array == whole[uid]).all() for uid, array in of_test.to_dict().items())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == stored


def test_frames_are_a_sequence_of_arrays(tmp_path):
    options = {"config": "audio", "splits": "test", "data_dir": RELEASE, "cache_dir": tmp_path}
    table = emotiontalk.extract_features("logmel", pooling="frames", **options)
    assert len(table) == len(table.features) == 8 and all(array.shape[1:] == (80,) for array in table.features)
    assert len({len(array) for array in table.to_dict().values()}) > 1  # clips are not of one length
    assert table.to_pandas()["features"][0].shape == table.features[0].shape
    assert "frames" in repr(table) and "<pre>" in table._repr_html_()
    assert table.settings["upstream"] == "logmel" and table.settings["pooling"] == "frames"


@pytest.mark.parametrize(
    "upstream, options, named",
    [
        ("text-tfidf", {}, "text-tfidf"),
        ("logmel", {"config": "text"}, "logmel needs audio"),
        ("logmel", {"config": "dialogues"}, "config='dialogues'"),
        ("logmel", {"splits": "dev"}, "splits='dev'"),
        ("logmel", {"layer": "weighted"}, "layer='weighted'"),
        ("logmel", {"layer": 2}, "layer=2"),
        ("logmel", {"pooling": "max"}, "pooling='max'"),
    ],
)
def test_what_cannot_be_extracted_is_named(upstream, options, named):
    with pytest.raises(emotiontalk.RequestError, match=named):
        emotiontalk.extract_features(upstream, data_dir=RELEASE, **options)
