"""`emotiontalk probe`: WAR and UAR of a linear layer on the official splits, from text, sound, or any encoder."""

import json
import re
import tarfile

import numpy
import pytest
import sklearn.metrics
from card import text_of
from hub_server import HubServer
from support import PROJECT, command, set_other_codec

from emotiontalk.probing.heads import linear
from emotiontalk.sample_data import utterances

DUMMY = ("--data-dir", PROJECT / "dummy_data")


def rates(stdout):
    return [float(number) for number in re.search(r"WAR +([\d.]+).*UAR +([\d.]+)", stdout).groups()]


@pytest.mark.slow
@pytest.mark.parametrize(
    "config, label_set, war, size",
    [
        ("text", "all", 47.0, 1_929),
        ("multimodal", "four", 57.5, 1_509),
    ],
)
def test_text_is_as_good_as_the_papers_encoders(rebuilt, config, label_set, war, size, tmp_path):
    arguments = ("--config", config, "--label-set", label_set, "--seeds", "2", "--out", tmp_path)
    found = rates(command("probe", "--upstream", "text-tfidf", *arguments, "--data-dir", rebuilt()).stdout)
    assert found[0] >= war
    row = re.search(rf"^\| `{config}`, `{label_set}` \|(.*)\|$", text_of("docs/evaluation.md"), flags=re.M)[1].split(
        "|"
    )
    assert found == pytest.approx([float(cell) for cell in row[:2]], abs=0.4)  # the page's are of five seeds
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    confusion = numpy.array(result["confusion"])
    assert confusion.sum() == result["sizes"]["test"] == size
    assert result["war"][0] == pytest.approx(confusion.trace() / confusion.sum())
    recalls = confusion.diagonal() / confusion.sum(axis=1)
    assert result["uar"][0] == pytest.approx(recalls.mean()) and list(result["recalls"].values()) == pytest.approx(
        list(recalls)
    )


def logmel_of(data_dir, cache_dir, *others):
    """The words of a probe of sound."""
    sound = ("--upstream", "logmel", "--config", "audio")
    return ("probe", *sound, "--data-dir", data_dir, "--cache-dir", cache_dir, *others)


@pytest.mark.slow
def test_noise_sits_at_the_majority_class_floor_and_the_command_says_so(rebuilt, tmp_path):
    out = rebuilt("--groups", "G00001,G00003,G00011", "--only", "Audio")
    arguments = logmel_of(out, tmp_path / "cache", "--out", tmp_path)
    run = command(*arguments)
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert sum(result["war"]) / 5 == pytest.approx(result["baseline"]["war"], abs=0.02)
    assert "majority-class baseline" in run.stdout and result["at_baseline"] is True
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npz")}
    again = command(*arguments)
    assert len(kept) == 3 and all(path.stat().st_mtime_ns == at for path, at in kept.items())
    assert again.stdout == run.stdout and "utterances/s" not in again.stderr


@pytest.mark.parametrize("label_set", ["all", pytest.param("four", marks=pytest.mark.slow)])
def test_sound_end_to_end_on_the_miniature_release(tmp_path, label_set):
    out = tmp_path / "out"
    run = command(
        "probe",
        "--upstream",
        "logmel",
        "--config",
        "multimodal",
        "--label-set",
        label_set,
        *DUMMY,
        "--cache-dir",
        tmp_path,
        "--out",
        out,
    )
    assert "WAR" in run.stdout and (out / "confusion.png").read_bytes().startswith(b"\x89PNG")
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    settings = result["settings"]
    assert settings["n_mels"] == 80 and settings["seeds"] == [0, 1, 2, 3, 4] and settings["versions"]["librosa"]
    assert settings["archives"]["Audio"][0][1] == (PROJECT / "dummy_data/Audio.tar").stat().st_size
    assert len(result["validation"]) == 4 and settings["command"][0] == "probe"


def test_an_unpacked_release_and_a_cache_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with tarfile.open(PROJECT / "dummy_data/Audio.tar") as tar:
        tar.extractall(tmp_path / "release/Audio")
    source = ("--data-dir", tmp_path / "release", "--cache-dir", "~/cache")
    command("probe", "--upstream", "logmel", "--config", "audio", *source, "--out", tmp_path / "out")
    assert len(list((tmp_path / "cache/emotiontalk-features").glob("*.npz"))) == 3
    result = json.loads((tmp_path / "out/result.json").read_text(encoding="utf-8"))
    ((_, size),) = result["settings"]["archives"]["Audio"]
    assert size == sum(path.stat().st_size for path in (tmp_path / "release").rglob("G*.*"))


def encoder(folder, kind):
    """A tiny randomly initialised encoder on disk."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    if kind == "whisper":
        config = transformers.WhisperConfig(
            d_model=16, encoder_layers=2, encoder_attention_heads=2, decoder_layers=1, decoder_attention_heads=2
        )
        transformers.WhisperModel(config).save_pretrained(folder)
        transformers.WhisperFeatureExtractor().save_pretrained(folder)
        return folder
    if kind == "audio":
        config = transformers.Wav2Vec2Config(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
            conv_dim=(8, 8), conv_stride=(5, 2), conv_kernel=(10, 3), num_feat_extract_layers=2,
            num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
        )  # fmt: skip
        transformers.Wav2Vec2Model(config).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    else:
        folder.mkdir()
        characters = sorted(set("你好今天过得怎么样还可以吧就是有点累那早休息别太晚睡不知道了谢，。？"))
        (folder / "vocab.txt").write_text(
            "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]), encoding="utf-8"
        )
        transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
        config = transformers.BertConfig(
            vocab_size=5 + len(characters),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
        )
        transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["audio", "text", "whisper"])
def test_an_encoder_of_transformers_runs_offline(tmp_path, kind, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = encoder(tmp_path / "encoder", kind)
    arguments = ("probe", "--upstream", folder, "--config", "audio", *DUMMY, "--cache-dir", tmp_path, "--seeds", "2")
    said = command(*arguments, "--out", tmp_path / "out").stdout
    assert str(folder) in said and "2 seeds" in said
    settings = json.loads((tmp_path / "out/result.json").read_text(encoding="utf-8"))["settings"]
    assert settings["weights"] and settings["versions"]["torch"] and settings["layer"] == -1
    kept = sorted((tmp_path / "emotiontalk-features").glob("*.npz"))
    assert len(kept) == 3
    with numpy.load(kept[0]) as file:
        assert file["x"].shape == (8, 16) and len(set(map(bytes, file["x"]))) > 1
    if kind != "text":
        return
    assert "layer 13" in command(*arguments, "--layer", "13", status=1).stderr
    assert "--device gpu" in command(*arguments, "--device", "gpu", status=1).stderr
    command(*arguments, "--layer", "0")
    assert len(list((tmp_path / "emotiontalk-features").glob("*.npz"))) == 6


@pytest.mark.slow
def test_features_are_of_the_release_that_is_there_now(tmp_path, release):
    server = HubServer(release())
    arguments = logmel_of(server.url + "/files", tmp_path, "--seeds", "1")
    first = command(*arguments).stdout

    def sad(members):
        for name in members["Audio"]:
            if name.endswith(".json"):
                record = json.loads(members["Audio"][name].decode("utf-8-sig"))
                record["emotion_result"] = "sad" if "G0000" in name and record["emotion_result"] != "happy" else "happy"
                members["Audio"][name] = json.dumps(record).encode()

    server.folder = release(sad, folder="changed")
    again = command(*arguments).stdout
    server.close()
    assert first != again and "recall happy" in again and "angry" not in again.split("recall")[1]


def test_a_sound_that_cannot_be_decoded_is_named(tmp_path, release):
    uid, _ = next(iter(utterances()))
    broken = release(lambda members: set_other_codec(members, uid))
    run = command(
        "probe", "--upstream", "logmel", "--config", "audio", "--data-dir", broken, "--cache-dir", tmp_path, status=1
    )
    assert f"{uid}: its audio cannot be decoded" in run.stderr and "Traceback" not in run.stderr


def test_a_split_without_these_labels_is_told(release):
    def fearful(members):
        for name in members["Text"]:
            if name.endswith(".json") and "/._" not in name and ("G00003" in name or "G00015" in name):
                record = json.loads(members["Text"][name].decode("utf-8-sig"))
                members["Text"][name] = json.dumps({**record, "emotion_result": "fearful"}).encode()

    none_left = command("probe", "--config", "text", "--label-set", "four", "--data-dir", release(fearful), status=1)
    assert "no utterance of test" in none_left.stderr


def test_the_layer_learns_what_is_there_and_chooses_on_validation():
    random = numpy.random.default_rng(0)
    y = {split: random.integers(0, 3, size) for split, size in (("train", 600), ("validation", 200), ("test", 200))}
    x = {split: numpy.eye(3)[labels] * 2 + random.normal(size=(len(labels), 3)) for split, labels in y.items()}
    head = linear.fit(x, y, 3, range(2))
    accuracy = [(shares.argmax(axis=1) == y["test"]).mean() for shares in head.probabilities(x["test"])]
    assert min(accuracy) > 0.75
    assert head.alpha == float(min(head.validation, key=head.validation.get))
    model = linear.fit_one(x["train"], y["train"], False, head.alpha, 1)
    assert accuracy[1] == sklearn.metrics.accuracy_score(y["test"], model.predict(x["test"]))
    shares = model.predict_proba(x["validation"])
    loss = sklearn.metrics.log_loss(y["validation"], shares)
    assert linear.cross_entropy(shares, y["validation"]) == pytest.approx(loss)


def test_a_class_that_train_has_not_has_no_share():
    random = numpy.random.default_rng(0)
    x = {split: random.normal(size=(60, 2)) for split in ("train", "validation")}
    y = {"train": numpy.arange(60) % 2 * 2, "validation": numpy.arange(60) % 3}
    (shares,) = linear.fit(x, y, 4, [0]).probabilities(x["validation"])
    assert shares.shape == (60, 4) and not shares[:, [1, 3]].any() and shares.sum(axis=1) == pytest.approx(1)


def test_what_does_not_go_together_is_told_in_a_line(tmp_path):
    assert "needs audio" in command("probe", "--upstream", "logmel", "--config", "text", *DUMMY, status=1).stderr
    told = command("probe", "--upstream", "logmel", "--config", "video", *DUMMY, status=1).stderr
    assert "needs audio, which the config 'video' does not have: choose audio or multimodal" in told
    assert "WAR" in command("probe", "--config", "video", "--seeds", "1", *DUMMY).stdout
    missing = command("probe", "--upstream", tmp_path / "none", *DUMMY, status=1).stderr
    assert "text-tfidf" in missing or "cannot load it" in missing
    assert "Audio.tar is not in" in command("probe", "--data-dir", tmp_path, status=1).stderr
