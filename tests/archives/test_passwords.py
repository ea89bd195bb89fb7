"""What is requested where a URL holds a password or a signature, or `HF_ENDPOINT` is written in another way."""

import base64
import json
import logging
import os
import pickle
import re
import socket
import subprocess
import sys
import zipfile

import fsspec
import pytest
from support import PROJECT, command, once, rows, some, stopped

import emotiontalk
from emotiontalk.archives.urls import hub_endpoint, is_below, token_headers

DUMMY = PROJECT / "dummy_data"
LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "urllib3", "fsspec", "huggingface_hub", "datasets")


@pytest.fixture
def logged(caplog):
    """All that any library logs."""
    for name in ("", *LIBRARIES):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.fixture
def guarded(serve):
    """A function that makes a server with a password and gives (it, the Authorization headers that it got)."""

    def guarded(password="u:geheim"):
        server, got = serve(DUMMY), []
        wanted = f"Basic {base64.b64encode(password.encode()).decode()}"

        def instead(request, file, start, end):
            got.append(request.headers.get_all("Authorization"))
            if got[-1] == [wanted]:
                return False
            server.send(request, 401, b"", {"WWW-Authenticate": "Basic"})
            return True

        server.instead = instead
        return server, got

    return guarded


def with_password(server, password="u:geheim"):
    return server.url.replace("://", f"://{password}@") + "/files"


@pytest.mark.parametrize(
    "typed, sent",
    [("u:geheim", "u:geheim"), ("u:a%2Fb%40c%3A geheim", "u:a/b@c: geheim"), ("名:@geheim", "名:@geheim"), ("u", "u:")],
)
def test_a_password_is_sent_as_a_header_and_not_shown(call, guarded, logged, capfd, tmp_path, typed, sent):
    server, got = guarded(sent)
    url = with_password(server, typed)
    assert len(list(call("text", url, split="test", streaming=True, cache_dir=tmp_path / "cache"))) == 8
    assert rows(call("text", url, split="test", cache_dir=tmp_path / "cache")) == rows(call("text", split="test"))
    assert got and all(header and len(header) == 1 for header in got)
    out, err = capfd.readouterr()
    assert "geheim" not in logged.text + out + err
    assert server.url.split("//")[1] in logged.text or "127.0.0.1" in logged.text  # something was logged
    for path in (tmp_path / "cache").rglob("*"):
        assert "geheim" not in str(path) and (not path.is_file() or b"geheim" not in path.read_bytes())


def test_the_scheme_may_be_in_capitals_and_blanks_around(call, guarded):
    server, _ = guarded()
    url = f" {with_password(server).replace('http', 'HTTP')}/ "
    assert len(call("text", url, split="test")) == 8
    assert len(call("text", f"FILE://{DUMMY}", split="test")) == 8
    with pytest.raises(emotiontalk.EmotionTalkError, match="s3fs"):
        call("text", "S3://bucket/x", split="test")


def test_a_wrong_password_is_told_without_it(call, guarded):
    server, _ = guarded()
    with pytest.raises(emotiontalk.EmotionTalkError, match="127.0.0.1:[0-9]+/files/Text.tar: no access .*401") as error:
        call("text", with_password(server, "u:secret"), split="test")
    assert "secret" not in str(error.value)


def test_a_password_does_not_follow_a_redirect_to_another_server(call, guarded, serve):
    server, got = guarded()
    storage, stored = serve(DUMMY), []
    storage.instead = lambda request, *_: stored.append(request.headers.get("Authorization"))
    guard = server.instead

    def redirect(request, file, start, end):
        if not guard(request, file, start, end):
            server.send(request, 302, b"", {"Location": f"{storage.url}/files/{file.name}?X-Amz-Signature=s"})
        return True

    server.instead = redirect
    assert len(call("text", with_password(server), split="test")) == 8
    assert got and stored and set(stored) == {None}


def test_a_password_follows_a_redirect_on_the_same_server(call, guarded):
    server, got = guarded()
    guard, first = server.instead, []

    def redirect(request, file, start, end):
        if not guard(request, file, start, end) and not request.path.endswith("?again"):
            first.append(server.send(request, 307, b"", {"Location": f"{request.path}?again"}))
            return True
        return got[-1] is None

    server.instead = redirect
    assert len(call("text", with_password(server), split="test")) == 8 and first


def test_a_netrc_is_for_urls_without_a_password(call, guarded, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login x password y\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server, _ = guarded()
    assert len(call("text", with_password(server), split="test")) == 8


def test_what_holds_a_password_is_not_shown_by_repr_and_works_in_another_process(call, guarded):
    server, _ = guarded()
    builder = emotiontalk.EmotionTalk(config_name="text", data_dir=with_password(server))
    splits = builder.open_splits()
    assert "geheim" not in repr(builder.config) + repr(splits) and "/files" in repr(builder.config)
    assert "geheim" not in builder.config_id + builder.cache_dir
    again = pickle.loads(pickle.dumps(splits["test"]))
    assert len(list(builder.examples(**again))) == 8


# --- signed URLs of a folder ------------------------------------------------------------------------------------------


@pytest.fixture
def signed(serve):
    """A server that wants `?sv=1&sig=<the one that is valid>` with every file."""
    server = serve(DUMMY)
    server.valid, original = "geheim%2B/1", server.answer

    def answer(request, body):
        if request.path.partition("?")[2] != f"sv=1&sig={server.valid}":
            return server.refuse(request, 403, "Unsigned")
        return original(request, body)

    server.answer = answer
    return server


def test_a_signed_folder_is_read_and_its_signature_not_shown(call, signed, logged, capfd, tmp_path):
    url = f"{signed.url}/files?sv=1&sig={signed.valid}"
    cache = tmp_path / "cache"
    expected = rows(call("audio", split="test"))
    assert rows(call("audio", url, split="test", cache_dir=cache)) == expected
    assert rows(call("audio", f"{url}#geheim", split="test", streaming=True, cache_dir=cache)) is not None
    assert len(call("audio", url.replace("?", "/?"), cache_dir=cache)) == 3
    out, err = capfd.readouterr()
    assert "geheim" not in logged.text + out + err
    for path in cache.rglob("*"):
        assert "geheim" not in str(path) and (not path.is_file() or b"geheim" not in path.read_bytes())
    with pytest.raises(emotiontalk.EmotionTalkError, match="/files/Audio.tar.*403") as error:
        call("audio", url.replace("geheim", "falsch"), split="test")
    assert "falsch" not in str(error.value)


def test_a_renewed_signature_finds_what_was_prepared(call, signed, tmp_path):
    options = {"split": "test", "cache_dir": tmp_path / "cache"}
    before = call("text", f"{signed.url}/files?sv=1&sig={signed.valid}", **options).cache_files
    signed.valid = "renewed"
    assert call("text", f"{signed.url}/files?sv=1&sig=renewed", **options).cache_files == before


@pytest.mark.slow
@once
def test_commands_store_neither_password_nor_signature(signed, tmp_path):
    url = f"{signed.url.replace('://', '://u:geheim@')}/files?sv=1&sig={signed.valid}"
    options = ("--data-dir", url, "--cache-dir", tmp_path / "cache")
    said = command("parquet", tmp_path / "export", "--config", "text", *options)
    said.stderr += command("probe", "--config", "text", "--seeds", "1", "--out", tmp_path / "probe", *options).stderr
    said.stderr += command("report", "--out", tmp_path / "r.html", "--clips", "0", *options).stderr
    said.stderr += command("zh-en", tmp_path / "zh-en", *options).stderr
    assert "geheim" not in said.stdout + said.stderr
    for path in tmp_path.rglob("*"):
        assert "geheim" not in str(path) and (not path.is_file() or b"geheim" not in path.read_bytes()), path
    stored = json.loads((tmp_path / "probe/result.json").read_text())["settings"]["data_dir"]
    assert stored == f"{signed.url}/files?…"
    (tmp_path / "export/README.md").unlink()
    stopped(tmp_path / "export")
    words = ("push", "me/x", "--as", "parquet", "--export", tmp_path / "export")
    assert "which is not stored: pass --data-dir again" in command(*words, status=1).stderr


# --- chained URLs -----------------------------------------------------------------------------------------------------


def test_a_chained_url_is_that_of_its_folder(call):
    files = fsspec.filesystem("memory")
    for path in DUMMY.glob("*.tar"):
        files.pipe_file(f"/chained/{path.name}", path.read_bytes())
    try:
        assert rows(call("text", "simplecache::memory://chained", split="test")) == rows(call("text", split="test"))
    finally:
        files.rm("/chained", recursive=True)


def test_a_password_in_a_chained_url_is_sent_and_not_shown(call, guarded, logged, tmp_path):
    pytest.importorskip("aiohttp")
    server, got = guarded()
    with zipfile.ZipFile(tmp_path / "release.zip", "w") as packed:
        packed.write(DUMMY / "Text.tar", "release/Text.tar")
    server.folder = tmp_path
    url = f"zip://release::{with_password(server)}/release.zip"
    assert len(call("text", url, split="test", cache_dir=tmp_path / "cache")) == 8
    assert got and "geheim" not in logged.text
    for path in (tmp_path / "cache").rglob("*"):
        assert "geheim" not in str(path) and (not path.is_file() or b"geheim" not in path.read_bytes()), path


# --- HF_ENDPOINT ------------------------------------------------------------------------------------------------------

LOAD = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
import emotiontalk
import emotiontalk.archives.http
emotiontalk.archives.http.WAITS = ()
try:
    print(sum(1 for _ in emotiontalk.load_dataset("text", split="test", streaming=True, cache_dir=sys.argv[1])))
except emotiontalk.EmotionTalkError as error:
    print(type(error).__name__, error)
"""


def load(endpoint, tmp_path, **environment):
    env = {"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": endpoint, **environment}
    run = [sys.executable, "-c", LOAD, str(tmp_path / "cache")]
    return subprocess.run(run, cwd=PROJECT, env=env, capture_output=True, text=True, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["/// ", " "])
def test_an_endpoint_may_end_with_slashes_and_blanks(serve, tmp_path, end):
    server = serve(DUMMY, token="hf_right")
    requested, original = [], server.answer
    server.answer = lambda request, body: (requested.append(request.path), original(request, body))
    assert load(f" {server.url}{end}", tmp_path, HF_TOKEN="hf_right").stdout == "8\n"
    files = [path for path in requested if "Text.tar" in path]
    assert files and not any("//" in path or path.startswith("/%20") for path in files)
    assert server.tokens == {"Bearer hf_right"}


@pytest.mark.slow
def test_a_mirror_with_a_password(guarded, tmp_path):
    server, got = guarded()
    done = load(server.url.replace("://", "://u:geheim@") + "/", tmp_path, HF_TOKEN="hf_right")
    assert done.stdout == "8\n" and got
    assert "geheim" not in done.stderr


WRONG = ("127.0.0.1:9", "http://", "http://127.0.0.1:9?geheim", "http://u:geheim/x@127.0.0.1:9")


@pytest.mark.parametrize("endpoint", some(WRONG[:-1], WRONG[0]))  # with the last one `datasets` cannot be imported
def test_an_endpoint_that_is_none_is_told(tmp_path, endpoint):
    said = load(endpoint, tmp_path).stdout
    assert "HF_ENDPOINT=" in said and "geheim" not in said


@once
@pytest.mark.parametrize("endpoint", some(WRONG, WRONG[0]))
def test_a_command_tells_an_endpoint_that_is_none(tmp_path, endpoint):
    env = {**os.environ, "HF_ENDPOINT": endpoint, "HF_TOKEN": "hf_x", "HF_HOME": str(tmp_path / "home")}
    said = command("push", "me/x", status=1, env=env).stderr
    assert said.startswith("emotiontalk: HF_ENDPOINT=") and "geheim" not in said and "Traceback" not in said


def test_a_mirror_that_redirects_to_a_server_that_cannot_be_reached(serve, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        location = f"{address}/xet/Text?X-Amz-Signature=geheim"
        server = serve(DUMMY)
        server.instead = lambda request, *_: server.send(request, 302, b"", {"Location": location}) or True
        done = load(server.url, tmp_path)
    assert done.stdout.startswith("NoConnectionError") and address in done.stdout and server.url in done.stdout
    assert "HF_ENDPOINT=https://…" not in done.stdout and "modelscope" in done.stdout
    assert "geheim" not in done.stdout + done.stderr


@once
@pytest.mark.parametrize(
    "url, sent",
    [
        ("{}/datasets/x", True),
        ("{}", True),
        ("{}/../evil", False),
        ("{}/%2e%2E/evil", False),
        ("{}evil/x", False),
        ("{}.evil.com/x", False),
        ("{}@evil.com/x", False),
        ("https://hub.example.org:8443/x", False),
        ("https://hub.example.org:444/hf/x", False),
        ("http://hub.example.org:8443/hf/x", False),
        ("https://evil.com/hf/x?https://hub.example.org:8443/hf/", False),
        ("https://evil.com#@hub.example.org:8443/hf/x", False),
        ("https://evil.com\\@hub.example.org:8443/hf/x", True),  # the name is cut off, and not where it is sent to
        ("https://hub.example.org:8443\\.evil.com/hf/x", False),
        ("https://HUB.example.org:8443/hf/x", True),
    ],
)
def test_the_token_goes_exactly_to_the_endpoint(monkeypatch, url, sent):
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", " HTTPS://hub.example.org:8443/hf// ")
    url = url.format("https://hub.example.org:8443/hf")
    assert (token_headers(url, "hf_right") != {}) == sent
    assert hub_endpoint() == "https://hub.example.org:8443/hf"


@once
def test_a_default_port_is_that_of_the_scheme():
    assert is_below("https://hub.example.org:443/x", "https://hub.example.org")
    assert is_below("http://[::1]/x", "http://[::1]:80") and not is_below("http://[::1]/x", "http://[::2]")
    assert not is_below("https://hub.example.org:80/x", "https://hub.example.org")


# --- push -------------------------------------------------------------------------------------------------------------


def pushed(endpoint, tmp_path):
    env = {
        **os.environ, "HF_ENDPOINT": endpoint, "HF_TOKEN": "hf_test", "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug",
    }  # fmt: skip
    run = [sys.executable, "-m", "emotiontalk", "push", "me/emotiontalk"]
    return subprocess.run(run, cwd=PROJECT, env=env, capture_output=True, text=True)


@pytest.mark.slow
@once
def test_push_by_an_endpoint_with_a_password(hub, tmp_path):
    got, original = [], hub.answer
    hub.answer = lambda request, body: (got.append(request.headers.get("Authorization")), original(request, body))
    done = pushed(hub.url.replace("://", "://u:geheim@") + "/", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"Uploaded: {hub.url}/datasets/me/emotiontalk\n" in done.stdout
    assert "geheim" not in done.stdout + done.stderr
    assert "Basic dTpnZWhlaW0=" in got and not any(path.startswith("//") for _, path in hub.log)


@pytest.mark.slow
@once
def test_push_to_an_endpoint_that_cannot_be_reached_shows_no_password(tmp_path):
    done = pushed("http://u:geheim@127.0.0.1:9", tmp_path)
    assert done.returncode == 1 and re.search("emotiontalk: .*no connection", done.stderr)
    assert "geheim" not in done.stdout + done.stderr
