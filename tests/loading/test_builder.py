"""The builder, as people who build on it use it: public methods, private hooks of `datasets` that may change."""

import pickle

import datasets
import pytest
from hub_server import HubServer
from support import CONFIGS, PROJECT, as_script, once, rows

import emotiontalk

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
        pytest.param("not by tables", marks=as_script),
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
    elif shape == "not by tables":
        monkeypatch.setattr(emotiontalk.loading.emotiontalk, "_accepted_keywords", lambda function, given: {})
    else:
        monkeypatch.delattr(emotiontalk.EmotionTalk, "_prepare_split_single")
    assert rows(call("audio", split="test", cache_dir=tmp_path / "other")) == expected
