"""`emotiontalk verify`: a whole release is all good; each thing that is wrong with a copy is named, with status 1."""

import hashlib
import io
import json
import os
import re
import shutil
import struct
import tarfile

import datasets
import pytest
from hub_server import HubServer
from support import PROJECT, archives, command, without_typer_and_rich

import emotiontalk
import emotiontalk.verification.verify
from emotiontalk import verify
from emotiontalk.audio import wav_format
from emotiontalk.members import InMemory, Member
from emotiontalk.sample_data import pack, relative, utterances
from emotiontalk.verification.members import confidences

IDS = [uid for uid, _ in utterances()]


def in_memory(data):
    return Member(InMemory("Audio", "", data), "", 0, len(data))


def note(members, archive, uid, **changes):
    """Change some keys of an annotation."""
    name = f"{archive}/json/{relative(uid, 'json')}"
    record = json.loads(members[archive][name].decode("utf-8-sig"))
    record.update(changes)
    members[archive][name] = json.dumps(record).encode()
    return record


def found(audit):
    return {(finding.check, finding.state, finding.archive, finding.where, finding.what) for finding in audit.findings}


@pytest.fixture(scope="module")
def clean():
    return found(verify(str(PROJECT / "dummy_data")))


@pytest.mark.slow
def test_a_rebuilt_release_is_whole(rebuilt):
    datasets.enable_progress_bars()
    try:
        run = command("verify", "--data-dir", rebuilt())
    finally:
        datasets.disable_progress_bars()
    assert "Nothing is wrong." in run.stdout and "wrong " not in run.stdout
    (line,) = [line for line in run.stdout.splitlines() if "format" in line.lower() and "kHz" in line]
    assert "18,612 44.1 kHz stereo, 518 44.1 kHz mono, 120 16 kHz mono (reported" in line
    assert run.stdout.count("an unpacked copy") == 4
    assert "Audio.tar: 100%" in run.stderr


def cut(sound, size):
    """A WAV file without its last bytes, its header mended: only its length in the annotation tells."""
    rest = sound[:-size]
    return b"".join(
        [rest[:4], struct.pack("<I", len(rest) - 8), rest[8:40], struct.pack("<I", len(rest) - 44), rest[44:]]
    )


def damaged(source, out):
    """A copy of the rebuilt release with one fault of each kind; the members at fault by kind."""
    out.mkdir()
    for name in ("Multimodal", "Text", "Video"):
        (out / f"{name}.tar").symlink_to(source / f"{name}.tar")
    faults = {}
    with (
        tarfile.open(source / "Audio.tar") as old,
        tarfile.open(out / "Audio.tar", "w", format=tarfile.GNU_FORMAT) as new,
    ):
        for n, member in enumerate(old):
            data = old.extractfile(member).read() if member.isfile() else b""
            if n in (2000, 2100) and member.name.endswith(".json"):
                record = json.loads(data)
                label = record["emotion_result"]
                if n == 2000:
                    record["emotion_result"] = "angry" if label != "angry" else "sad"
                else:
                    for vote in record["data"].values():
                        vote["emotion"] = "fearful" if label != "fearful" else "happy"
                data = json.dumps(record).encode()
                faults["label" if n == 2000 else "vote"] = member.name
            if member.name.endswith(".wav") and "missing" not in faults and member.name.count("G00009"):
                faults["missing"] = member.name.split("/")[-1][:-4]
                continue
            if member.name.endswith(".wav") and "empty" not in faults and member.name.count("G00010"):
                faults["empty"] = member.name
                data = b""
            if member.name.endswith(".wav") and "cut" not in faults and "G00012" in member.name and len(data) > 40_000:
                faults["cut"] = member.name.split("/")[-1][:-4]
                data = cut(data, 20_000)
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
            if member.name.endswith(".wav") and "twice" not in faults and member.name.count("G00011"):
                faults["twice"] = member.name
                new.addfile(member, io.BytesIO(data))
    return faults


@pytest.mark.slow
def test_each_fault_of_a_copy_is_named(rebuilt, tmp_path):
    faults = damaged(rebuilt(), tmp_path / "copy")
    assert set(faults) == {"label", "vote", "missing", "empty", "cut", "twice"}
    audit = json.loads(command("verify", "--data-dir", tmp_path / "copy", "--json", status=1).stdout)
    wrong = {(f["check"], f["where"]) for check in audit["checks"] for f in check["findings"] if f["state"] == "wrong"}
    dialogue = faults["label"].split("/")[-1][:9]
    assert wrong == {
        ("votes", faults["label"]), ("published", dialogue), ("media", faults["missing"]), ("wav", faults["empty"]),
        ("length", faults["cut"]), ("duplicates", faults["twice"]),
    }  # fmt: skip
    assert audit["overruled"] == 1  # the label is the published one, whatever the votes say
    assert audit["ok"] is False and audit["archives"]["Audio"]["pinned_bytes"] == 14_811_722_752


@pytest.mark.slow
def test_a_truncated_archive_is_named(rebuilt, tmp_path):
    out = rebuilt("--groups", "G00003,G00015")
    for name in ("Multimodal", "Text", "Video"):
        (tmp_path / f"{name}.tar").symlink_to(out / f"{name}.tar")
    (tmp_path / "Audio.tar").write_bytes((out / "Audio.tar").read_bytes()[:-3_000_000])
    run = command("verify", "--data-dir", tmp_path, "--names", "1", status=1)
    assert re.search("Audio.tar: truncated (within|after) .*G00015", run.stdout)
    assert "annotation without wav" in run.stdout


def missing_sound(members):
    del members["Audio"]["Audio/wav/" + relative(IDS[0], "wav")]


def missing_annotation(members):
    del members["Video"]["Video/json/" + relative(IDS[0], "json")]


def score(members):
    note(members, "Multimodal", IDS[0], **{"Continuous label_result": 1.8})


def impossible_score(members):
    note(members, "Multimodal", IDS[0], **{"Continuous label_result": 3})


def rating(members):
    data = note(members, "Multimodal", IDS[0])["data"]
    data["A"]["Continuous_label"] = "5"
    note(members, "Multimodal", IDS[0], data=data)


def vote_of_no_emotion(members):
    data = note(members, "Text", IDS[0])["data"]
    data["B"]["emotion"] = "bored"
    note(members, "Text", IDS[0], data=data)


def confidence(members):
    data = note(members, "Text", IDS[0])["data"]
    data["B"]["Confidence_degree"] = "12"
    note(members, "Text", IDS[0], data=data)


def truncated_sound(members):
    name = "Audio/wav/" + relative(IDS[0], "wav")
    members["Audio"][name] = members["Audio"][name][:-100]


def no_samples(members):
    name = "Audio/wav/" + relative(IDS[0], "wav")
    members["Audio"][name] = members["Audio"][name][:40] + bytes(4)


def text_for_a_sound(members):
    members["Audio"]["Audio/wav/" + relative(IDS[0], "wav")] = b"<html>404</html>"


def another_rate(members):
    name = "Audio/wav/" + relative(IDS[0], "wav")
    sound = bytearray(members["Audio"][name])
    sound[24:28] = struct.pack("<I", 22_050)
    members["Audio"][name] = bytes(sound)


def no_clip(members):
    members["Multimodal"]["Multimodal/mp4/" + relative(IDS[0], "mp4")] = b"not a clip"


def empty_clip(members):
    members["Multimodal"]["Multimodal/mp4/" + relative(IDS[0], "mp4")] = b""


def slip(members):
    note(members, "Text", IDS[0], content="好[over/")


def nobodys_label(members):
    data = note(members, "Text", IDS[0])["data"]
    del data["A"]["Confidence_degree"]
    note(members, "Text", IDS[0], data=data, emotion_result="fearful")


def two_at_once(members):
    note(members, "Multimodal", IDS[0], emotion_result="bored", **{"Continuous label_result": 9})


FAULTS = [
    (nobodys_label, {("votes", "wrong", IDS[0], "fearful")}),
    (two_at_once, {("labels", "wrong", IDS[0], "'bored'"), ("scores", "wrong", IDS[0], "9 is not a number")}),
    (lambda members: note(members, "Audio", IDS[0], paragraphs={"startTime": "abc", "endTime": 2}),
     {("raw", "warning", IDS[0], "startTime 'abc'")}),
    (lambda members: note(members, "Text", IDS[0], content=None), {("raw", "unknown", IDS[0], "not there: content")}),
    (lambda members: note(members, "Text", IDS[0], content="[over/]好"), {("marks", "warning", IDS[0], "[over/]好")}),
    (lambda members: note(members, "Text", IDS[0], content="[over/】好[/over]"), {("marks", "warning", IDS[0], "】")}),
    (lambda members: note(members, "Text", IDS[0], emotion_result="\ud83d"), {("labels", "wrong", IDS[0], "ud83d")}),
    (missing_sound, {("media", "wrong", IDS[0], "annotation without wav")}),
    (missing_annotation,
     {("conditions", "wrong", IDS[0], "no annotation in Video.tar"),
      ("utterances", "wrong", "G00001", "3 utterances")}),
    (lambda members: note(members, "Text", IDS[0], emotion_result="bored"),
     {("labels", "wrong", IDS[0], "'bored' is none of neutral")}),
    (vote_of_no_emotion, {("labels", "warning", IDS[0], "vote B: emotion 'bored'")}),
    (confidence, {("votes", "warning", IDS[0], "vote B: Confidence_degree '12'")}),
    (score, {("scores", "wrong", IDS[0], "score 1.8")}),
    (impossible_score, {("scores", "wrong", IDS[0], "3 is not a number in -2…2")}),
    (rating, {("scores", "warning", IDS[0], "vote A: Continuous_label '5'")}),
    (lambda members: note(members, "Video", IDS[0], file_name=f"x/{IDS[1]}.mp4"),
     {("names", "warning", IDS[0], "another utterance's")}),
    (lambda members: note(members, "Video", IDS[0], speaker_id="77"), {("names", "warning", IDS[0], "'77'")}),
    (lambda members: members["Text"].update({f"Text/json/{relative(IDS[0], 'json')}": b"{"}),
     {("json", "wrong", IDS[0], "is not JSON")}),
    (lambda members: members["Text"].update(
        {f"again/{IDS[0]}.json": members["Text"][f"Text/json/{relative(IDS[0], 'json')}"]}),
     {("duplicates", "wrong", IDS[0], "duplicate id")}),
    (truncated_sound, {("wav", "wrong", IDS[0], "truncated: its header says")}),
    (no_samples, {("wav", "wrong", IDS[0], "empty: no samples")}),
    (text_for_a_sound, {("wav", "wrong", IDS[0], "not a WAV file")}),
    (another_rate, {("format", "warning", IDS[0], "an unknown format: 22,050 Hz")}),
    (no_clip, {("mp4", "wrong", IDS[0], "not an MP4 file")}),
    (empty_clip, {("mp4", "wrong", IDS[0], "empty")}),
    (slip, {("marks", "warning", IDS[0], "好[over/")}),
]  # fmt: skip


@pytest.mark.parametrize("fault, expected", FAULTS, ids=range(len(FAULTS)))
def test_one_fault_gives_one_finding(release, clean, fault, expected):
    more = {entry for entry in found(verify(str(release(fault)))) - clean if entry[0] not in ("size", "published")}
    assert {(check, state) for check, state, *_ in more} == {(check, state) for check, state, *_ in expected}
    for check, state, where, what in expected:
        assert any(c == check and s == state and where in w and what in text for c, s, _, w, text in more), more
    assert len(more) == len(expected)


def test_missing_archives_are_findings_not_the_end(tmp_path, clean):
    shutil.copy(PROJECT / "dummy_data" / "Text.tar", tmp_path)
    audit = verify(str(tmp_path))
    assert {finding.archive for finding in audit.of("archives")} == {"Audio", "Multimodal", "Video"}
    assert audit.examined["json"] == 24 and audit.state("wav") == "unknown"


@pytest.mark.parametrize("layout", ["unpacked", "shards", "address", "address without ranges"])
def test_any_source_gives_the_same_findings(layout, tmp_path, clean):
    out, server = tmp_path / "data", None
    if layout.startswith("address"):
        server = HubServer(PROJECT / "dummy_data")
        server.ranges = layout == "address"
        audit = verify(server.url + "/files", pinned=False)
        if server.ranges:  # each byte once, and the first ones
            assert server.bytes["Audio.tar"] <= os.path.getsize(PROJECT / "dummy_data/Audio.tar") + 1024
        server.close()
    else:
        for name, members in archives().items():
            items = sorted(members.items())
            for n, part in enumerate((items[::2], items[1::2])):
                if layout == "shards":
                    (out / name).mkdir(parents=True, exist_ok=True)
                    (out / name / f"{n}.tar").write_bytes(pack(dict(part)))
                else:
                    for member, data in part:
                        (out / member).parent.mkdir(parents=True, exist_ok=True)
                        (out / member).write_bytes(data)
        audit = verify(str(out))

    def plain(findings):
        return {(c, s, a, w.split("/")[-1], t) for c, s, a, w, t in findings if c != "size"}

    assert plain(found(audit)) == plain(clean)


@pytest.mark.parametrize(
    "damage", [None, lambda data: data[:20_000], lambda data: b"version https://git-lfs.github.com/spec/v1\n"]
)
def test_a_bad_shard_does_not_hide_the_others(tmp_path, damage):
    for name, members in archives().items():
        (tmp_path / name).mkdir()
        for group in sorted({uid[:6] for uid in IDS}):
            part, path = (
                pack({member: data for member, data in members.items() if group in member}),
                tmp_path / name / f"{group}.tar",
            )
            if (name, group) == ("Audio", "G00001"):
                path.write_bytes(damage(part)) if damage else path.symlink_to("nowhere")
            else:
                path.write_bytes(part)
    audit = verify(str(tmp_path))
    assert [(finding.archive, finding.where) for finding in audit.of("archives")] == [("Audio", "G00001.tar")]
    assert audit.examined["wav"] >= 20 and {finding.where[:6] for finding in audit.of("conditions")} <= {"G00001"}


@pytest.mark.slow
def test_names_that_no_terminal_takes(tmp_path, release):
    members = {
        "文本".encode("gbk").decode("utf-8", "surrogateescape") + name[4:]: data
        for name, data in archives()["Text"].items()
    }
    out = release()
    with tarfile.open(out / "Text.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    for encoding in ("utf-8:strict", "cp1252"):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        assert "\\udcce" in command("verify", "--data-dir", out, "--names", "99", status=1, env=environment).stdout


def test_pinned_compares_bytes_and_excuses_what_the_release_itself_says(release, monkeypatch, tmp_path):
    out = release(lambda members: note(members, "Text", IDS[0], emotion_result="angry"))
    audit = verify(str(out), pinned=True)
    assert {audit.state("size"), audit.state("sha256"), audit.state("votes")} == {"wrong"}
    # were these the pinned archives, the label that the votes do not give would be the authors' own
    data = {name: (out / f"{name}.tar").read_bytes() for name in emotiontalk.ARCHIVES}
    facts = {name: (len(whole), hashlib.sha256(whole).hexdigest()) for name, whole in data.items()}
    monkeypatch.setattr(emotiontalk.verification.verify, "ARCHIVES", facts)
    audit = verify(str(out), pinned=True)
    assert (audit.state("size"), audit.state("sha256"), audit.state("votes")) == ("ok", "ok", "warning")
    assert {finding.state for finding in audit.of("raw")} == {"unknown"}
    server = HubServer(out)
    assert verify(server.url + "/files", pinned=True).state("sha256") == "ok"
    server.close()
    changed = bytearray(data["Audio"])
    changed[-1] ^= 1  # beyond the end mark, where nothing but the digest can see it
    (out / "Audio.tar").write_bytes(changed)
    audit = verify(str(out), pinned=True)
    assert [(f.archive, f.state) for f in audit.of("sha256")] == [("Audio", "wrong")] and audit.state("size") == "ok"


def test_the_papers_rule():
    def votes(*pairs):
        return [{"emotion": emotion, "confidence": given} for emotion, given in pairs]

    # a mean, not a sum: one sure vote wins over four doubtful ones
    means = confidences(votes((1, 0.9), (0, 0.3), (0, 0.5), (0, 0.3), (0, 0.5)))
    assert means == {1: 0.9, 0: pytest.approx(0.4)}
    assert confidences(votes((1, 0.9), (None, 0.3))) is None


def test_wav_headers_with_other_chunks():
    sound = next(data for name, data in archives()["Audio"].items() if name.endswith(".wav"))
    expected = (44_100, 2, 16, 1, (len(sound) - 44) // 4, (len(sound) - 44) // 4)
    assert wav_format(in_memory(sound)) == (*expected, 44, True)
    for size in (3, 6_000):
        chunk = b"LIST" + size.to_bytes(4, "little") + bytes(size + size % 2)
        for at in (12, 36):
            assert wav_format(in_memory(sound[:at] + chunk + sound[at:])) == (*expected, 44 + len(chunk), True)


def test_quick_and_pinned_are_not_supported_together():
    with pytest.raises(emotiontalk.RequestError, match="quick=True .*pinned=True"):
        verify(PROJECT / "dummy_data", quick=True, pinned=True)
    said = command("verify", "--quick", "--pinned", "--data-dir", PROJECT / "dummy_data", status=1).stderr
    assert "--quick" in said and "--pinned" in said and "=True" not in said


def test_an_audit_in_python(release, tmp_path):
    audit = verify(release(lambda members: note(members, "Text", IDS[0], content="<b>[over/]")))
    assert isinstance(audit, emotiontalk.Audit) and audit.looked and not audit.ok and not audit.quick
    table = audit.to_pandas()
    assert list(table.columns) == ["check", "state", "archive", "where", "what"] and len(table) == len(audit.findings)
    marks = table[table["check"] == "marks"]
    assert any(IDS[0] in where and "<b>" in what for where, what in zip(marks["where"], marks["what"]))
    as_dict = json.loads(json.dumps(audit.to_dict()))
    assert sum(len(check["findings"]) for check in as_dict["checks"]) == len(table)
    page = audit._repr_html_() + audit._repr_html_(most=100)
    assert "&lt;b&gt;" in page and "<b>" not in page and "Something is wrong" in page and "to_pandas()" in page
    nothing = verify(tmp_path / "none", quick=True)
    assert nothing.quick and not nothing.looked and len(nothing.to_pandas()) == 4
    assert verify(tmp_path / "none").to_pandas()["archive"].tolist() == list(emotiontalk.ARCHIVES)


def test_verify_needs_neither_typer_nor_rich():
    code = "audit = emotiontalk.verify(sys.argv[1]); audit.to_dict(); audit._repr_html_(); print(audit.looked)"
    run = without_typer_and_rich(code)
    assert run.stdout == "True\n", run.stderr


def test_unknown_commands_end_as_usage_errors():
    assert "No such command" in command("verifi", status=2).stderr


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
    facts = {}
    for name in emotiontalk.ARCHIVES:
        data = (PROJECT / "dummy_data" / f"{name}.tar").read_bytes()
        (tmp_path / f"{name}.tar").write_bytes(data)
        facts[name] = (len(data), hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(emotiontalk.verification.verify, "ARCHIVES", facts)
    monkeypatch.setattr(emotiontalk.verification.verify, "PREFIX_BYTES", 100_000)
    prefix = hashlib.sha256((tmp_path / "Audio.tar").read_bytes()[:100_000]).hexdigest()
    monkeypatch.setattr(emotiontalk.verification.verify, "PREFIX_SHA256", prefix)
    server = serve(tmp_path)
    for source in (tmp_path, server.url + "/files"):
        said = command("verify", "--quick", "--data-dir", source).stdout
        rows = [line for line in said.splitlines() if line.startswith("│")]
        assert len(rows) == 4 and "unknown" not in "".join(rows)  # only what it looked at
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
    assert "quick verification" in unpacked and "What this compares" not in unpacked
    (tmp_path / "Multimodal.tar").write_bytes(b"short")
    assert "Multimodal.tar" in command("verify", "--quick", "--data-dir", tmp_path, status=1).stdout
