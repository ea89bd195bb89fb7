"""What archives, servers and repositories say: no escape, bell or bidirectional mark of it reaches the terminal."""

import io
import json
import tarfile

import pytest
from support import PROJECT, archives, command, rows
from test_lying_servers import answer

import emotiontalk
import emotiontalk.archives.http
from emotiontalk.errors import printable
from emotiontalk.sample_data import pack, relative

HOSTILE = "\x1b]0;owned\x07\x1b[31m\u202e\u2066\x9b2J\x00"
UID = "G00003_13_06_003"


def quiet(text):
    """Whether a terminal shows each character of a text."""
    return all(line.isprintable() or printable(line) == line for line in text.splitlines())


def hostile(members):
    """Texts, labels and paths with escapes in them, in the audio-only annotations of two utterances."""
    names = [name for name in members["Audio"] if UID in name and name.endswith("json")]
    annotation = json.loads(members["Audio"][names[0]])
    annotation["content"] = f"你好{HOSTILE}"
    annotation["speaker_id"] = HOSTILE
    annotation["file_path"] = annotation["file_name"] = f"wav/{HOSTILE}/G00001_11_01_001.wav"
    for vote in annotation["data"].values():
        vote["emotion"] = vote["Confidence_degree"] = HOSTILE
    members["Audio"][names[0]] = json.dumps(annotation).encode()


def wrong_label(members):
    hostile(members)
    name = next(name for name in members["Audio"] if UID in name and name.endswith("json"))
    annotation = json.loads(members["Audio"][name])
    annotation["emotion_result"] = HOSTILE
    members["Audio"][name] = json.dumps(annotation).encode()


def test_errors_and_warnings(call, release, said):
    folder = release(wrong_label)
    with pytest.raises(emotiontalk.EmotionTalkError) as error:
        call("audio", folder, split="test")
    assert UID in str(error.value) and quiet(str(error.value)) and "\\x1b]0;owned\\x07" in str(error.value)
    assert len(call("audio", folder, split="test", strict=False)) == 7
    assert f"utterances left out: {UID}" in said.text and quiet(said.text) and "\\u202e" in said.text


def test_the_name_of_a_member(call, tmp_path):
    with tarfile.open(PROJECT / "dummy_data" / "Text.tar") as old, tarfile.open(tmp_path / "Text.tar", "w") as new:
        for info in old:
            new.addfile(info, old.extractfile(info))
        info = tarfile.TarInfo(f"Text/{HOSTILE[:-1]}/" + relative(UID, "json"))
        info.size = 2
        new.addfile(info, io.BytesIO(b"{}"))
    with pytest.raises(emotiontalk.EmotionTalkError, match="duplicate id") as error:
        call("text", tmp_path)
    assert quiet(str(error.value)) and "\\x1b" in str(error.value)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_verify(release, options):
    run = command("verify", "--data-dir", release(wrong_label), *options, status=1)
    assert quiet(run.stdout) and quiet(run.stderr.replace("\r", "").replace("\x1b[A", ""))
    assert "\\x1b" in run.stdout or "\\\\x1b" in run.stdout


def test_the_name_of_a_file(tmp_path):
    """Of an archive, as it is shown beside a progress bar."""
    (tmp_path / "text.\x1b[31m.tar").write_bytes(pack(archives()["Text"]))
    run = command("verify", "--data-dir", tmp_path, status=1)
    assert "\x1b[31m" not in run.stderr and "\x1b[31m" not in run.stdout


def test_a_report(release, tmp_path):
    """Neither does a browser get them, nor the terminal that shows the source."""

    def change(members):
        caption = {"spe_cap": f"第{HOSTILE}", "emo_cap": "a\x00b\u2028c\ufeffd\u200e\u061c"}
        for files in members.values():
            for name, data in files.items():
                if name.endswith("json") and "/._" not in name:
                    annotation = json.loads(data.decode("utf-8-sig"))
                    annotation.update(content=f"你好{HOSTILE}\t\r\n好", sourceAttr=caption)
                    files[name] = json.dumps(annotation).encode()

    command("report", "--out", tmp_path / "page.html", "--data-dir", release(change))
    page = (tmp_path / "page.html").read_bytes().decode()
    assert quiet(page.replace("\r", "\0")) and "你好\\x1b]0;owned\\x07" in page and "\\u202e\\u2066" in page
    assert "a\\x00b\\u2028c\\ufeffd\\u200e\\u061c" in page


@pytest.mark.parametrize(
    "header", ["Content-Range", "Content-Encoding", "X-Error-Code", "Retry-After", "Location", "ETag"]
)
def test_the_headers_of_a_server(call, serve, monkeypatch, header):
    monkeypatch.setattr(emotiontalk.archives.http, "WAITS", (0.01,))
    evil = "\x1b[31m\x07\x9b2J"
    status = {"X-Error-Code": 403, "Retry-After": 503, "Location": 302, "Content-Range": 206}.get(header, 206)

    def instead(request, file, start, end):
        return answer(request, b"x" * 100, status, **{header.replace("-", "_"): evil})

    server = serve(PROJECT / "dummy_data", instead=instead)
    with pytest.raises(emotiontalk.EmotionTalkError) as error:
        call("text", server.url + "/files", split="test")
    assert quiet(str(error.value))


def test_texts_stay_as_they_are(call, release):
    """Only what is shown is escaped."""
    found = {row["id"]: row["text"] for row in rows(call("audio", release(hostile), split="test"))}
    assert found[UID] == f"你好{HOSTILE.replace(']', '').replace('[', '')}"


def test_what_is_visible_stays():
    assert printable("你好　世界 ñ “…” 😀") == "你好　世界 ñ “…” 😀"
    assert printable("\x1b[0m\u202e\x9b\udc80") == "\\x1b[0m\\u202e\\x9b\\udc80"
