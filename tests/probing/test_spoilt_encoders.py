"""`probe --upstream FOLDER` of encoders whose files are damaged: each file is named, and no weight is left random."""

import json
import os
import pickle
import random
import re
import shutil
import struct

import numpy
import pytest
from support import PROJECT, _command_here, once
from test_spoilt_features import LFS, flipped
from test_upstreams import bert, vision, wav2vec2, whisper

pytestmark = [once, pytest.mark.slow]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Folders of tiny encoders: of texts (safetensors, and with a .bin), and of audio."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folders = {}
    for kind in ("bert", "bert-bin", "wav2vec2", "whisper", "videomae"):
        folder = folders[kind] = tmp_path_factory.mktemp(kind)
        if kind.startswith("bert"):
            model, reader = bert(transformers, folder)
        elif kind == "wav2vec2":
            model, reader = wav2vec2(transformers, "layer")
        else:
            model, reader = whisper(transformers) if kind == "whisper" else vision(transformers, kind)
        model.save_pretrained(folder)
        reader.save_pretrained(folder)
        if kind == "bert-bin":
            (folder / "model.safetensors").unlink()
            torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folders


@pytest.fixture
def copied(kinds, tmp_path):
    return lambda kind: shutil.copytree(kinds[kind], tmp_path / kind)


def probe(folder, config="text", *others, cache=None):
    words = ("probe", "--upstream", folder, "--config", config, "--data-dir", PROJECT / "dummy_data", "--seeds", "1")
    run = _command_here([*map(str, words), "--cache-dir", str(cache or folder.parent / "cache"), *others])
    assert "Traceback" not in run.stderr and "[Errno" not in run.stderr, run.stderr
    return run


def refused(folder, *named, config="text"):
    run = probe(folder, config)
    assert run.returncode == 1, run.stdout
    (line,) = re.findall(r"emotiontalk: .*", run.stderr)
    assert str(folder) in line and all(str(word) in line for word in named), line
    return line


def weights_of(folder, change):
    from safetensors.torch import load_file, save_file

    found = load_file(folder / "model.safetensors")
    change(found)
    save_file(found, folder / "model.safetensors", metadata={"format": "pt"})


def config_of(folder, name="config.json", **values):
    found = json.loads((folder / name).read_text(encoding="utf-8"))
    (folder / name).write_text(json.dumps({**found, **values}), encoding="utf-8")


def test_whole_encoders_are_probed_and_their_features_cached(copied):
    for kind, config in (("bert", "text"), ("bert-bin", "text"), ("wav2vec2", "audio"), ("whisper", "audio")):
        assert probe(copied(kind), config).returncode == 0


def without(*patterns):
    def change(found):
        for name in list(found):
            if any(re.search(pattern, name) for pattern in patterns):
                del found[name]

    return change


@pytest.mark.parametrize(
    "kind, pattern",
    [
        ("bert", r"layer\.1\.attention\.self\.query\.weight"),
        ("bert", r"layer\.0\.output\.LayerNorm\.bias"),
        ("bert", r"position_embeddings"),
        ("bert", r"layer\.1\."),
        ("bert", r"."),
        ("wav2vec2", r"feature_extractor\.conv_layers\.0"),
        ("wav2vec2", r"feature_projection\.layer_norm"),
        ("wav2vec2", r"pos_conv_embed"),
        ("whisper", r"encoder\.conv1"),
    ],
)
def test_weights_that_are_missing_are_named(copied, kind, pattern):
    folder, lost = copied(kind), []

    def change(found):
        lost.extend(name for name in found if re.search(pattern, name))
        without(pattern)(found)
        found["nothing"] = next(iter(found.values()), __import__("torch").zeros(1)).clone()

    weights_of(folder, change)
    line = refused(folder, config="text" if kind == "bert" else "audio")
    assert any(name.split(".")[-2] in line for name in lost), line


@pytest.mark.parametrize(
    "kind, pattern",
    [("bert", r"pooler"), ("whisper", r"decoder"), ("wav2vec2", r"masked_spec_embed")],
)
def test_weights_that_features_do_not_depend_on_can_be_missing(copied, kind, pattern):
    folder, config = copied(kind), "text" if kind == "bert" else "audio"
    before = probe(folder, config).stdout
    weights_of(folder, without(pattern))
    kept = sorted((folder.parent / "cache/emotiontalk-features").glob("*.npz"))
    assert probe(folder, config).stdout == before
    found = sorted((folder.parent / "cache/emotiontalk-features").glob("*.npz"))
    assert probe(folder, config).stdout == before  # the same key of the cache: what is random does not count
    assert len(kept) == 3 and found == sorted((folder.parent / "cache/emotiontalk-features").glob("*.npz"))


def test_shapes_another_architecture_and_layers_left_out(copied):
    import torch

    folder = copied("bert")
    whole = (folder / "model.safetensors").read_bytes()
    weights_of(folder, lambda found: found.update({"embeddings.word_embeddings.weight": torch.zeros(9, 16)}))
    refused(folder, "embeddings.word_embeddings.weight", "(9, 16)")
    (folder / "model.safetensors").write_bytes(whole)
    weights_of(folder, lambda found: found.update({"pooler.dense.weight": torch.zeros(9, 16)}))
    assert probe(folder).returncode == 0
    (folder / "model.safetensors").write_bytes(whole)
    config_of(folder, num_hidden_layers=1)
    run = probe(folder)
    assert run.returncode == 0 and "encoder.layer.1" in run.stderr
    shutil.copy(copied("wav2vec2") / "model.safetensors", folder / "model.safetensors")
    refused(folder, "word_embeddings")


def test_weights_that_are_no_numbers_are_told(copied):
    folder = copied("bert")
    weights_of(folder, lambda found: found["encoder.layer.0.output.dense.weight"].fill_(float("nan")))
    refused(folder)


class Runs:
    def __reduce__(self):
        return os.system, ("touch ran",)


SPOILT = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "cut at the end": lambda data: data[:-8],
    "a pointer of Git LFS": lambda data: LFS,
    "a header of 2**60": lambda data: struct.pack("<Q", 1 << 60) + data[8:],
    "a header of zeros": lambda data: bytes(64) + data[64:],
    "zeros": lambda data: bytes(len(data)),
    "text": lambda data: b"<html>404</html>",
    "a pickle": lambda data: pickle.dumps(Runs()),
    "a list": lambda data: pickle.dumps([1.0]),
    "a claimed shape": lambda data: data.replace(b'"shape":[16,16]', b'"shape":[99,99]'),
    "a claimed type": lambda data: data.replace(b'"dtype":"F32"', b'"dtype":"F99"'),
}


@pytest.mark.parametrize("name", SPOILT)
@pytest.mark.parametrize("kind", ["bert", "bert-bin"])
def test_a_file_of_weights_that_is_damaged_is_named(copied, kind, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    folder = copied(kind)
    path = folder / ("model.safetensors" if kind == "bert" else "pytorch_model.bin")
    data = SPOILT[name](path.read_bytes())
    if data == path.read_bytes():
        pytest.skip("there is no such thing in this format")
    path.write_bytes(data)
    refused(folder, path.name)
    assert not (tmp_path / "ran").exists()


JSON = {
    "null": b"null", "a list": b"[]", "a number": b"3", "text": b"no json", "empty": b"", "cut": b'{"model_type": "b',
    "not UTF-8": b'{"model_type": "\xff\xfe"}', "UTF-16": '{"model_type": "bert"}'.encode("utf-16"), "LFS": LFS,
    "nested": b'{"a":' * 100_000, "NUL": b"\0" * 100,
}  # fmt: skip


@pytest.mark.parametrize("name", JSON)
def test_a_json_file_that_is_damaged_is_named(copied, name):
    folder = copied("bert")
    for file in ("config.json", "tokenizer_config.json", "tokenizer.json"):
        whole = (folder / file).read_bytes()
        (folder / file).write_bytes(JSON[name])
        refused(folder, file)
        (folder / file).write_bytes(whole)
    folder = copied("wav2vec2")
    file = next(path.name for path in folder.glob("p*r*or_config.json"))
    (folder / file).write_bytes(JSON[name])
    refused(folder, file, config="audio")


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("nowhere", path)])
def test_what_is_no_regular_file_is_named_and_not_waited_for(copied, make, ends):
    folder = copied("bert")
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        whole = (folder / file).read_bytes()
        (folder / file).unlink()
        make(folder / file)
        refused(folder, file)
        (folder / file).rmdir() if (folder / file).is_dir() else (folder / file).unlink()
        (folder / file).write_bytes(whole)


def test_files_that_are_not_there_are_told(copied):
    for kind, config in (("bert", "text"), ("wav2vec2", "audio")):
        folder = copied(kind)
        for path in sorted(folder.iterdir()):
            whole = path.read_bytes()
            path.unlink()
            run = probe(folder, config)
            if path.name in ("config.json", "model.safetensors", "preprocessor_config.json"):
                assert run.returncode == 1 and str(folder) in run.stderr
            path.write_bytes(whole)
        for path in folder.glob("tok*"):
            path.unlink()
        for path in folder.glob("vocab*"):
            path.unlink()
        if kind == "bert":
            refused(folder)


SIZES = (0, -1, 7, 1_000_000, 2**31, 2**62, 10**18, 1e300, None, "16", [], {}, True, 0.5)


@pytest.mark.parametrize("kind", ["bert", "wav2vec2", "whisper", "videomae"])
def test_no_value_of_a_config_is_a_traceback_or_waited_for(copied, kind):
    """Of each key a value, by chance; also huge ones."""
    folder, draw = copied(kind), random.Random(kind)
    config = {"bert": "text", "videomae": "video"}.get(kind, "audio")
    for path in sorted(folder.glob("*config.json")):
        whole = path.read_text(encoding="utf-8")
        keys = sorted(json.loads(whole))
        for key in draw.sample(keys, min(6, len(keys))):
            config_of(folder, path.name, **{key: draw.choice(SIZES)})
            probe(folder, config)
            path.write_text(whole, encoding="utf-8")


@pytest.mark.parametrize("kind", ["bert", "bert-bin", "wav2vec2"])
def test_damaged_encoders_give_numbers_or_a_line(copied, kind):
    folder, config = copied(kind), "audio" if kind == "wav2vec2" else "text"
    for seed in range(25):
        path = random.Random(seed).choice(sorted(folder.iterdir()))
        whole = path.read_bytes()
        path.write_bytes(flipped(whole, f"{kind} {seed}"))
        run = probe(folder, config)
        assert run.returncode == 0 or str(folder) in run.stderr, run.stderr
        path.write_bytes(whole)


def test_sharded_weights(copied):
    import torch
    from safetensors.torch import load_file, save_file

    folder = copied("bert")
    expected = probe(folder).stdout
    found = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(found)
    parts = {"a.safetensors": names[:9], "b.safetensors": names[9:]}
    for file, some in parts.items():
        save_file({name: found[name] for name in some}, folder / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, some in parts.items() for name in some}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert probe(folder).stdout == expected
    save_file({"nothing": torch.zeros(1)}, folder / "b.safetensors", metadata={"format": "pt"})
    refused(folder, "model.safetensors.index.json")
    (folder / "b.safetensors").unlink()
    refused(folder, "b.safetensors")
    for wrong in ({}, {"weight_map": None}, {"weight_map": {"a": 3}}, {"weight_map": {"a": "../b.safetensors"}}):
        (folder / "model.safetensors.index.json").write_text(json.dumps(wrong))
        refused(folder, "model.safetensors.index.json")


def test_a_tokenizer_that_knows_no_character_is_refused(copied):
    folder = copied("bert")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrst"]
    found = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    found["model"]["vocab"] = {word: n for n, word in enumerate(vocabulary)}
    (folder / "tokenizer.json").write_text(json.dumps(found), encoding="utf-8")
    refused(folder)


def test_numbers_of_a_whole_encoder_are_those_of_before(copied, tmp_path):
    """Opening looks at the files; it changes nothing."""
    import torch
    import transformers

    folder = copied("bert")
    probe(folder, cache=tmp_path / "c")
    from emotiontalk.probing.upstreams.opening import open_upstream
    from emotiontalk.probing.upstreams.upstream import ExtractionOptions

    upstream = open_upstream(str(folder), ExtractionOptions())
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = transformers.AutoTokenizer.from_pretrained(folder)("你好", return_tensors="pt")
    with torch.inference_mode():
        by_hand = model(**inputs).last_hidden_state[0].mean(dim=0).numpy()
    (found,) = upstream.features([("a", "你好")])
    assert found == pytest.approx(by_hand, abs=1e-6) and numpy.isfinite(found).all()
