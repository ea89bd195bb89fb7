"""URLs, tokens and folders as they are mistyped: one line that says how to fix it, and no secret in it."""

import os
import subprocess
import sys
import tarfile

import pytest
from hub_server import HubServer
from support import PROJECT, command

import emotiontalk
import emotiontalk.archives.http


def test_no_secret_is_shown(call, serve, tmp_path):
    server = serve(PROJECT / "dummy_data")
    url = server.url.replace("://", "://user:geheim@") + "/nowhere"
    for options in ({}, {"streaming": True}):
        with pytest.raises(Exception) as error:
            call("text", url, split="test", **options)
        assert "geheim" not in str(error.value) and "404" in str(error.value)
    for token in ("hf_geheim\x7f", "hf_ge heim", "hf_geheimé"):
        with pytest.raises(ValueError) as error:
            call("text", token=token)
        assert "geheim" not in str(error.value) and "token" in str(error.value)
    assert len(call("text", token="hf_geheim\n", split="test")) == 8
    url = server.url.replace("://", "://user:geheim@") + "/files"
    assert len(call("text", url, split="test")) == 8
    out = tmp_path / "out"
    said = command("parquet", out, "--config", "text", "--data-dir", url)
    said.stderr += command("probe", "--config", "text", "--data-dir", url, "--out", tmp_path / "probe").stderr
    written = b"".join(path.read_bytes() for path in [*tmp_path.rglob("*.json"), *tmp_path.rglob("*.md")])
    assert "geheim" not in said.stdout + said.stderr and b"geheim" not in written
    assert not [path for path in tmp_path.rglob("*") if "geheim" in path.name]


@pytest.mark.parametrize("url", ["http://", "https:///x", "http://[::1", "hf://datasets/x"])
def test_a_url_that_is_none(call, url):
    with pytest.raises(emotiontalk.EmotionTalkError, match="URL without a host|expected hf://"):
        call("text", url, split="test")


ODD_ANSWERS = {
    "Content-Range": ["bytes 5-1/3", "bytes a-b/c", "bytes 0-511/" + "9" * 400, "items", ""],
    "Content-Length": ["-5", "x", ""],
    "Location": ["http://[", "//", "ftp://127.0.0.1/x", "\x01"],
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_odd_answers_of_a_server_are_told_in_a_line(call, serve, name, monkeypatch):
    monkeypatch.setattr(emotiontalk.archives.http, "WAITS", (0.01, 0.01))
    server = serve(PROJECT / "dummy_data")
    for value in ODD_ANSWERS[name]:
        server.odd = {name: value}
        with pytest.raises(Exception) as error:
            call("text", server.url + "/files", split="test", streaming=True)
        assert isinstance(error.value, emotiontalk.EmotionTalkError) and "Text.tar" in str(error.value), repr(
            error.value
        )
        assert "\n" not in str(error.value) and len(str(error.value)) < 1_000


def test_a_servers_code_is_not_echoed_without_end(call, serve):
    server = serve(PROJECT / "dummy_data")
    server.refuse = lambda request, status, code: HubServer.refuse(server, request, 403, "<b>" + "x" * 4_000)
    with pytest.raises(emotiontalk.EmotionTalkError) as error:
        call("text", server.url + "/none")
    assert len(str(error.value)) < 700 and "<b>" not in str(error.value)


def test_mistyped_folders_are_told(call, tmp_path):
    with pytest.raises(emotiontalk.MissingArchiveError, match="there is no folder"):
        call("text", tmp_path / "typo")
    with pytest.raises(emotiontalk.MissingArchiveError, match=f"is a file: pass data_dir= .*{PROJECT / 'dummy_data'}"):
        call("text", PROJECT / "dummy_data" / "Text.tar")


def test_a_full_disk_and_a_cache_that_cannot_be_written(call, tmp_path):
    """/dev/full takes nothing; a file stands where the cache should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(emotiontalk.EmotionTalkError, match="cannot be written.*HF_HOME.*cache_dir="):
        call("text", cache_dir=tmp_path / "file" / "cache")
    code = (
        "import resource, signal, emotiontalk; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000));"
        f"emotiontalk.load_dataset('audio', {str(PROJECT / 'dummy_data')!r}, split='test', "
        f"cache_dir={str(tmp_path / 'c')!r})"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert "EmotionTalkError: " in run.stderr.splitlines()[-1] and "cache_dir=" in run.stderr.splitlines()[-1], (
        run.stderr
    )
    assert "bytes are needed" in run.stderr.splitlines()[-1]


def test_a_file_url_of_an_unpacked_release_is_its_folder(call, tmp_path):
    with tarfile.open(PROJECT / "dummy_data" / "Text.tar") as tar:
        tar.extractall(tmp_path / "unpacked" / "Text")
    assert len(call("text", f"file://{tmp_path}/unpacked", split="test")) == 8


@pytest.mark.parametrize("name", ["BAAI/Emotion--talk", "BAAI/Emotiontalk.git"])
def test_a_repository_that_none_can_be(call, name):
    with pytest.raises(emotiontalk.EmotionTalkError, match=f"hf://datasets/{name}/Text.tar: "):
        call("text", f"hf://datasets/{name}", split="test")


@pytest.mark.parametrize("streaming", [False, True])
def test_a_folder_for_what_is_learned_of_a_url_that_cannot_be_written(call, serve, tmp_path, streaming):
    url = serve(PROJECT / "dummy_data").url + "/files"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "emotiontalk-urls").write_text("a file")
    with pytest.raises(emotiontalk.EmotionTalkError, match="cannot be written.*cache_dir="):
        call("text", url, split="test", cache_dir=tmp_path / "cache", streaming=streaming)


AGAIN = """
import emotiontalk
for _ in range(2):
    try:
        print(len(emotiontalk.load_dataset("text", split="test")))
    except emotiontalk.EmotionTalkError as error:
        print("error")
"""


def test_a_login_page_is_forgotten_by_the_next_call(serve, tmp_path):
    """A 200 that is no archive, once: the same call in the same process asks the server again."""
    server = serve(PROJECT / "dummy_data")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "Text.tar").write_text("<html>log in</html>" * 400)
    good, server.folder = server.folder, tmp_path / "page"
    original = server.send_file

    def once(request, file, body):
        original(request, file, body)
        server.folder, server.send_file = good, original

    server.send_file = once
    environment = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home")}
    run = subprocess.run(
        [sys.executable, "-c", AGAIN], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == "error\n8\n", run.stderr
