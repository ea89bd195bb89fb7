"""An archive that changes between two loads, or while it is read: no row of one is taken for the other's."""

import os
import shutil

import datasets
import fsspec
import pytest
from support import PROJECT, archives, as_script, rows, trust, undecoded

import emotiontalk
from emotiontalk.archives.locations import forget_urls
from emotiontalk.sample_data import pack, relative

UID = "G00003_13_06_003"


def texts(dataset):
    return {row["id"]: row["text"] for row in rows(dataset)}


def touch(path):
    """Another file of the same size: another entity tag."""
    s = path.stat()
    os.utime(path, ns=(s.st_atime_ns, s.st_mtime_ns + 10**9))


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [True, False])
def test_a_file_that_changes_while_it_is_read_is_an_error(call, serve, rebuilt, tmp_path, streaming):
    (tmp_path / "mirror").mkdir()
    shutil.copy(rebuilt() / "Audio.tar", tmp_path / "mirror")
    server = serve(tmp_path / "mirror")
    server.cut_after = 300_000
    if not streaming:
        server.after = lambda: touch(tmp_path / "mirror" / "Audio.tar")
        with pytest.raises(emotiontalk.EmotionTalkError, match="Audio.tar: this is another file"):
            call("audio", server.url + "/files")
        return
    stream = iter(undecoded(call("zh-en", server.url + "/files", split="test", streaming=True)))
    next(stream)
    touch(tmp_path / "mirror" / "Audio.tar")
    with pytest.raises(emotiontalk.EmotionTalkError, match="Audio.tar: this is another file"):
        for _ in stream:
            pass


def test_a_mirror_that_changed_is_prepared_again(call, serve, release):
    def other(members):
        name = "Text/json/" + relative(UID, "json")
        members["Text"][name] = members["Text"][name].replace("别太晚".encode(), "别太早".encode())

    out, changed = release(), release(other, folder="changed")
    server = serve(out)
    before = texts(call("text", server.url + "/files", split="test"))
    server.forget()
    assert texts(call("text", server.url + "/files", split="test")) == before
    assert server.requests["Text.tar"] == 1  # asked once what is there, and nothing read again
    shutil.copy(changed / "Text.tar", out)
    after = texts(call("text", server.url + "/files", split="test"))
    assert before[UID] != after[UID] and {**before, UID: 0} == {**after, UID: 0}


@pytest.mark.slow
def test_what_was_prepared_from_a_url_loads_when_it_is_gone(call, serve, said):
    server = serve(PROJECT / "dummy_data")
    before = texts(call("text", server.url + "/files", split="test"))
    server.close()
    assert texts(call("text", server.url + "/files", split="test")) == before
    assert "is used" in said.text
    with pytest.raises(emotiontalk.EmotionTalkError, match="gave up"):
        call("video", server.url + "/files", split="test")


def test_two_annotations_exchanged_in_a_folder_are_noticed(call, tmp_path, said):
    """By `mv`: the same sizes and times in sum; and the path inside says otherwise."""
    out = tmp_path / "unpacked"
    for name, data in archives()["Text"].items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
        os.utime(out / name, (1, 1))
    before = texts(call("text", out, split="test"))
    a, b = (out / "Text" / "json" / relative(uid, "json") for uid in (UID, "G00003_13_07_002"))
    assert "another utterance's" not in said.text
    a.rename(out / "x"), b.rename(a), (out / "x").rename(b)
    after = texts(call("text", out, split="test"))
    assert after[UID] == before["G00003_13_07_002"] and after["G00003_13_07_002"] == before[UID]
    warning = next(r.getMessage() for r in said.records if "another utterance's" in r.getMessage())
    assert "G00003, 2 of 4 utterances" in warning and "G00003_13_06_003.json" in warning and "verify" in warning


@as_script
def test_a_new_builder_finds_what_was_prepared_from_a_url(script, serve, tmp_path):
    url = serve(PROJECT / "dummy_data").url + "/files"
    expected = texts(script("text", url, split="test"))
    options = {"data_dir": url, "cache_dir": str(tmp_path / "cache"), **trust()}
    builder = datasets.load_dataset_builder(str(PROJECT / "emotiontalk.py"), "text", **options)
    assert texts(builder.as_dataset(split="test")) == expected


def test_a_release_in_more_parts_than_before_is_no_half_of_it(call, tmp_path):
    """What was learned of one part does not hide the others."""
    files = fsspec.filesystem("memory")
    members = list(archives()["Text"].items())
    for name, part in (("a", members[: len(members) // 2]), ("b", members[len(members) // 2 :])):
        files.pipe_file(f"/parts/text/{name}.tar", pack(dict(part)))
    one = {"Text": [[files.info("/parts/text/a.tar")["size"], None]]}
    builder = emotiontalk.EmotionTalk(
        config_name="text", data_dir="memory://parts", cache_dir=str(tmp_path), fingerprints=one
    )
    with pytest.raises(emotiontalk.EmotionTalkError, match="2 parts now, 1 before"):
        builder.download_and_prepare()
    files.rm("/parts", recursive=True)
    forget_urls()


def prepared_in(folder):
    return len(list(folder.rglob("dataset_info.json")))


def test_what_leaves_an_archive_as_it_is_does_not_prepare_it_again(call, tmp_path):
    out, cache = tmp_path / "out", tmp_path / "cache"
    shutil.copytree(PROJECT / "dummy_data", out)
    tar = out / "Text.tar"

    def again():
        call("text", out, split="test", cache_dir=cache)
        return prepared_in(cache)

    assert again() == 1
    tar.chmod(0o640)
    os.link(tar, tmp_path / "backup.tar")
    assert again() == 1
    shutil.copytree(out, tmp_path / "copy")  # other inodes, the same times
    shutil.rmtree(out)
    (tmp_path / "copy").rename(out)
    assert again() == 1
    data, s = bytearray(tar.read_bytes()), tar.stat()
    data[-1] ^= 1  # the size and the time stay
    tar.write_bytes(bytes(data))
    os.utime(tar, ns=(s.st_atime_ns, s.st_mtime_ns))
    with pytest.raises(emotiontalk.EmotionTalkError, match=r"Text\.tar"):
        again()


def test_a_mount_that_renumbers_its_files_is_scanned_once(call, rebuilt, monkeypatch):
    """As FUSE and rclone do: another inode and another time of change of it at each look."""
    stat, looks = os.stat, iter(range(1, 10**9))

    def renumbered(path, *arguments, **options):
        s = list(stat(path, *arguments, **options))
        s[1], s[9] = next(looks), next(looks)
        known = stat(path, *arguments, **options)
        return os.stat_result(s, {"st_mtime_ns": known.st_mtime_ns, "st_atime_ns": known.st_atime_ns})

    stream = call("text", rebuilt(), split="test", streaming=True)
    emotiontalk.archives.locations._open_local.cache_clear()
    monkeypatch.setattr(os, "stat", renumbered)
    assert len(list(stream)) == 1_929
    assert emotiontalk.archives.locations._open_local.cache_info().misses == 1
