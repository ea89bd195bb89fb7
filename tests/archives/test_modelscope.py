"""`data_dir="modelscope"`: against a server that answers as ModelScope does, and what is said where nothing answers.

ModelScope (its SDK modelscope 1.40, hf_datasets_util.py): `/datasets/<owner>/<name>/resolve/<revision>/<path>` is
redirected to storage on another host; the token goes as the cookie `m_session_id` and as a bearer token.
"""

import json

import pytest
from hub_server import HubServer
from support import PROJECT, command, once, rows

import emotiontalk
from emotiontalk.archives.urls import full_source, modelscope_endpoint, reach, token_headers

TOKEN = "ms-0123456789"


@pytest.fixture
def modelscope(monkeypatch):
    """A server that answers as ModelScope; `seen` are the headers of each request, `stored` those at its storage."""
    server = HubServer(PROJECT / "dummy_data")
    server.seen, server.stored, server.wanted = [], [], TOKEN
    storage = HubServer(PROJECT / "dummy_data")

    def answers(request, file, start, end):
        server.seen.append(dict(request.headers))
        if f"m_session_id={server.wanted}" not in request.headers.get("Cookie", ""):
            said = json.dumps({"Code": 10010205001, "Message": "no permission", "Success": False}).encode()
            server.send(request, 403, said, {"Content-Type": "application/json"})
        else:
            server.send(
                request, 302, b"", {"Location": f"{storage.url}/files/{file.name}?OSSAccessKeyId=x&Signature=y"}
            )
        return True

    def stored(request, file, start, end):
        server.stored.append(dict(request.headers))
        return False

    server.instead, storage.instead = answers, stored
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield server
    server.close()
    storage.close()


def test_rows_come_from_modelscope_and_the_token_goes_nowhere_else(modelscope, call, monkeypatch):
    # its files are below /datasets/BAAI/Emotiontalk/resolve/master, which the test server calls "main"
    monkeypatch.setattr("emotiontalk.archives.urls.MODELSCOPE_REVISION", "main")
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", TOKEN)
    expected = rows(call("audio", split="test"))
    assert rows(call("audio", "modelscope", split="test", token="hf_other")) == expected
    streamed = call("audio", "modelscope", split="test", streaming=True)
    assert [row["id"] for row in streamed] == [row["id"] for row in expected]
    assert modelscope.seen and modelscope.stored
    for headers in modelscope.seen:
        assert headers["Cookie"] == f"m_session_id={TOKEN}"
        assert headers["Authorization" if "Authorization" in headers else "authorization"] == f"Bearer {TOKEN}"
    for headers in modelscope.stored:
        assert TOKEN not in str(headers) and "hf_" not in str(headers)
    assert "hf_" not in str(modelscope.seen)


def test_no_access_says_what_modelscope_wants(modelscope, call, monkeypatch):
    monkeypatch.setattr("emotiontalk.archives.urls.MODELSCOPE_REVISION", "main")
    for token in (None, "ms-wrong"):
        monkeypatch.setenv("MODELSCOPE_API_TOKEN", token) if token else monkeypatch.delenv(
            "MODELSCOPE_API_TOKEN", raising=False
        )
        with pytest.raises(emotiontalk.EmotionTalkError) as error:
            call("text", "modelscope", split="test")
        said = str(error.value)
        assert "403" in said and "MODELSCOPE_API_TOKEN" in said and "modelscope.cn/datasets/BAAI/Emotiontalk" in said
        assert "hf auth login" not in said and "ms-wrong" not in said and "hf_secret" not in said


@once
def test_commands_know_the_name(modelscope, monkeypatch, tmp_path):
    monkeypatch.setattr("emotiontalk.archives.urls.MODELSCOPE_REVISION", "main")
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", TOKEN)
    options = ("--data-dir", "modelscope", "--cache-dir", tmp_path)
    assert "WAR" in command("probe", "--config", "text", "--seeds", "1", *options).stdout
    assert "archives" in command("verify", "--quick", "--data-dir", "modelscope", status=1).stdout
    command("parquet", tmp_path / "out", "--config", "text", *options)
    assert TOKEN not in (tmp_path / "out/.emotiontalk-manifest").read_text(encoding="utf-8")


@once
def test_the_short_name(monkeypatch, tmp_path):
    monkeypatch.delenv("MODELSCOPE_ENDPOINT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert full_source("modelscope") == "https://www.modelscope.cn/datasets/BAAI/Emotiontalk/resolve/master"
    assert full_source("ModelScope/x") == "ModelScope/x"
    (tmp_path / "modelscope").mkdir()
    assert full_source("modelscope") == "modelscope"  # a folder of the user's


@once
def test_each_token_is_for_its_own_host(monkeypatch):
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", TOKEN)
    monkeypatch.delenv("MODELSCOPE_ENDPOINT", raising=False)
    assert modelscope_endpoint() == "https://www.modelscope.cn"
    for url in ("https://www.modelscope.cn.evil.org/x", "https://example.org/x", "http://www.modelscope.cn/x"):
        assert token_headers(url, "hf_x") == {}
    assert TOKEN in str(token_headers("https://www.modelscope.cn/datasets/x", "hf_x"))
    assert TOKEN not in str(token_headers("https://huggingface.co/datasets/x", "hf_x"))
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms\u4e2d")
    with pytest.raises(ValueError, match="MODELSCOPE_API_TOKEN holds"):
        token_headers("https://www.modelscope.cn/datasets/x", None)


@once
def test_where_the_hub_cannot_be_reached_both_ways_are_named():
    said = reach("https://huggingface.co/datasets/BAAI/Emotiontalk/resolve/main/Audio.tar")
    assert 'data_dir="modelscope"' in said and "HF_ENDPOINT=" in said
    assert "modelscope" not in reach("https://example.org/Audio.tar")
