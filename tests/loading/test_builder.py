"""The builder, as people who build on it use it: public methods, private hooks of `datasets` that may change."""

import errno
import os
import pickle
import re

import datasets
import pytest
from hub_server import HubServer
from support import CONFIGS, PROJECT, as_script, once, rows

import emotiontalk
import emotiontalk.archives.local
import emotiontalk.loading.emotiontalk

DUMMY = PROJECT / "dummy_data"


@pytest.mark.parametrize("config", CONFIGS)
def test_the_public_methods_give_the_rows(config, call, tmp_path):
    builder = emotiontalk.EmotionTalk(config_name=config, data_dir=str(DUMMY), cache_dir=str(tmp_path / "tools"))
    for split, kwargs in builder.open_splits().items():
        expected = rows(call(config, split=split))
        found = dict(builder.examples(**kwargs))
        assert [row.get("id", row.get("sample_id")) for row in expected] == list(found)
        assert sum(len(table) for _, table in builder.tables(**kwargs)) == len(expected)
        if config != "dialogues":
            assert [utterance.id for utterance, _ in builder.utterances(**kwargs)] == list(found)
        assert set(builder.open_archives(kwargs["release"])) == set(emotiontalk.archives_of(config))
        assert pickle.loads(pickle.dumps(kwargs)) == kwargs
    assert not list((tmp_path / "tools").rglob("*.arrow"))


@pytest.mark.slow
@once
def test_what_is_skipped_cannot_be_read_by_mistake(rebuilt, tmp_path):
    """From a URL no byte of it was fetched: reading it is an error, not six bytes of audio."""
    server = HubServer(rebuilt())
    builder = emotiontalk.EmotionTalk(
        config_name="audio", data_dir=server.url + "/files", cache_dir=str(tmp_path), prepare_splits=["test"]
    )
    kwargs = builder.open_splits()["test"]
    kwargs["shards"] = kwargs["shards"][:1]
    ids = {uid for uid, _ in builder.examples(**kwargs)}
    skipped = [example["audio"]["bytes"] for _, example in builder.examples(**kwargs, skip_media=ids)]
    assert len(skipped) == len(ids) > 0
    for member in skipped:
        for read in (member.read, lambda member=member: member[:4]):
            with pytest.raises(RuntimeError, match=r"G00003_.*\.wav was not fetched: its id is in skip_media"):
                read()
    server.close()


# Single examples are encoded, which from datasets 4 on needs torchcodec.
@pytest.mark.parametrize(
    "shape",
    [
        "other keywords",
        pytest.param("not as Arrow tables", marks=as_script),
        pytest.param("not called", marks=as_script),
    ],
)
def test_another_way_of_preparing_loses_nothing_but_speed(shape, call, monkeypatch, tmp_path):
    """`_prepare_split_single` is private to `datasets`: one that calls it in another way prepares the same rows."""
    expected = rows(call("audio", split="test"))
    own = emotiontalk.EmotionTalk._prepare_split_single
    if shape == "other keywords":
        base = datasets.ArrowBasedBuilder._prepare_split_single

        def renamed(self, gen_kwargs, where, file_format, max_shard_size, job_id):
            return base(self, gen_kwargs, where, file_format, max_shard_size, job_id)

        monkeypatch.setattr(datasets.ArrowBasedBuilder, "_prepare_split_single", renamed)
        monkeypatch.setattr(
            emotiontalk.EmotionTalk,
            "_prepare_split_single",
            lambda self, fpath, **kwargs: own(self, where=fpath, **kwargs),
        )
    elif shape == "not as Arrow tables":
        monkeypatch.setattr(emotiontalk.loading.emotiontalk, "_accepted_keywords", lambda method, keywords: {})
    else:
        monkeypatch.delattr(emotiontalk.EmotionTalk, "_prepare_split_single")
    assert rows(call("audio", split="test", cache_dir=tmp_path / "other")) == expected


class Fails:
    """Raises an error where `datasets` reads the facts of a script, in the constructor of its builder."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *_):
        raise self.error


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES])
def test_a_file_that_cannot_be_read_is_not_called_a_cache_that_cannot_be_written(number, monkeypatch, tmp_path):
    """As one of the modules of `datasets`: neither HF_HOME nor cache_dir= would help."""
    error = OSError(number, os.strerror(number), "/usr/lib/python3/site-packages/datasets/module.py")
    monkeypatch.setattr(datasets.GeneratorBasedBuilder, "_build_cache_dir", Fails(error))
    with pytest.raises(OSError, match="module.py") as raised:
        emotiontalk.EmotionTalk(config_name="text", data_dir=str(DUMMY), cache_dir=str(tmp_path))
    assert raised.value is error


@pytest.mark.parametrize(
    "number, where",
    [(errno.EACCES, "{}/cache/a.lock"), (errno.ENOTDIR, "{}"), (errno.EROFS, "{}/cache"), (errno.ENOSPC, None)],
)
def test_a_cache_that_cannot_be_written_is_named(number, where, monkeypatch, tmp_path):
    error = OSError(number, os.strerror(number), where and where.format(tmp_path))
    monkeypatch.setattr(datasets.GeneratorBasedBuilder, "_build_cache_dir", Fails(error))
    with pytest.raises(emotiontalk.EmotionTalkError, match=f"{tmp_path}.*cache_dir="):
        emotiontalk.EmotionTalk(config_name="text", data_dir=str(DUMMY), cache_dir=str(tmp_path / "cache"))


def test_an_archive_that_cannot_be_read_is_named(monkeypatch):
    """Nobody is sent to another cache for it."""
    stat = os.stat

    def refused(path, *arguments, **options):
        if str(path).endswith("Text.tar"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, *arguments, **options)

    path = DUMMY / "Text.tar"
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", refused)
        with pytest.raises(emotiontalk.EmotionTalkError, match=rf"{path} cannot be read.*permissions"):
            emotiontalk.archives.local.facts_of(str(path))


def test_a_builder_can_be_pickled(tmp_path):
    builder = emotiontalk.EmotionTalk(config_name="audio", data_dir=str(DUMMY), cache_dir=str(tmp_path), mono=True)
    again = pickle.loads(pickle.dumps(builder))
    assert again.cache_dir == builder.cache_dir and again.config == builder.config
    assert list(again.open_splits()) == ["train", "validation", "test"]


def test_the_cache_is_named_after_the_script(tmp_path):
    """`datasets` names its folders by the module of the builder: the package's is called as the script."""
    builder = emotiontalk.EmotionTalk(config_name="text", data_dir=str(DUMMY), cache_dir=str(tmp_path))
    assert type(builder).__module__ == "emotiontalk.loading.emotiontalk" and builder.name == "emotiontalk"
    assert os.path.relpath(builder.cache_dir, tmp_path).split(os.sep)[0] == "emotiontalk"


def test_what_the_docstring_says_of_private_hooks_is_so():
    """Each private name of `datasets` that the builder has a method of is in its docstring, and each there exists."""
    own = {name for name in vars(emotiontalk.EmotionTalk) if hasattr(datasets.ArrowBasedBuilder, name)}
    documented = {"_info", "_split_generators", "_generate_examples", "_generate_tables"}  # for subclasses
    private = {name for name in own - documented if name.startswith("_") and not name.startswith("__")}
    private -= {"_abc_impl"}
    said = set(re.findall(r"`(_\w+)`", emotiontalk.EmotionTalk.__doc__))
    assert private <= said
    assert all(hasattr(datasets.ArrowBasedBuilder, name) for name in said - documented - {"_cache_dir", "_output_dir"})
