"""Servers that lie: wrong bytes, too many, none, or a page instead of the file. No row is lost or changed silently."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time

import fsspec
import pytest
from support import A_GROUP_A_SPLIT, PROJECT, some, undecoded

import emotiontalk
import emotiontalk.archives.http

LOGIN = b"<!DOCTYPE html><html><title>Log in</title></html>"
DUMMY = PROJECT / "dummy_data"


def clips_of(dataset):
    return [(row.get("id") or row["sample_id"], hashlib.sha256(row["audio"]["bytes"]).digest()) for row in dataset]


def answer(request, data, status=200, **headers):
    """Send one answer, whatever it says."""
    request.send_response(status)
    for name, value in {"Content-Length": str(len(data)), **headers}.items():
        if value is not None:
            request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(data)
    return True


def part(file, start, end):
    with open(file, "rb") as opened:
        opened.seek(start)
        return opened.read(end - start)


def longer(request, file, start, end):
    """A range that goes on behind what was asked for, as its Content-Range says."""
    size = file.stat().st_size
    end = min(size, end + 1_000)
    said = f"bytes {start}-{end - 1}/{size}"
    return answer(request, part(file, start, end), 206, Content_Range=said, ETag='"same"')


def shorter(request, file, start, end):
    """Ranges of at most 100,000 bytes, whatever is asked for."""
    size, end = file.stat().st_size, min(end, start + 100_000)
    return answer(request, part(file, start, end), 206, Content_Range=f"bytes {start}-{end - 1}/{size}", ETag='"same"')


@pytest.mark.parametrize("lie", [longer, shorter])
@pytest.mark.parametrize("streaming", some([True, False], True))
def test_a_range_of_another_length_is_used_by_what_it_says(call, serve, rebuilt, lie, streaming, monkeypatch):
    monkeypatch.setattr(emotiontalk.archives.http, "WAITS", (0.01,) * 5)
    release = rebuilt(*A_GROUP_A_SPLIT) if streaming else rebuilt()
    server = serve(release, instead=lie)
    options = {"split": "train" if streaming else "validation", "streaming": streaming}
    there = undecoded(call("audio", server.url + "/files", **options))
    here = undecoded(call("audio", release, **options))
    there, here = (clips_of(found.take(30) if streaming else found) for found in (there, here))
    assert there == here


def whole_as_range(request, file, start, end):
    said = f"bytes {start}-{end - 1}/{file.stat().st_size}"
    return answer(request, file.read_bytes(), 206, Content_Range=said)


def chunked(request, data, said):
    request.send_response(206)
    request.send_header("Transfer-Encoding", "chunked")
    request.send_header("Content-Range", said)
    request.end_headers()
    request.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
    return True


def surplus(request, file, start, end):
    data = part(file, start, end) + bytes(512)
    return chunked(request, data, f"bytes {start}-{end - 1}/{file.stat().st_size}")


def packed(request, file, start, end):
    data, said = gzip.compress(part(file, start, end)), f"bytes {start}-{end - 1}/{file.stat().st_size}"
    return answer(request, data, 206, Content_Range=said, Content_Encoding="gzip")


def several(request, file, start, end):
    said = f"bytes {start}-{end - 1}/{file.stat().st_size}"
    return answer(request, part(file, start, end), 206, Content_Range=said, Content_Type="multipart/byteranges; b=1")


@pytest.mark.parametrize(
    "lie, says",
    [
        (whole_as_range, "sends [0-9,]+ bytes as the range"),
        (surplus, "sends more than the [0-9,]+ bytes of its Content-Range"),
        (packed, "content-encoding: gzip, which was not requested"),
        (several, "content-type: multipart/byteranges; b=1, which was not requested"),
    ],
)
def test_bytes_that_are_not_the_range_are_refused(call, serve, rebuilt, lie, says):
    server = serve(rebuilt(*A_GROUP_A_SPLIT), instead=lie)
    with pytest.raises(emotiontalk.EmotionTalkError, match=f"(?i)/files/Audio.tar: the server .*{says}.*data_dir="):
        clips_of(undecoded(call("audio", server.url + "/files", split="test", streaming=True)))
    with pytest.raises(emotiontalk.EmotionTalkError, match=f"(?i)Audio.tar: the server .*{says}"):
        call("audio", server.url + "/files")


def test_a_file_that_is_compressed_on_the_way_is_refused(call, serve):
    server = serve(DUMMY, ranges=False, odd={"Content-Encoding": "br"})
    with pytest.raises(emotiontalk.EmotionTalkError, match="(?i)Text.tar: .*content-encoding: br"):
        call("text", server.url + "/files", split="test")


# --- archives that are cut or damaged, behind a URL -------------------------------------------------------------------


def damaged(source, out, change):
    """A copy of the audio of a release, its archive changed in place."""
    out.mkdir()
    shutil.copy(source / "Audio.tar", out / "Audio.tar")
    with open(out / "Audio.tar", "r+b") as file:
        change(file)
    return out


def clip_headers(archive):
    with tarfile.open(archive) as tar:
        return [(m.name, m.offset, m.offset_data, m.size) for m in tar if m.name.endswith(".wav")]


def spoil(name, headers):
    """A change of the archive at the 40th clip of test, by name."""
    _, header, _, size = [found for found in headers if "/G00003/" in found[0]][40]
    middle = header + 512 + size // 2

    def claim(file):  # a size beyond the end of the file, with a right checksum
        file.seek(header)
        info = tarfile.TarInfo.frombuf(file.read(512), "utf-8", "surrogateescape")
        info.size = 1 << 36
        file.seek(header)
        file.write(info.tobuf(tarfile.GNU_FORMAT))

    def write(data):
        return lambda file: (file.seek(header), file.write(data))

    return {
        "cut in a clip": lambda file: file.truncate(middle),
        "cut in a header": lambda file: file.truncate(header + 200),
        "cut before a header": lambda file: file.truncate(header),
        "a size beyond the end": claim,
        "a header of zeros": write(bytes(512)),
        "a flipped header": write(b"\xff" * 100),
    }[name]


@pytest.mark.parametrize(
    "what, says",
    [
        ("cut in a clip", "truncated within"),
        ("cut in a header", "truncated after|G00003_.* has no matching file"),
        ("cut before a header", "truncated after|G00003_.* has no matching file|truncated"),
        ("a size beyond the end", "truncated within"),
        ("a header of zeros", "corrupt at byte"),
        ("a flipped header", "corrupt at byte"),
    ],
)
@pytest.mark.parametrize("way", some(["streamed", "downloaded"], "streamed"))
def test_a_damaged_archive_behind_a_url_is_named(call, serve, rebuilt, tmp_path, what, says, way, ends):
    release = rebuilt(*A_GROUP_A_SPLIT)
    spoilt = damaged(release, tmp_path / "spoilt", spoil(what, clip_headers(release / "Audio.tar")))
    server = serve(spoilt)
    with pytest.raises(emotiontalk.EmotionTalkError, match=rf"/files/Audio.tar\b.*({says})"):
        if way == "streamed":
            clips_of(undecoded(call("audio", server.url + "/files", split="test", streaming=True)))
        else:
            call("audio", server.url + "/files")
    assert not [path for path in tmp_path.rglob("downloads/*") if path.suffix != ".lock"]  # nothing of it is kept


# --- what is kept of a bad answer -------------------------------------------------------------------------------------


def first(answers, data):
    """Answer the first requests with these bytes, whole and without a tag."""
    left = [answers]

    def instead(request, file, start, end):
        left[0] -= 1
        return left[0] >= 0 and answer(request, data)

    return instead


LOAD = """
import sys
import emotiontalk
try:
    print(len(emotiontalk.load_dataset("text", split="test", cache_dir=sys.argv[1])))
except emotiontalk.EmotionTalkError as error:
    print(error)
"""


@pytest.mark.parametrize("bad", some(["a login page", "a shorter file", "another archive"], "a login page"))
def test_a_bad_answer_is_not_kept(serve, tmp_path, bad):
    """Under the pinned URL, which promises that what is behind it never changes."""
    whole = (DUMMY / "Text.tar").read_bytes()
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("README.md"))
    data = {"a login page": LOGIN, "a shorter file": whole[:-900], "another archive": b""}[bad]
    data = data or (tmp_path / "other.tar").read_bytes()
    server = serve(DUMMY, instead=first(2 if bad == "another archive" else 1, data))
    env = {"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": server.url}

    def load():
        run = [sys.executable, "-c", LOAD, str(tmp_path / "cache")]
        return subprocess.run(run, cwd=PROJECT, env=env, capture_output=True, text=True, check=True).stdout.strip()

    said = load()
    if bad == "a login page":
        assert re.search(r"Text.tar: cannot be read as a tar archive: it begins with '<!DOCTYPE html>", said), said
        assert "\n" not in said
    else:
        assert {"a shorter file": "Text.tar: ", "another archive": "holds no utterance of test"}[bad] in said
    assert load() == "8"


@pytest.mark.slow
def test_a_download_that_is_damaged_later_names_itself_and_what_helps(serve, tmp_path):
    server = serve(DUMMY)
    env = {"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": server.url}
    code = f"import emotiontalk; print(len(emotiontalk.load_dataset('audio', cache_dir={str(tmp_path)!r}, **OPTIONS)))"

    def load(options="{}"):
        run = [sys.executable, "-c", code.replace("OPTIONS", options)]
        return subprocess.run(run, cwd=PROJECT, env=env, capture_output=True, text=True)

    assert load().stdout == "3\n"
    downloads = list((tmp_path / "home").rglob("snapshots/*/Audio.tar"))
    assert len(downloads) == 1
    with open(downloads[0], "r+b") as file:
        file.truncate(downloads[0].stat().st_size // 2)
    failed = load("{'strict': False}")
    assert failed.returncode and "Traceback" in failed.stderr
    said = failed.stderr.splitlines()[-1]
    assert str(downloads[0]) in said and "truncated" in said and 'download_mode="force_redownload"' in said
    assert load("{'download_mode': 'force_redownload'}").stdout == "3\n"


def test_a_mirror_without_tags_is_told_by_the_ends_of_its_file(call, serve, release):
    """Another file of the same size: noticed where its first or last 64 KiB differ."""

    def change(members):
        name = next(name for name in members["Audio"] if name.endswith("G00003_13_06_003.json"))
        annotation = json.loads(members["Audio"][name])
        annotation["emotion_result"] = "sad" if annotation["emotion_result"] == "happy" else "happy"
        members["Audio"][name] = json.dumps(annotation, ensure_ascii=False).encode()

    before, after = release(), release(change, "changed")
    assert (before / "Audio.tar").stat().st_size == (after / "Audio.tar").stat().st_size
    assert (before / "Audio.tar").read_bytes() != (after / "Audio.tar").read_bytes()
    server = serve(before, odd={"ETag": None})
    emotions = [call("audio", server.url + "/files", split="test")["emotion"]]
    server.folder = after
    emotions.append(call("audio", server.url + "/files", split="test")["emotion"])
    assert list(emotions[1]) != list(emotions[0])
    assert list(emotions[1]) == list(call("audio", after, split="test")["emotion"])


# --- patience has bounds ----------------------------------------------------------------------------------------------


def for_ever(request, data):
    """Send some bytes again and again, until nobody listens."""
    try:
        while True:
            request.wfile.write(data)
            time.sleep(0.1)
    except OSError:
        return True


def dripping_headers(request, file, start, end):
    """A header that grows by a byte now and then: no timeout between two bytes sees it."""
    request.send_response(200)
    request.flush_headers()
    return for_ever(request, b"x")


def informed(request, file, start, end):
    """One informational answer after the other."""
    return for_ever(request, b"HTTP/1.1 100 Continue\r\n\r\n")


def endless(request, file, start, end):
    """A body of unknown length that never ends; it begins as the file does."""
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    try:
        data = file.read_bytes()
        while True:
            request.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            data = bytes(1 << 20)
    except OSError:
        return True


@pytest.mark.parametrize(
    "lie, says",
    [
        (dripping_headers, "gave up at byte 0 after . tries .*no answer in 0.5 seconds"),
        (informed, "gave up at byte 0 after . tries .*no answer in 0.5 seconds"),
        (endless, "does not say how long the file is"),
    ],
)
def test_what_never_ends_is_given_up(call, serve, monkeypatch, ends, lie, says):
    if lie is not endless:
        monkeypatch.setattr(emotiontalk.archives.http, "TIMEOUTS", (0.5, 0.5))
    monkeypatch.setattr(emotiontalk.archives.http, "WAITS", (0.01, 0.01))
    server = serve(DUMMY, ranges=lie is not endless, instead=lie)
    with pytest.raises(emotiontalk.EmotionTalkError, match=f"Text.tar: .*{says}"):
        call("text", server.url + "/files", split="test")


def test_failures_without_progress_have_a_bound_in_time(call, serve, monkeypatch):
    """However few they are."""
    server = serve(DUMMY, trickle=0.05)
    monkeypatch.setattr(emotiontalk.archives.http, "TIMEOUTS", (0.4, 0.4))
    monkeypatch.setattr(emotiontalk.archives.http, "LEAST_RATE", 10_000)
    monkeypatch.setattr(emotiontalk.archives.http, "LONGEST_FAILURE", 0.6)
    monkeypatch.setattr(emotiontalk.archives.http, "WAITS", (0.01,) * 100)
    with pytest.raises(emotiontalk.NoConnectionError, match="gave up at byte [0-9]+ after [1-9][0-9]? tr"):
        call("text", server.url + "/files", split="test")


def test_a_slow_but_steady_server_is_waited_for(call, serve, monkeypatch):
    """Above the least rate there is no bound."""
    monkeypatch.setattr(emotiontalk.archives.http, "TIMEOUTS", (1, 1))
    monkeypatch.setattr(emotiontalk.archives.http, "LEAST_RATE", 300)
    monkeypatch.setattr(emotiontalk.archives.http, "LONGEST_FAILURE", 0.5)
    server = serve(DUMMY, trickle=0.0005)
    assert len(call("text", server.url + "/files", split="test")) == 8


def test_an_empty_file_is_named(call, serve, tmp_path, ends):
    (tmp_path / "Text.tar").write_bytes(b"")
    for ranges in (True, False):
        server = serve(tmp_path, ranges=ranges)
        with pytest.raises(emotiontalk.EmotionTalkError, match="Text.tar: .*empty"):
            call("text", server.url + "/files", split="test")


def byte_by_byte(request, file, start, end):
    """One byte a range, as it says."""
    time.sleep(0.05)
    said = f"bytes {start}-{start}/{file.stat().st_size}"
    return answer(request, part(file, start, start + 1), 206, Content_Range=said, ETag='"same"')


def test_ranges_of_a_byte_are_no_progress(call, serve, monkeypatch, ends):
    monkeypatch.setattr(emotiontalk.archives.http, "WAITS", (0.01,))
    server = serve(DUMMY, instead=byte_by_byte)
    with pytest.raises(emotiontalk.NoConnectionError, match="Text.tar: gave up at byte"):
        call("text", server.url + "/files", split="test")


def test_what_is_there_already_counts_as_coming(call, serve, monkeypatch):
    """Without ranges, a download that was cut begins again: the server is no slower for that."""
    server = serve(DUMMY, ranges=False, cut_after=500_000, rate=400_000)
    monkeypatch.setattr(emotiontalk.archives.http, "TIMEOUTS", (1, 1))
    monkeypatch.setattr(emotiontalk.archives.http, "LEAST_RATE", 100_000)
    monkeypatch.setattr(emotiontalk.archives.http, "WAITS", (0.01,))
    assert len(call("audio", server.url + "/files", split="test")) == 8


def test_a_refusal_that_is_cut_is_a_refusal(call, serve):
    def refused(request, file, start, end):
        request.send_response(403)
        request.send_header("Content-Length", "500")
        request.end_headers()
        request.wfile.write(b"no!")
        request.close_connection = True
        return True

    server = serve(DUMMY, instead=refused)
    with pytest.raises(emotiontalk.EmotionTalkError, match=r"Text.tar: no access \(HTTP status 403\)"):
        call("text", server.url + "/files", split="test")


def test_a_library_that_gives_too_much_is_refused(call, monkeypatch):
    """Of a bucket: its bytes would shift what comes next."""
    files = fsspec.filesystem("memory")
    files.pipe_file("/lies/Text.tar", (DUMMY / "Text.tar").read_bytes())
    honest = type(files).cat_file
    monkeypatch.setattr(type(files), "cat_file", lambda *args, **options: honest(*args, **options) + bytes(512))
    with pytest.raises(emotiontalk.EmotionTalkError, match="Text.tar: its library gives [0-9,]+ bytes, where"):
        call("text", "memory://lies", split="test")
    files.rm("/lies", recursive=True)


@pytest.mark.slow
def test_a_good_download_stays_where_there_is_no_room_to_unpack_it(serve, tmp_path):
    """It need not come twice."""
    (tmp_path / "release").mkdir()
    data = (DUMMY / "Audio.tar").read_bytes()
    (tmp_path / "release" / "Audio.tar").write_bytes(gzip.compress(data))
    server = serve(tmp_path / "release")
    code = """
import resource, sys, emotiontalk
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    print(len(emotiontalk.load_dataset("audio", sys.argv[1], cache_dir=sys.argv[2])["test"]))
except emotiontalk.EmotionTalkError as error:
    print(error)
"""

    def load(largest):
        run = [sys.executable, "-c", code, server.url + "/files", str(tmp_path / "cache"), str(largest)]
        env = {**os.environ, "HF_HOME": str(tmp_path / "home")}
        return subprocess.run(run, cwd=PROJECT, env=env, capture_output=True, text=True, check=True).stdout.strip()

    said = load(len(data) - 10_000)
    assert "Audio.tar: no room" in said and "removed" not in said
    moved = server.bytes["Audio.tar"]
    assert load(1 << 30) == "8" and server.bytes["Audio.tar"] - moved < moved
