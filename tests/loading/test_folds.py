"""Folds of speaker-independent cross-validation: `fold=`, on every version, and what the commands make of it."""

import csv
import itertools
import json

import datasets
import numpy
import pytest
import sklearn.metrics
from support import CONFIGS, PROJECT, VERSION, command, once, published_labels, rows, some, stopped, undecoded

import emotiontalk
from emotiontalk.corpus import EMOTIONS, FOLDS, FOUR, SPEAKER_SETS

DUMMY = ("--data-dir", PROJECT / "dummy_data")
TEST_SIZES = {1: 12_551, 2: 2_701, 3: 1_383, 4: 1_479, 5: 1_136}
needs_tools = pytest.mark.skipif(VERSION < (3, 6), reason="the commands are tried on other versions")


@pytest.fixture(scope="module")
def published():
    """The published labels: id -> row."""
    return {row["id"]: row for row in published_labels()}


@pytest.mark.slow
@pytest.mark.parametrize("fold", FOLDS)
def test_the_five_folds_of_the_release(load, call, rebuilt, published, fold):
    found = load("text", rebuilt(), fold=fold)
    assert list(found) == ["train", "test"]
    assert {split: len(part) for split, part in found.items()} == {
        "train": 19_250 - TEST_SIZES[fold],
        "test": TEST_SIZES[fold],
    }
    assert emotiontalk.split_sizes("text", fold) == {split: len(part) for split, part in found.items()}
    speakers = [set(part["speaker_id"]) for part in found.values()]
    assert not speakers[0] & speakers[1] and len(speakers[0] | speakers[1]) == 19
    assert set(found["test"]["speaker_set"]) == {fold} and fold not in set(found["train"]["speaker_set"])
    ids = [uid for part in found.values() for uid in part["id"]]
    assert sorted(ids) == sorted(published)
    for part in found.values():
        labels = [published[uid]["emotion_text"] for uid in part["id"]]
        assert [EMOTIONS[label] for label in part["emotion"]] == labels
    streamed = call("text", rebuilt(), fold=fold, split="test", streaming=True)
    assert [row["id"] for row in streamed] == list(found["test"]["id"])


@pytest.mark.slow
def test_a_fold_of_dialogues_and_a_part_of_it(call, rebuilt):
    sizes = {"train": 690, "test": 52}
    found = call("dialogues", rebuilt(), fold=5)
    assert {split: len(part) for split, part in found.items()} == sizes == emotiontalk.split_sizes("dialogues", 5)
    assert sum(emotiontalk.split_sizes("dialogues", 1).values()) == sum(emotiontalk.DIALOGUES.values())
    assert len(call("text", rebuilt(), fold=1, split="train[:10%]+test[:5]")) == 670 + 5
    last = call("text", rebuilt(), fold=3, split="test[-2:]", streaming=True)
    assert len(list(last)) == 2


def test_every_tenth_dialogue_of_train(call, rebuilt):
    train = call("text", rebuilt(), fold=5, split="train")
    validation = set(sorted(set(train["dialogue"]))[9::10])
    assert len(validation) == 69
    with pytest.raises(ValueError, match=r"no validation split.*\[9::10\]"):
        call("text", rebuilt(), fold=5, split="validation")


@pytest.mark.parametrize("config", some(["audio", "multimodal", "video"], "audio"))
def test_a_fold_has_its_media(load, config):
    found = load(config, fold=5)
    official = {row["id"]: row for part in load(config).values() for row in rows(part)}
    for split, part in found.items():
        for row in rows(part):
            assert row == official.pop(row["id"])
            assert (row["group"] in SPEAKER_SETS[4]) == (split == "test")
    assert not official


def test_folds_do_not_share_a_cache(call):
    sizes = [len(call("text", fold=fold, split="test")) for fold in (None, 2, 5, 2, None)]
    assert sizes == [8, 12, 4, 12, 8]


def test_the_script_prepares_what_is_asked(load):
    assert set(load("audio", fold=5, prepare_splits=["test"])) == {"test"}
    with pytest.raises(ValueError, match="prepare_splits=.*fold=5"):
        emotiontalk.EmotionTalkConfig(name="audio", fold=5, prepare_splits=["validation"]).check()


@pytest.mark.parametrize("fold", [0, 6, -1, True, "1", 1.0])
def test_a_fold_that_is_none_is_refused(call, fold):
    with pytest.raises(ValueError, match=r"fold=.*choose from 1, 2, 3, 4, 5"):
        call("text", fold=fold)


def test_the_benchmark_has_no_folds(load):
    with pytest.raises(ValueError, match="'zh-en'"):
        load("zh-en", fold=1)


@needs_tools
def test_a_fold_as_parquet(tmp_path):
    out = tmp_path / "out"
    said = command("parquet", out, "--config", "audio", "--config", "text", "--fold", "5", *DUMMY).stdout
    assert '"audio", split="test"' in said
    for config in ("audio", "text"):
        for split in ("train", "test"):
            theirs = datasets.load_dataset(str(out), config, split=split, cache_dir=str(tmp_path / "parquet"))
            ours = emotiontalk.load_dataset(
                config, PROJECT / "dummy_data", fold=5, split=split, cache_dir=tmp_path / "ours"
            )
            assert rows(undecoded(theirs)) == rows(ours)
    assert not list(out.glob("*/validation*")) and "fold 5 of 5" in (out / "README.md").read_text(encoding="utf-8")
    refused = command("parquet", out, "--config", "text", *DUMMY, status=1).stderr
    assert "(fold 5)" in refused
    assert "fold 4" in command("parquet", out, "--config", "text", "--fold", "4", *DUMMY, status=1).stderr
    command("parquet", out, "--config", "text", "--fold", "5", *DUMMY)  # again: nothing to do


@once
def test_a_stopped_export_of_a_fold_is_resumed_as_one(tmp_path):
    out = tmp_path / "out"
    command("parquet", out, "--config", "text", "--fold", "2", *DUMMY)
    stopped(out)
    from emotiontalk.export.parquet import resume_parquet

    assert set(resume_parquet(out).numbers("text")) == {"train", "test"}


@once
def test_all_configs_of_a_fold_but_the_benchmark(tmp_path):
    command("parquet", tmp_path / "out", "--fold", "1", *DUMMY)
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {
        "multimodal", "audio", "text", "dialogues"
    }  # fmt: skip
    refused = command("parquet", tmp_path / "zh", "--config", "zh-en", "--fold", "1", *DUMMY, status=1).stderr
    assert "zh-en" in refused
    refused = command(
        "parquet", tmp_path / "v", "--config", "text", "--fold", "1", "--split", "validation", *DUMMY, status=1
    ).stderr
    assert "no validation split" in refused


@once
@pytest.mark.parametrize("toolkit", some(["csv", "kaldi", "webdataset", "messages", "merbench", "s3prl"], "csv"))
def test_the_files_of_a_fold(tmp_path, toolkit):
    out = tmp_path / "out"
    said = command("files", out, "--for", toolkit, "--fold", "5", *DUMMY).stdout
    assert "train 20" in said and "test 4" in said and "validation" not in said
    readme = " ".join((out / toolkit / "README.md").read_text(encoding="utf-8").split())
    assert "fold 5 of 5: no speaker of test is in train (train, test)" in readme
    assert "every tenth dialogue of train" in readme
    if toolkit == "csv":
        for split, size in (("train", 20), ("test", 4)):
            with open(out / f"csv/{split}.csv", encoding="utf-8", newline="") as file:
                found = list(csv.DictReader(file))
            assert len(found) == size and {row["group"] == "G00015" for row in found} == {split == "test"}
    refused = command("files", out, "--for", toolkit, *DUMMY, status=1).stderr
    assert "(fold 5)" in refused
    command("files", out, "--for", toolkit, "--fold", "5", *DUMMY)


@once
def test_files_of_a_fold_and_of_the_official_splits_do_not_mix(tmp_path):
    out = tmp_path / "out"
    command("files", out, "--for", "csv", "--config", "text", *DUMMY)
    refused = command("files", out, "--for", "csv", "--config", "text", "--fold", "2", *DUMMY, status=1).stderr
    assert "(the official splits)" in refused
    command("files", out, "--for", "csv", "--config", "text", *DUMMY)
    emobox = command("files", tmp_path / "e", "--for", "emobox", "--fold", "2", *DUMMY, status=1).stderr
    assert "--fold" in emobox
    none = command("files", tmp_path / "n", "--for", "csv", "--fold", "6", *DUMMY, status=1).stderr
    assert "fold 6: choose from 1, 2, 3, 4, 5" in none


# Each config, label set and fold, in eight of the 40 combinations.
SCORED = [(c, s, 1 + n % 5) for n, (c, s) in enumerate(itertools.product(CONFIGS[:4], ("all", "four")))]


@once
@pytest.mark.parametrize("case", some(SCORED, ("audio", "four", 4)), ids=str)
def test_a_fold_is_scored_as_scikit_learn_does(rebuilt, published, tmp_path, case):
    config, label_set, fold = case
    classes = list(FOUR if label_set == "four" else EMOTIONS)
    truth = {
        uid: row[f"emotion_{config}"]
        for uid, row in published.items()
        if uid[:6] in SPEAKER_SETS[fold - 1] and row[f"emotion_{config}"] in classes
    }
    random = numpy.random.default_rng(fold)
    predicted = {uid: label if random.random() < 0.5 else str(random.choice(classes)) for uid, label in truth.items()}
    path = tmp_path / "p.jsonl"
    path.write_text(
        "".join(json.dumps({"id": uid, "pred": p}) + "\n" for uid, p in predicted.items()), encoding="utf-8"
    )
    options = ("--config", config, "--label-set", label_set, "--data-dir", rebuilt(), "--out", tmp_path / "out")
    said = command("score", path, "--fold", fold, *options).stdout
    assert f"fold {fold}, test" in said and "alone" not in said
    result = json.loads((tmp_path / "out/score.json").read_text(encoding="utf-8"))
    assert (
        result["settings"]["fold"] == fold
        and result["coverage"]["of"] == len(truth)
        and list(result["parts"]) == ["test"]
    )
    y, p = list(truth.values()), [predicted[uid] for uid in truth]
    there = [name for name in classes if name in set(y)]
    given = {"labels": there, "zero_division": 0}
    expected = {
        "war": sklearn.metrics.accuracy_score(y, p),
        "uar": sklearn.metrics.recall_score(y, p, average="macro", **given),
        "macro_f1": sklearn.metrics.f1_score(y, p, average="macro", **given),
        "weighted_f1": sklearn.metrics.f1_score(y, p, average="weighted", **given),
    }
    found = result["systems"][0]["parts"]["test"]
    assert {name: e["value"] for name, e in found["metrics"].items()} == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert found["confusion"] == sklearn.metrics.confusion_matrix(y, p, labels=classes).tolist()


@once
def test_what_is_no_fold_is_not_scored(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("id,pred\nG00003_13_06_001,happy\n", encoding="utf-8")
    wrong = command("score", path, "--fold", "5", "--split", "validation", *DUMMY, status=1).stderr
    assert "no validation split" in wrong
    assert "fold 7: choose from" in command("score", path, "--fold", "7", *DUMMY, status=1).stderr
    foreign = command("score", path, "--fold", "5", "--config", "text", *DUMMY, status=2).stderr
    assert "not in this split: 1 id (G00003_13_06_001)" in foreign


@once
def test_a_pull_request_is_of_the_official_splits(tmp_path, monkeypatch):
    import types

    from emotiontalk.hub import repository

    command("parquet", tmp_path / "out", "--config", "text", "--fold", "2", *DUMMY)
    present = types.SimpleNamespace(gated=True, private=False, siblings=[], sha="0")
    monkeypatch.setattr(repository, "find_repository", lambda api, repo: present)
    with pytest.raises(emotiontalk.RequestError, match="holds fold 2"):
        emotiontalk.open_pull_request("someone/EmotionTalk", tmp_path / "out")
