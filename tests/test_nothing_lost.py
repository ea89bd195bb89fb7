"""No row is lost, changed or mixed silently; nothing hangs; no secret is shown; nothing of anybody's is overwritten."""

import hashlib
import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import pytest
from conftest import PROJECT, archives, command, rows, undecoded
from hub_server import HubServer

import emotiontalk
from emotiontalk_tools.dummy import pack, relative, utterances

IDS = [uid for uid, _ in utterances()]
UID = "G00003_13_06_003"


@pytest.fixture
def said(caplog):
    """The warnings of the loader."""
    emotiontalk._warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        yield caplog


@pytest.fixture
def serve():
    servers = []

    def serve(folder):
        servers.append(HubServer(folder))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


def texts(dataset):
    return {row["id"]: row["text"] for row in rows(dataset)}


# --- an archive that changes -----------------------------------------------------------------------------------------


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
        with pytest.raises(emotiontalk.EmotionTalkError, match="Audio.tar: this is another file than before"):
            call("audio", server.url + "/files")
        return
    stream = iter(undecoded(call("zh-en", server.url + "/files", split="test", streaming=True)))
    next(stream)
    touch(tmp_path / "mirror" / "Audio.tar")
    with pytest.raises(emotiontalk.EmotionTalkError, match="Audio.tar: this is another file than before"):
        for _ in stream:
            pass


def test_a_mirror_that_changed_is_prepared_anew(call, serve, release):
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


def test_what_was_prepared_from_an_address_loads_when_it_is_gone(call, serve, said):
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


# --- tars ------------------------------------------------------------------------------------------------------------


def test_tars_put_together_are_read_whole(call, tmp_path, said):
    import gzip

    for name, compressed in (("plain", False), ("gzip", True)):
        out = tmp_path / name
        out.mkdir()
        members = archives()["Text"]
        half = len(members) // 2
        parts = [pack(dict(list(members.items())[a:b])) for a, b in ((0, half), (half, None))]
        (out / "Text.tar").write_bytes(b"".join(map(gzip.compress, parts)) if compressed else b"".join(parts))
        assert len(texts(call("text", out, split="all"))) == 24
    assert said.text.count("members go on after an end mark") == 2 and "Text.tar" in said.text


def test_a_header_of_zeros_loses_nothing_silently(call, tmp_path):
    data = bytearray(pack(archives()["Text"]))
    at = data.index(b"G00003_13_07_002.json") // 512 * 512
    data[at : at + 512] = bytes(512)
    (tmp_path / "Text.tar").write_bytes(data)
    with pytest.raises(emotiontalk.EmotionTalkError, match="Text.tar: corrupt at byte .*zeros, then what is no member"):
        call("text", tmp_path)


def tar_with(member, out, data=b""):
    out.mkdir()
    with tarfile.open(PROJECT / "dummy_data" / "Text.tar") as old, tarfile.open(out / "Text.tar", "w") as new:
        for info in old:
            new.addfile(info, old.extractfile(info))
        new.addfile(member, io.BytesIO(data))
    return out


@pytest.mark.parametrize(
    "kind, what", [("3", "a device"), ("6", "a FIFO"), ("5", "a folder"), ("Z", "no regular file"), ("2", "a link")]
)
def test_what_is_no_file_under_a_releases_name_is_named(call, tmp_path, kind, what):
    info = tarfile.TarInfo("Text/json/" + relative("G00003_13_06_009", "json"))
    info.type, info.linkname = kind.encode(), "elsewhere"
    with pytest.raises(emotiontalk.EmotionTalkError, match=f"G00003_13_06_009.json is stored as {what}"):
        call("text", tar_with(info, tmp_path / "release"))


def test_a_group_that_is_none(call, tmp_path):
    info = tarfile.TarInfo("Text/json/G00099/G00099_01/G00099_01_01/G00099_01_01_001.json")
    info.size = 2
    with pytest.raises(emotiontalk.EmotionTalkError, match="G00099 is no group of EmotionTalk"):
        call("text", tar_with(info, tmp_path / "release", b"{}"))


def header(name=b"x", size=b"00000000000\0", kind=b"0"):
    block = bytearray(512)
    block[: len(name)], block[124:136], block[156:157], block[257:263] = name, size, kind, b"ustar\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def base256(number):
    return (
        (number % 2**96 | (0xFF if number < 0 else 0x80) << 88).to_bytes(12, "big")
        if number < 0
        else (0x80 << 88 | number).to_bytes(12, "big")
    )


ODD_HEADERS = {
    "negative, octal": header(size=b"-0000001000\0"),
    "negative, base 256": header(size=base256(-1024)),
    **{f"negative, type {kind}": header(size=base256(-1024), kind=kind.encode()) for kind in "7VS8x"},
    "extended, 2**62": header(size=base256(2**62), kind=b"x"),
    "extended, 2**80": header(size=base256(2**80), kind=b"L"),
    "hundreds of extended": (header(size=b"00000001000\0", kind=b"x") + b"11 path=aa\n" + bytes(501)) * 900,
    "digits": header(size=b"00000377000\0", kind=b"x") + b"1" * 0o377000,
    "a long name of nothing": header(size=b"00000001000\0", kind=b"L") + bytes(512),
}


@pytest.mark.parametrize("odd", ODD_HEADERS)
@pytest.mark.parametrize("first", [True, False])
def test_odd_headers_end_soon_and_in_one_line(tmp_path, odd, first):
    whole = pack(archives()["Text"])
    (tmp_path / "Text.tar").write_bytes(
        ODD_HEADERS[odd] + whole if first else whole[: 512 * 30] + ODD_HEADERS[odd] + whole[512 * 30 :]
    )
    start = time.monotonic()
    try:
        emotiontalk.open_archive("Text", (str(tmp_path / "Text.tar"),))
    except emotiontalk.EmotionTalkError as error:
        assert "\n" not in str(error) and len(str(error)) < 1_000
    assert time.monotonic() - start < 3


def test_links_that_go_round_end(call, tmp_path):
    out = tmp_path / "release"
    for name, data in archives()["Text"].items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    for folder in (out / "Text", out / "Text" / "json"):
        (folder / "one").symlink_to(".."), (folder / "two").symlink_to("..")
    start = time.monotonic()
    assert len(call("text", out, split="test")) == 8
    assert time.monotonic() - start < 10


def test_links_to_nothing_and_unfinished_shards_are_named(call, tmp_path, release):
    out = release()
    (out / "Text.tar").unlink()
    (out / "Text.tar").symlink_to("nowhere")
    with pytest.raises(emotiontalk.EmotionTalkError, match="Text.tar is a link to nothing"):
        call("text", out)
    (out / "Text.tar").unlink()
    folder = out / "Text" / "json" / "G00003"
    folder.mkdir(parents=True)
    (folder / f"{UID}.json").symlink_to("nowhere")
    with pytest.raises(emotiontalk.EmotionTalkError, match=f"{UID}.json is a link to nothing"):
        call("text", out)
    shutil.rmtree(out / "Text")
    (out / "Text").mkdir()
    (out / "Text" / "0.tar").write_bytes(pack(dict(list(archives()["Text"].items())[:20])))
    for ending in ("tar.part", "tar.zst"):
        (out / "Text" / f"1.{ending}").write_bytes(b"half")
        with pytest.raises(emotiontalk.MissingArchiveError, match=f"1.{ending}.*Finish the download, or unpack it"):
            call("text", out)
        (out / "Text" / f"1.{ending}").unlink()
    assert call("text", out, split="train").num_rows


# --- sounds and texts ------------------------------------------------------------------------------------------------


def sound(change, config="audio"):
    def edit(members):
        name = "Audio/wav/" + relative(UID, "wav")
        members["Audio"][name] = change(members["Audio"][name])

    return edit


NO_SOUNDS = {
    "an HTML page": lambda data: b"<html><body>404</body></html>" * 40,
    "no samples": lambda data: data[:40] + bytes(4),
    "a header alone": lambda data: data[:44],
    "cut in the header": lambda data: data[:30],
    "no format": lambda data: data[:12] + data[36:],
}


@pytest.mark.parametrize("case", NO_SOUNDS)
def test_a_sound_that_is_none_is_an_error_of_its_utterance(call, release, case, said):
    out = release(sound(NO_SOUNDS[case]))
    for options in ({}, {"streaming": True}):
        with pytest.raises(emotiontalk.BadUtteranceError, match=f"{UID}.wav is no sound .*strict=False"):
            rows(call("audio", out, split="test", **options))
    assert len(call("audio", out, split="test", strict=False)) == 7 and "1 of 4 utterances left out" in said.text
    exported = command("parquet", out / "export", "--config", "audio", "--data-dir", out, status=1)
    assert f"{UID}.wav is no sound" in exported.stderr


def test_a_sound_that_is_cut_is_named(call, release, said):
    out = release(sound(lambda data: data[:-800]))
    assert len(call("audio", out, split="test")) == 8
    assert "its header says more samples than are there" in said.text and f"{UID}.wav" in said.text


@pytest.mark.parametrize("content", [None, ["好"], {"a": 1}, float("nan")])
def test_a_content_that_is_no_text_is_null_and_named(call, release, content, said):
    def change(members):
        name = "Text/json/" + relative(UID, "json")
        members["Text"][name] = json.dumps(
            {**json.loads(members["Text"][name].decode("utf-8-sig")), "content": content}
        ).encode()

    out = release(change)
    assert texts(call("text", out, split="test"))[UID] is None
    warning = next(r.getMessage() for r in said.records if "content of the text pass" in r.getMessage())
    assert "1 of 4 utterances" in warning and f"{UID}.json" in warning
    assert UID in command("verify", "--data-dir", out, "--json", status=1).stdout


def test_texts_of_any_kind_take_no_time():
    for text in (
        "[" + " " * 40_000,
        "[" * 40_000,
        "[/" * 20_000,
        "over" * 10_000 + " " * 40_000,
        "/over" + " " * 40_000,
        "[over" * 9_000,
    ):
        start = time.monotonic()
        emotiontalk.spoken_text(text)
        assert time.monotonic() - start < 1


def test_the_benchmarks_label_is_read_as_the_others_are(call, release):
    def change(members):
        name = "Audio/json/" + relative(UID, "json")
        members["Audio"][name] = json.dumps(
            {**json.loads(members["Audio"][name].decode("utf-8-sig")), "emotion_result": " Happiness"}
        ).encode()

    found = {row["sample_id"]: row for row in rows(call("zh-en", release(change), split="test"))}
    assert found[UID]["benchmark_metadata"]["emotion"] == "happy"


def test_an_error_is_one_line_whatever_its_cause_holds(call, release):
    for value in ("x" * 1_000_000, "a\nb\r\nc", {"k": ["v"] * 100_000}):

        def change(members, value=value):
            name = "Text/json/" + relative(UID, "json")
            members["Text"][name] = json.dumps(
                {**json.loads(members["Text"][name].decode("utf-8-sig")), "emotion_result": value}
            ).encode()

        with pytest.raises(emotiontalk.BadUtteranceError) as error:
            call("text", release(change, folder=hashlib.sha1(repr(value).encode()).hexdigest()), split="test")
        assert "\n" not in str(error.value) and len(str(error.value)) < 1_000 and UID in str(error.value)


# --- secrets, addresses, folders -------------------------------------------------------------------------------------


def test_no_secret_is_shown(call, serve, tmp_path):
    server = serve(PROJECT / "dummy_data")
    address = server.url.replace("://", "://user:geheim@") + "/nowhere"
    for options in ({}, {"streaming": True}):
        with pytest.raises(Exception) as error:
            call("text", address, split="test", **options)
        assert "geheim" not in str(error.value) and "404" in str(error.value)
    for token in ("hf_geheim\x7f", "hf_ge heim", "hf_geheimé"):
        with pytest.raises(ValueError) as error:
            call("text", token=token)
        assert "geheim" not in str(error.value) and "token" in str(error.value)
    assert len(call("text", token="hf_geheim\n", split="test")) == 8
    address = server.url.replace("://", "://user:geheim@") + "/files"
    assert len(call("text", address, split="test")) == 8
    out = tmp_path / "out"
    said = command("parquet", out, "--config", "text", "--data-dir", address)
    said.stderr += command("probe", "--config", "text", "--data-dir", address, "--out", tmp_path / "probe").stderr
    written = b"".join(path.read_bytes() for path in [*tmp_path.rglob("*.json"), *tmp_path.rglob("*.md")])
    assert "geheim" not in said.stdout + said.stderr and b"geheim" not in written
    assert not [path for path in tmp_path.rglob("*") if "geheim" in path.name]


@pytest.mark.parametrize("address", ["http://", "https:///x", "http://[::1", "hf://datasets/x"])
def test_an_address_that_is_none(call, address):
    with pytest.raises(emotiontalk.EmotionTalkError, match="address without a host|expected hf://"):
        call("text", address, split="test")


ODD_ANSWERS = {
    "Content-Range": ["bytes 5-1/3", "bytes a-b/c", "bytes 0-511/" + "9" * 400, "items", ""],
    "Content-Length": ["-5", "x", ""],
    "Location": ["http://[", "//", "ftp://127.0.0.1/x", "\x01"],
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_odd_answers_of_a_server_are_told_in_a_line(call, serve, name, monkeypatch):
    monkeypatch.setattr(emotiontalk, "WAITS", (0.01, 0.01))
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


# --- downloads -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_download_from_the_hub_goes_on_and_leaves_nothing(rebuilt, serve, tmp_path):
    """`kill -9` in the middle: the next run fetches what is missing."""
    server = serve(rebuilt())
    size = (rebuilt() / "Audio.tar").stat().st_size
    environment = {
        "PATH": os.environ["PATH"],
        "HF_HOME": str(tmp_path),
        "HF_ENDPOINT": server.url,
        "PYTHONPATH": str(PROJECT),
    }
    command_line = [
        sys.executable,
        "-c",
        "import emotiontalk; print(emotiontalk.load_dataset('audio')['test'].num_rows)",
    ]
    process = subprocess.Popen(
        command_line, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    while process.poll() is None and server.bytes["Audio.tar"] < size / 3:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    first = server.bytes["Audio.tar"]
    server.forget()
    run = subprocess.run(command_line, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout == "1929\n", run.stderr
    assert first + server.bytes["Audio.tar"] < 1.05 * size
    big = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and path.stat().st_size > 1 << 20 and path.suffix != ".arrow"
    ]
    assert [path.stat().st_size for path in big] == [size]


# --- what commands write ---------------------------------------------------------------------------------------------

DUMMY = ("--data-dir", PROJECT / "dummy_data")


@pytest.mark.parametrize(
    "arguments, name",
    [
        (["parquet", "OUT", "--config", "text", *DUMMY], "README.md"),
        (["parquet", "OUT", "--config", "text", *DUMMY], "notes.txt"),
        (["zh-en", "OUT", *DUMMY], "emotiontalk/zh-en.jsonl"),
        (["zh-en", "OUT", *DUMMY], f"emotiontalk/audio/zh/{UID}.wav"),
        (["probe", "--config", "text", "--out", "OUT", *DUMMY], "result.json"),
        (["probe", "--config", "text", "--out", "OUT", *DUMMY], "confusion.png"),
        (["report", "--out", "OUT/page.html", *DUMMY], "page.html"),
        (["dummy", "OUT"], "Audio.tar"),
        (["infos", "--path", "OUT/infos.json"], "infos.json"),
    ],
)
def test_no_command_replaces_what_it_did_not_write(tmp_path, arguments, name):
    arguments = [str(argument).replace("OUT", str(tmp_path)) for argument in arguments]
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"somebody's own")
    run = command(*arguments, status=1)
    assert name.split("/")[-1] in run.stderr and "Traceback" not in run.stderr
    assert (tmp_path / name).read_bytes() == b"somebody's own"
    (tmp_path / name).unlink()
    command(*arguments)
    command(*arguments)  # its own files it writes again
    assert (tmp_path / name).exists() == (name != "notes.txt")


def test_a_card_that_was_edited_stays(tmp_path):
    command("parquet", tmp_path / "out", "--config", "text", *DUMMY)
    (tmp_path / "out" / "README.md").write_text("mine")
    assert "README.md" in command("parquet", tmp_path / "out", "--config", "dialogues", *DUMMY, status=1).stderr
    assert (tmp_path / "out" / "README.md").read_text() == "mine"


def test_the_benchmarks_sounds_are_those_of_the_copy_at_hand(release, tmp_path):
    """After a run on a bad copy a run on the good one leaves none of its sounds."""
    good, bad = release(), release(sound(lambda data: data[:-400] + bytes(400)), folder="bad")
    made = archives()["Audio"]
    for source, same in ((bad, False), (good, True), (bad, False), (good, True)):
        command("zh-en", tmp_path / "out", "--data-dir", source)
        written = (tmp_path / "out/emotiontalk/audio/zh" / f"{UID}.wav").read_bytes()
        assert (written == made["Audio/wav/" + relative(UID, "wav")]) is same
    (tmp_path / "out/emotiontalk/audio/zh" / f"{UID}.wav").write_bytes(b"")
    assert f"{UID}.wav" in command("zh-en", tmp_path / "out", "--data-dir", good, status=1).stderr


def test_an_unfinished_export_does_not_load(release, tmp_path):
    import datasets

    name = next(uid for uid in IDS if uid.startswith("G00015"))  # of the last group of test
    bad = release(lambda members: members["Text"].update({"Text/json/" + relative(name, "json"): b"{"}), folder="bad")
    assert "is not JSON" in command("parquet", tmp_path / "out", "--config", "text", "--data-dir", bad, status=1).stderr
    assert not list((tmp_path / "out").rglob("*.parquet")) and not (tmp_path / "out" / "README.md").exists()
    with pytest.raises(Exception):
        datasets.load_dataset(str(tmp_path / "out"), "text", cache_dir=str(tmp_path / "cache"))


def test_the_card_of_a_converted_export_says_what_is_in_it(tmp_path):
    command(
        "parquet",
        tmp_path / "out",
        "--config",
        "audio",
        "--sampling-rate",
        "16000",
        "--channels",
        "1",
        "--format",
        "flac",
        *DUMMY,
    )
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "two channels" not in card and "44.1" not in card
    assert re.search(r"\| `audio` \| the sound, converted to 16,000 Hz .*mono.*FLAC", card)


def test_options_that_mean_nothing_are_refused(tmp_path):
    said = command("parquet", tmp_path / "out", "--config", "text", "--sampling-rate", "16000", *DUMMY, status=1).stderr
    assert "text has no sound" in said
    assert "--as parquet" in command("push", "me/a", "--export", tmp_path / "out", "--dry-run", status=1).stderr
    home = {**os.environ, "HOME": str(tmp_path)}
    command("report", "--out=~/page.html", "--clips", "0", *DUMMY, env=home)
    assert "<audio" not in (tmp_path / "page.html").read_text(encoding="utf-8").split("<main>")[1]


# --- verify ----------------------------------------------------------------------------------------------------------


def test_verify_says_when_it_could_not_look(tmp_path, serve):
    assert "Nothing could be looked at" in command("verify", "--data-dir", tmp_path / "none", status=2).stdout
    nothing = command("verify", "--quick", "--data-dir", tmp_path / "none", status=2)
    assert "Nothing could be looked at" in nothing.stdout
    server = serve(PROJECT / "dummy_data")
    server.refuse, server.folder = (
        (lambda request, status, code: HubServer.refuse(server, request, 403, "Gated")),
        tmp_path,
    )
    assert "no access" in command("verify", "--data-dir", server.url + "/files", status=2).stdout


@pytest.mark.slow
def test_verify_finds_a_changed_label_and_excuses_the_experts(rebuilt, tmp_path):
    """Text.tar alone is changed: one label, and in another dialogue all votes of an utterance."""
    for name in ("Audio", "Multimodal", "Video"):
        (tmp_path / f"{name}.tar").symlink_to(rebuilt() / f"{name}.tar")
    changed = {}
    with tarfile.open(rebuilt() / "Text.tar") as old, tarfile.open(tmp_path / "Text.tar", "w:gz") as new:
        for n, member in enumerate(old):
            data = old.extractfile(member).read() if member.isfile() else b""
            if n in (3_000, 6_000, 9_000):
                note = json.loads(data.decode("utf-8-sig"))
                if n == 3_000:
                    note["emotion_result"] = "sad" if note["emotion_result"] != "sad" else "happy"
                elif n == 6_000:
                    for vote in note["data"].values():
                        vote["emotion"] = "fearful" if note["emotion_result"] != "fearful" else "happy"
                else:
                    note["content"] += "？"
                changed[n] = member.name.split("/")[-1][:-5]
                data = json.dumps(note).encode()
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    audit = json.loads(command("verify", "--data-dir", tmp_path, "--json", status=1).stdout)
    found = {
        (c["check"], f["state"], f["where"].split("/")[-1].split(".")[0])
        for c in audit["checks"]
        for f in c["findings"]
    }
    assert ("published", "wrong", changed[3_000][:9]) in found and ("votes", "wrong", changed[3_000]) in found
    assert ("published", "warning", changed[9_000][:9]) in found
    assert audit["overruled"] == 1 and not [entry for entry in found if entry[2] == changed[6_000]]
    assert {entry[0] for entry in found if entry[1] == "wrong"} == {"published", "votes"}


def test_a_quick_proof(tmp_path, serve, monkeypatch):
    from emotiontalk_tools import verify

    facts = {}
    for name in emotiontalk.ARCHIVES:
        data = (PROJECT / "dummy_data" / f"{name}.tar").read_bytes()
        (tmp_path / f"{name}.tar").write_bytes(data)
        facts[name] = (len(data), hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(emotiontalk, "ARCHIVES", facts)
    monkeypatch.setattr(verify, "PREFIX_BYTES", 100_000)
    prefix = hashlib.sha256((tmp_path / "Audio.tar").read_bytes()[:100_000]).hexdigest()
    monkeypatch.setattr(verify, "PREFIX_SHA256", prefix)
    server = serve(tmp_path)
    for source in (tmp_path, server.url + "/files"):
        said = command("verify", "--quick", "--data-dir", source).stdout
        assert "Nothing is wrong" in said and "does not look at" in said
    assert server.bytes["Audio.tar"] <= 100_000 + 512 and server.bytes["Multimodal.tar"] <= 64 << 10
    for name, at in (("Audio", 50_000), ("Text", 700), ("Video", 700)):
        data = bytearray((tmp_path / f"{name}.tar").read_bytes())
        data[at] ^= 1
        (tmp_path / f"{name}.tar").write_bytes(data)
        assert f"{name}.tar" in command("verify", "--quick", "--data-dir", tmp_path, status=1).stdout
        data[at] ^= 1
        (tmp_path / f"{name}.tar").write_bytes(data)
    with tarfile.open(tmp_path / "Text.tar") as tar:
        tar.extractall(tmp_path / "unpacked" / "Text")
    unpacked = command("verify", "--quick", "--data-dir", tmp_path / "unpacked", status=2).stdout
    assert "use verify without --quick" in unpacked and "What this compares" not in unpacked
    (tmp_path / "Multimodal.tar").write_bytes(b"short")
    assert "Multimodal.tar" in command("verify", "--quick", "--data-dir", tmp_path, status=1).stdout
