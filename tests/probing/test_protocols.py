"""`emotiontalk probe`: folds, sentiment, recipes, layers, fusion, features of others, and what a stopped run leaves."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy
import pyarrow as pa
import pyarrow.parquet
import pytest
import scipy.stats
import sklearn.decomposition
from support import PROJECT, command, once
from test_probe import encoder, rates

import emotiontalk
from emotiontalk.corpus import EMOTIONS, FOLDS, SPEAKER_SETS, SPLITS
from emotiontalk.evaluation import labels
from emotiontalk.probing import feature_files, feature_store, features
from emotiontalk.probing import run as probe
from emotiontalk.probing.heads import linear, recipes
from emotiontalk.probing.upstreams.opening import open_upstream
from emotiontalk.probing.upstreams.upstream import ExtractionOptions
from emotiontalk.release import ReleaseReader
from emotiontalk.request_error import RequestError

pytestmark = once
DUMMY = ("--data-dir", PROJECT / "dummy_data")


def result(out):
    return json.loads((out / "result.json").read_text(encoding="utf-8"))


def predictions(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return {row["id"]: row["pred"] for row in map(json.loads, lines)}


# --- folds, sentiment, intervals


@pytest.mark.slow
def test_all_folds_and_their_mean(rebuilt, tmp_path):
    said = command("probe", "--config", "text", "--folds", "--seeds", "1", "--data-dir", rebuilt(), "--out", tmp_path)
    found = result(tmp_path)
    train = emotiontalk.load_dataset("text", rebuilt(), fold=5, split="train", cache_dir=tmp_path / "cache")
    tenth = set(sorted(set(train["dialogue"]))[9::10])
    in_validation = sum(dialogue in tenth for dialogue in train["dialogue"])
    sizes = found["folds"]["5"]["sizes"]
    assert sizes == {"train": len(train) - in_validation, "validation": in_validation, "test": 1_136}
    every: dict = {}
    for fold in FOLDS:
        one = found["folds"][str(fold)]
        assert one["settings"]["fold"] == fold
        assert (
            sum(one["sizes"].values()) == 19_250
            and one["sizes"]["test"] == emotiontalk.split_sizes("text", fold)["test"]
        )
        of_fold = predictions(tmp_path / f"fold_{fold}/predictions.jsonl")
        assert {uid[:6] for uid in of_fold} == set(SPEAKER_SETS[fold - 1])
        every |= of_fold
        scored = emotiontalk.score(
            tmp_path / f"fold_{fold}/predictions.jsonl", config="text", fold=fold, data_dir=rebuilt()
        )
        assert scored.metrics["war"]["value"] == one["war"][0]
        assert scored.metrics == one["intervals"]["test"]["metrics"] and list(one["intervals"]) == ["test"]
        assert result(tmp_path / f"fold_{fold}") == one
    assert len(every) == 19_250
    assert found["mean"]["war"] == pytest.approx(sum(found["folds"][str(f)]["war"][0] for f in FOLDS) / 5)
    assert f"WAR  {100 * found['mean']['war']:.2f} %" in said.stdout and "fold 5: " in said.stdout


def test_one_fold(tmp_path):
    command("probe", "--config", "text", "--fold", "2", "--seeds", "1", *DUMMY, "--out", tmp_path, status=1)
    # of the sample data, no fold has ten dialogues to train on
    refused = command("probe", "--config", "text", "--fold", "2", *DUMMY, status=1).stderr
    assert "validation of fold 2" in refused
    assert "remove --fold" in command("probe", "--fold", "2", "--folds", *DUMMY, status=1).stderr
    assert "fold 6: choose from" in command("probe", "--fold", "6", *DUMMY, status=1).stderr


@pytest.mark.slow
def test_a_fold_by_itself_and_what_another_run_has_left(rebuilt, tmp_path):
    options = ("--config", "text", "--seeds", "1", "--data-dir", rebuilt())
    command("probe", *options, "--fold", "5", "--out", tmp_path)
    alone = result(tmp_path)
    assert alone["settings"]["fold"] == 5 and alone["sizes"]["test"] == 1_136
    scored = emotiontalk.score(tmp_path / "predictions.jsonl", config="text", fold=5, data_dir=rebuilt())
    assert scored.metrics["war"]["value"] == alone["war"][0]
    command("probe", *options, "--folds", "--out", tmp_path)
    assert not (tmp_path / "predictions.jsonl").exists() and not (tmp_path / "confusion.png").exists()
    assert result(tmp_path)["folds"]["5"]["war"] == alone["war"] == result(tmp_path / "fold_5")["war"]
    command("probe", *options, "--out", tmp_path)
    assert not list(tmp_path.glob("fold_*/*")) and (tmp_path / "predictions.jsonl").is_file()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert "is a file" in command("probe", *options, "--out", tmp_path / "file", status=1).stderr


@pytest.mark.slow
def test_predictions_score_as_the_probe_says(rebuilt, tmp_path):
    for config in ("text", "video"):
        options = ("--config", config, "--data-dir", rebuilt())
        said = command("probe", "--upstream", "text-tfidf", *options, "--seeds", "2", "--out", tmp_path / config).stdout
        found = result(tmp_path / config)
        scored = emotiontalk.score(tmp_path / config / "predictions.jsonl", config=config, data_dir=rebuilt())
        assert {part: of["metrics"] for part, of in scored.systems[0]["parts"].items()} == {
            part: of["metrics"] for part, of in found["intervals"].items()
        }
        assert list(found["intervals"]) == ["test", "G00015"]
        war = found["intervals"]["test"]["metrics"]["war"]
        assert war["value"] == found["war"][0] and f"({100 * war['low']:.2f} … {100 * war['high']:.2f})" in said


@pytest.mark.slow
def test_sentiment_by_ridge_regression(rebuilt, tmp_path):
    options = ("--target", "sentiment", "--data-dir", rebuilt())
    said = command("probe", "--config", "multimodal", *options, "--out", tmp_path).stdout
    found, predicted = result(tmp_path), predictions(tmp_path / "predictions.jsonl")
    rows = emotiontalk.load_dataset("dialogues", rebuilt(), split="test", cache_dir=tmp_path / "cache")
    truth = {turn["id"]: turn["sentiment_score"] for row in rows for turn in row["turns"]}
    y, p = numpy.array([(truth[uid], predicted[uid]) for uid in truth]).T
    assert len(y) == 1_929 and found["mae"] == [pytest.approx(abs(y - p).mean())]
    assert found["pearson"] == [pytest.approx(scipy.stats.pearsonr(y, p).statistic)]
    scored = emotiontalk.score(tmp_path / "predictions.jsonl", target="sentiment", data_dir=rebuilt())
    assert scored.metrics == found["intervals"]["test"]["metrics"]
    assert found["mean"]["mae"] < found["baseline"]["mae"] and f"MAE {found['mean']['mae']:.3f}" in said
    assert found["settings"]["head"] == "ridge" and found["alpha"] in map(float, found["validation"])
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")


# --- features of others


@pytest.fixture
def corpus():
    return labels.read_corpus(ReleaseReader(PROJECT / "dummy_data"), "text", "emotion")


def vectors(corpus, dims=5, frames=None):
    random = numpy.random.default_rng(0)
    size = (dims,) if frames is None else (frames, dims)
    return {uid: random.normal(size=size).astype("float32") for uid in corpus.labels.ids}


@pytest.fixture
def stored(tmp_path, corpus):
    """The same vectors as npz (two ways), a folder of npy files, and Parquet."""
    found = vectors(corpus)
    numpy.savez(tmp_path / "each.npz", **found)
    numpy.savez(tmp_path / "two.npz", ids=numpy.array(list(found)), x=numpy.stack(list(found.values())))
    for uid, vector in found.items():
        path = tmp_path / "folder" / uid[:6] / f"{uid}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        numpy.save(path, vector)
    table = pa.table({"id": list(found), "split": ["x"] * len(found), "features": [v.tolist() for v in found.values()]})
    pyarrow.parquet.write_table(table, tmp_path / "table.parquet")
    return [tmp_path / name for name in ("each.npz", "two.npz", "folder", "table.parquet")]


def test_features_of_others_in_every_form(stored, corpus, tmp_path):
    found = []
    for n, path in enumerate(stored):
        out = tmp_path / str(n)
        command("probe", "--features", path, "--config", "text", *DUMMY, "--seeds", "2", "--out", out)
        found.append(result(out))
        settings = found[-1]["settings"]
        assert settings["upstream"] == path.name and settings["shape"] == "(dims,)"
        assert settings["sha256" if path.is_file() else "sha256_of_names_sizes_times"]
    places = corpus.parts(None)
    x = {part: numpy.stack([vectors(corpus)[corpus.labels.ids[n]] for n in some]) for part, some in places.items()}
    y = {part: corpus.labels.values[some] for part, some in places.items()}
    head = linear.fit(x, y, 7, range(2))
    wars = [float((shares.argmax(axis=1) == y["test"]).mean()) for shares in head.probabilities(x["test"])]
    assert all(one["war"] == wars and one["alpha"] == head.alpha for one in found)


def test_ids_as_bytes_and_long_lists(tmp_path, corpus):
    found = vectors(corpus)
    numpy.savez(tmp_path / "b.npz", ids=numpy.array(list(found)).astype("S"), x=numpy.stack(list(found.values())))
    lists = pa.array([v.tolist() for v in found.values()], type=pa.large_list(pa.float64()))
    pyarrow.parquet.write_table(pa.table({"id": list(found), "features": lists}), tmp_path / "l.parquet")
    for path in (tmp_path / "b.npz", tmp_path / "l.parquet"):
        rows = feature_files.open_features(path, "vectors", "mean", corpus).of({"all": numpy.arange(24)})["all"]
        assert rows == pytest.approx(numpy.stack([found[uid] for uid in corpus.labels.ids]))


def test_predictions_that_are_all_the_same(tmp_path, corpus):
    numpy.savez(tmp_path / "c.npz", **dict.fromkeys(corpus.labels.ids, numpy.zeros(3)))
    options = ("--features", tmp_path / "c.npz", "--target", "sentiment", *DUMMY)
    said = command("probe", *options, "--out", tmp_path / "out").stdout
    found = json.loads((tmp_path / "out/result.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert found["pearson"] == [None] and found["mean"]["pearson"] is None and "Pearson –" in said


def test_an_encoder_with_code_of_its_own_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    folder = tmp_path / "encoder"
    folder.mkdir()
    auto = {"AutoConfig": "custom.C", "AutoModel": "custom.M"}
    (folder / "config.json").write_text(json.dumps({"model_type": "custom", "auto_map": auto}), encoding="utf-8")
    ran = f"open({str(tmp_path / 'ran')!r}, 'w').close()"
    (folder / "custom.py").write_text(f"{ran}\nfrom transformers import PretrainedConfig as C, BertModel as M\n")
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("y\n" * 5))
    told = command("probe", "--upstream", folder, "--config", "text", *DUMMY, status=1).stderr
    assert "cannot load it" in told and not (tmp_path / "ran").exists()


def test_frames_of_others_are_pooled(tmp_path, corpus):
    frames = vectors(corpus, frames=4)
    numpy.savez(tmp_path / "f.npz", **frames)
    for pooling, expected in (
        ("mean", lambda f: f.mean(axis=0)),
        ("mean+std", lambda f: numpy.concatenate([f.mean(axis=0), f.std(axis=0)])),
    ):
        rows = feature_files.open_features(tmp_path / "f.npz", "vectors", pooling, corpus).of({"all": numpy.arange(24)})
        assert rows["all"] == pytest.approx(numpy.stack([expected(frames[uid]) for uid in corpus.labels.ids]), abs=1e-6)
    as_frames = feature_files.open_features(tmp_path / "f.npz", "frames", "mean", corpus).of(
        {"test": numpy.array([3, 1])}
    )
    assert as_frames["test"][1] == pytest.approx(frames[corpus.labels.ids[1]]) and len(as_frames["test"]) == 2
    layers = {uid: numpy.stack([f, 2 * f]) for uid, f in frames.items()}
    numpy.savez(tmp_path / "l.npz", **layers)
    with pytest.raises(RequestError, match="not pooled: remove pooling="):
        feature_files.open_features(tmp_path / "f.npz", "frames", "mean+std", corpus)
    rows = feature_files.open_features(tmp_path / "l.npz", "layers", "mean", corpus).of({"all": numpy.arange(24)})[
        "all"
    ]
    assert rows.shape == (24, 2, 5) and rows[0, 1] == pytest.approx(
        2 * frames[corpus.labels.ids[0]].mean(axis=0), abs=1e-6
    )


def change(found, what):
    """Change some of the features, in a way that is an error."""
    uids = sorted(found)
    if what == "missing":
        del found[uids[0]], found[uids[5]]
    if what == "nan":
        found[uids[3]] = numpy.array([0, numpy.nan, 0, 0, 0])
    if what == "large":  # more than a float32 holds
        found[uids[3]] = numpy.full(5, 1e39)
    if what == "shape":
        found[uids[3]] = numpy.zeros(6)
    if what == "text":
        found[uids[0]] = numpy.array(["a"] * 5)
    if what == "empty":
        found[uids[0]] = numpy.zeros((0,))
    return found


@pytest.mark.parametrize(
    "what, told",
    [
        ("large", "are infinite or no numbers"),
        ("missing", r"no features of 2 of 24 utterances \(G00001_11_02_001, "),
        ("nan", "are infinite or no numbers"),
        ("shape", r"the shape of G\d{5}_\d\d_\d\d_\d{3} is \(6,\), that of"),
        ("text", "no numbers of"),
        ("empty", "no numbers of"),
    ],
)
def test_features_that_cannot_be_used_are_named(tmp_path, corpus, what, told):
    numpy.savez(tmp_path / "f.npz", **change(vectors(corpus), what))
    with pytest.raises(RequestError, match=told):
        feature_files.open_features(tmp_path / "f.npz", "vectors", "mean", corpus)


def test_nothing_is_unpickled_and_what_is_no_file_of_features_is_told(tmp_path, corpus):
    def told(path, inputs="vectors"):
        with pytest.raises(RequestError) as error:
            feature_files.open_features(path, inputs, "mean", corpus)
        return str(error.value)

    numpy.savez(tmp_path / "pickled.npz", x=numpy.array([{}], dtype=object), ids=numpy.array(["a"]))
    assert "cannot be read" in told(tmp_path / "pickled.npz") and "allow_pickle" in told(tmp_path / "pickled.npz")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    assert "cannot be read" in told(tmp_path / "cut.npz")
    assert "cannot be read" in told(tmp_path / "none.npz")
    assert "give a file .npz or .parquet" in told(tmp_path / "f.txt")
    (tmp_path / "empty").mkdir()
    assert "has no .npy files" in told(tmp_path / "empty")
    twice = list(vectors(corpus)) * 2
    numpy.savez(tmp_path / "twice.npz", ids=numpy.array(twice), x=numpy.zeros((48, 2)))
    assert "24 ids" in told(tmp_path / "twice.npz")
    pyarrow.parquet.write_table(pa.table({"id": ["a"], "a": [[1.0]], "b": [[1.0]]}), tmp_path / "two.parquet")
    assert "one of lists" in told(tmp_path / "two.parquet")
    numpy.save(tmp_path / "single.npy", numpy.zeros(3))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    assert "is a single array" in told(tmp_path / "single.npz")
    numpy.savez(tmp_path / "scalar.npz", ids=numpy.array(list(vectors(corpus))), x=numpy.float32(1))
    assert "has 24 ids and 1 rows" in told(tmp_path / "scalar.npz")
    numpy.savez(tmp_path / "v.npz", **vectors(corpus))
    assert "no layers" in told(tmp_path / "v.npz", "layers")


# --- fusion, layers, recipes


@pytest.fixture
def separable(tmp_path, corpus):
    """Two files of features, each of which tells some of the classes; ids -> class."""
    random = numpy.random.default_rng(1)
    both = []
    for classes in ((0, 1, 2, 3), (3, 4, 5, 6)):
        rows = {}
        for uid, label in zip(corpus.labels.ids, corpus.labels.values):
            rows[uid] = numpy.eye(7)[label] * 4 * (label in classes) + random.normal(scale=0.1, size=7)
        both.append(tmp_path / f"{classes[0]}.npz")
        numpy.savez(both[-1], **rows)
    return both


def test_concatenated_features_are_those_of_both(separable, corpus):
    x = [feature_files.open_features(path, "vectors", "mean", corpus).of(corpus.parts(None)) for path in separable]
    joined = linear.joined(x)
    assert joined["test"].shape == (8, 14) and (joined["test"][:, 7:] == x[1]["test"]).all()
    sparse = open_upstream("text-tfidf", ExtractionOptions()).of_texts(
        {part: [corpus.texts[n] for n in some] for part, some in corpus.parts(None).items()}
    )
    mixed = linear.joined([sparse, x[0]])
    svd = sklearn.decomposition.TruncatedSVD(7, random_state=0).fit(sparse["train"])  # of eight texts
    assert mixed["test"].shape == (8, 14) and (mixed["test"][:, 7:] == x[0]["test"]).all()
    assert mixed["test"][:, :7] == pytest.approx(svd.transform(sparse["test"]), abs=1e-5)


def test_fusion_of_features_and_of_probabilities(separable, corpus, tmp_path):
    files = ("--features", separable[0], "--features", separable[1])
    options = ("--config", "text", *DUMMY, "--seeds", "1")
    command("probe", *files, *options, "--out", tmp_path / "concat")
    command("probe", *files, *options, "--fusion", "mean-of-probabilities", "--out", tmp_path / "mean")
    concat, mean = result(tmp_path / "concat"), result(tmp_path / "mean")
    assert concat["settings"]["fusion"] == "concat" and len(concat["settings"]["upstreams"]) == 2
    assert concat["settings"]["upstream"] == f"{separable[0].name} + {separable[1].name}"
    places, shares = corpus.parts(None), []
    y = {part: corpus.labels.values[some] for part, some in places.items()}
    for path in separable:
        x = feature_files.open_features(path, "vectors", "mean", corpus).of(places)
        shares.append(linear.fit(x, y, 7, [0]).probabilities(x["test"])[0])
    expected = ((shares[0] + shares[1]) / 2).argmax(axis=1)
    ids = [corpus.labels.ids[n] for n in places["test"]]
    assert predictions(tmp_path / "mean/predictions.jsonl") == {
        uid: EMOTIONS[label] for uid, label in zip(ids, expected)
    }
    assert len(mean["upstreams"]) == 2 and all(one["validation"] for one in mean["upstreams"])


@pytest.mark.slow
def test_each_layer_by_itself(tmp_path):
    folder = encoder(tmp_path / "encoder", "text")
    arguments = ("--upstream", folder, "--config", "text", *DUMMY, "--cache-dir", tmp_path, "--seeds", "1")
    said = command("probe", *arguments, "--layer", "all", "--out", tmp_path / "all").stdout
    found = result(tmp_path / "all")
    assert [one["layer"] for one in found["layers"]] == [0, 1, 2] and "layer  2" in said
    best = min(found["layers"], key=lambda one: one["validation"])
    assert found["layer"] == best["layer"] and found["war"] == best["war"]
    for one in found["layers"]:
        command("probe", *arguments, "--layer", one["layer"], "--out", tmp_path / str(one["layer"]))
        alone = result(tmp_path / str(one["layer"]))
        assert alone["war"] == one["war"] and alone["alpha"] == one["alpha"]
        assert min(alone["validation"].values()) == pytest.approx(one["validation"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("head", recipes.RECIPES)
def test_an_encoder_by_a_published_recipe(tmp_path, head, monkeypatch):
    recipe = recipes.RECIPES[head]
    quick = {"epochs": 12} if recipe.epochs else {"steps": 40, "evaluate_every": 20}
    monkeypatch.setitem(recipes.RECIPES, head, probe.dataclasses.replace(recipe, **quick))
    folder = encoder(tmp_path / "encoder", "audio")
    arguments = ("--upstream", folder, "--config", "audio", *DUMMY, "--cache-dir", tmp_path, "--seeds", "2")
    said = command("probe", *arguments, "--head", head, "--out", tmp_path / "out").stdout
    found = result(tmp_path / "out")
    assert f"{head} head" in said and "chosen on validation" in said
    assert (
        found["recipe"]["source"].startswith("github.com/") and found["recipe"]["learning_rate"] == recipe.learning_rate
    )
    assert len(found["epoch" if recipe.epochs else "step"]) == 2 == len(found["war"])
    assert found["settings"]["layer"] == ("all" if head == "superb" else -1)
    if head == "superb":
        assert len(found["layer_weights"]) == 2 and sum(found["layer_weights"][0]) == pytest.approx(1)
        assert "weights of the layers 0: " in said
    else:
        store = next((tmp_path / "emotiontalk-features").glob("*.frames"))
        assert numpy.load(store / "00000.npy").dtype == numpy.float16
    again = command("probe", *arguments, "--head", head).stdout
    assert rates(again) == rates(said)  # from cached features, with the same seeds


def test_what_does_not_go_together_is_told_before_anything_is_read(tmp_path):
    def told(*arguments):
        return command("probe", *arguments, "--data-dir", tmp_path, status=1).stderr

    assert "remove --head and --fusion" in told("--target", "sentiment", "--head", "emobox")
    assert "--config audio" in told("--target", "sentiment", "--config", "audio")
    assert "--label-set four" in told("--target", "sentiment", "--label-set", "four")
    assert "choose --fusion mean-of-probabilities" in told(
        "--upstream", "logmel", "--upstream", "egemaps", "--head", "emobox"
    )
    assert "remove --pooling" in told("--upstream", "logmel", "--head", "emobox", "--pooling", "mean+std")
    assert "text-tfidf is for --head linear" in told("--head", "emotion2vec")
    assert "choose --head superb" in told("--upstream", "logmel", "--layer", "weighted")
    assert "remove --layer" in told("--upstream", "x", "--head", "superb", "--layer", "3")
    assert "--layer all" in told("--upstream", "x", "--head", "emobox", "--layer", "all")
    assert "--layer best: give the number" in told("--layer", "best")
    assert "no layers" in told("--features", tmp_path / "x.npz", "--layer", "2")
    assert "--fusion" in told("--fusion", "mean-of-probabilities")
    assert "logmel and egemaps" in told("--upstream", "logmel", "--upstream", "egemaps", "--layer", 3)
    assert "not pooled" in told("--upstream", "text-tfidf", "--upstream", "egemaps", "--pooling", "mean+std")
    assert "--device is for encoders" in told("--device", "cuda")
    assert "logmel has none" in told("--upstream", "logmel", "--head", "superb")
    assert "no upstream reads video" in told("--upstream", "logmel", "--frames", "4", "--config", "audio")
    assert "remove --layer 3" in told("--upstream", "logmel", "--layer", "3", "--config", "audio")


# --- a stopped run


class Counted:
    """An upstream that counts what it has seen, and is stopped after some."""

    name, modality = "counted", "text"

    def __init__(self, stop_after=None):
        self.seen, self.stop_after = [], stop_after

    def settings(self):
        return {"pooling": "mean"}

    def modules(self):
        return []

    def features(self, items):
        for uid, text in items:
            if len(self.seen) == self.stop_after:
                raise KeyboardInterrupt
            self.seen.append(uid)
            yield numpy.array([len(text), len(self.seen)], dtype=numpy.float32)


def test_a_stopped_extraction_goes_on_where_it_was(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr(feature_store, "PART", 3)
    stopped, later, third = Counted(stop_after=12), Counted(), Counted()
    with pytest.raises(KeyboardInterrupt):
        features.extract_cached(stopped, features.text_source(corpus), corpus, str(tmp_path))
    found = features.extract_cached(later, features.text_source(corpus), corpus, str(tmp_path))
    assert len(stopped.seen) == 12 and len(later.seen) == 24 - 11  # 8 of the first split, 3 of the second were stored
    assert not set(later.seen) & set(stopped.seen[:11])
    rows = found.of({"all": numpy.arange(24)})["all"]
    assert rows[:, 0].tolist() == [len(text) for text in corpus.texts]
    cached = features.extract_cached(third, features.text_source(corpus), corpus, str(tmp_path))
    again = cached.of({"all": numpy.arange(24)})["all"]
    assert third.seen == [] and (again == rows).all()
    assert not list((tmp_path / "emotiontalk-features").glob("*.parts"))


@pytest.mark.slow
def test_a_killed_probe_goes_on_from_its_cached_features(rebuilt, tmp_path):
    out = rebuilt("--groups", "G00001,G00003,G00011", "--only", "Audio")
    words = ["probe", "--upstream", "logmel", "--config", "audio", "--data-dir", str(out), "--seeds", "1"]
    cache = tmp_path / "cache"
    run = subprocess.Popen(
        [sys.executable, "-m", "emotiontalk", *words, "--cache-dir", str(cache)],
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not list(cache.glob("emotiontalk-features/*.parts/00000.npz")) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    (part,) = cache.glob("emotiontalk-features/*.parts/00000.npz")
    with numpy.load(part) as stored:
        ids, marked = stored["ids"], stored["x"] + 1_000
    store = feature_store.SplitStore(part.parent.with_suffix(""), False, [])
    store._write_npz(part, ids=ids, x=marked)  # to be told from features that are extracted a second time
    command(*words, "--cache-dir", cache)
    split = next(split for split in SPLITS if part.parent.name.startswith(f"audio-{split}-"))
    (path,) = cache.glob(f"emotiontalk-features/audio-{split}-*.npz")
    with numpy.load(path) as stored:
        assert (stored["ids"][:256] == ids).all() and (stored["x"][:256] == marked).all()
        assert len(stored["ids"]) > 256 and stored["x"][256:].max() < 500


def test_a_clip_that_cannot_be_opened_is_named_before_an_encoder_runs(tmp_path, release, monkeypatch):
    from emotiontalk.probing.upstreams import built_in as upstreams
    from emotiontalk.sample_data import relative, utterances

    uid = list(utterances())[-1][0]

    def other_codec(members):
        name = "Audio/wav/" + relative(uid, "wav")
        members["Audio"][name] = members["Audio"][name][:20] + b"\x99\x99" + members["Audio"][name][22:]

    def ran(self, items):
        raise AssertionError("it ran")

    monkeypatch.setattr(upstreams.LogMel, "features", ran)
    told = command(
        "probe", "--upstream", "logmel", "--config", "audio", "--data-dir", release(other_codec), "--cache-dir",
        tmp_path, status=1,
    ).stderr  # fmt: skip
    assert f"{uid}: its audio cannot be decoded" in told
