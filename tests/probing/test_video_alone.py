"""Video clips are MP4 files and nothing else: a list of other files, or a reference to one, leads nowhere."""

import io
import os

import numpy
import pytest
from support import _command_here, command, once
from test_upstreams import encoder, mp4  # noqa: F401

import emotiontalk
from emotiontalk.members import InMemory, Member
from emotiontalk.probing import clip_check
from emotiontalk.probing.video_frames import frames_of
from emotiontalk.request_error import RequestError
from emotiontalk.sample_data import relative, utterances

pytestmark = once
UID = sorted(uid for uid, _ in utterances())[3]


@pytest.fixture
def private(tmp_path, monkeypatch):
    """A folder with a video of the user's own, in which the command runs."""
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path / "own")
    (tmp_path / "own/private.mp4").write_bytes(mp4([200] * 25))
    return tmp_path / "own/private.mp4"


def lists(path):
    """Texts and files that name another file: name -> bytes."""
    av = pytest.importorskip("av")
    images = io.BytesIO()
    with av.open(images, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for packet in (p for n in range(9) for p in stream.encode(av.VideoFrame.from_ndarray(
            numpy.full((48, 64, 3), 9 * n, "u1"), format="rgb24"))):  # fmt: skip
            container.mux(packet)
        container.mux(stream.encode())
    m3u8 = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
    texts = {
        "ffconcat": "ffconcat version 1.0\nfile private.mp4\n",
        "ffconcat, absolute": f"ffconcat version 1.0\noption safe 0\nfile {path}\n",
        "ffconcat, a URL": f"ffconcat version 1.0\nfile 'file:{path.name}'\n",
        "HLS": m3u8.format(path.name), "HLS, absolute": m3u8.format(path), "HLS, a URL": m3u8.format(f"file://{path}"),
        "HLS, concat": m3u8.format(f"concat:{path}|{path}"),
        "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
               "a=rtpmap:96 H264/90000\n",
        "DASH": f'<?xml version="1.0"?><MPD type="static"><Period><AdaptationSet><Representation id="1" '
                f'mimeType="video/mp4"><BaseURL>{path}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "a name": path.name, "a URL": f"file://{path}", "concat": f"concat:{path}", "subfile": f"subfile,,:{path}",
    }  # fmt: skip
    return {**{name: text.encode() for name, text in texts.items()}, "Matroska": images.getvalue()}


def referring(clip, name):
    """MP4 files whose frames are in another file, which their data reference names."""
    at = clip.index(b"dref") - 4  # size, dref, version, 1, then one entry: size, "url ", flags 1: in this file
    end = at + int.from_bytes(clip[at : at + 4], "big")
    alias = (
        bytes(130)
        + b"\0\1\0\1"
        + bytes(16)
        + b"\0\2"
        + len(name).to_bytes(2, "big")
        + name
        + bytes(len(name) % 2)
        + b"\xff\xff\0\0"
    )
    for kind, data in ((b"alis", alias), (b"url ", name + b"\0")):
        entry = (12 + len(data)).to_bytes(4, "big") + kind + bytes(4) + data
        box = (16 + len(entry)).to_bytes(4, "big") + clip[at + 4 : at + 16] + entry
        changed = bytearray(clip[:at] + box + clip[end:])
        for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
            begin = clip.rindex(parent, 0, at) - 4
            size = int.from_bytes(clip[begin : begin + 4], "big") + len(box) - (end - at)
            changed[begin : begin + 4] = size.to_bytes(4, "big")
        yield bytes(changed)


def test_nothing_but_the_clip_is_opened(private, monkeypatch):
    pytest.importorskip("av")
    for name, data in lists(private).items():
        with pytest.raises(RequestError):
            frames_of(data, 2)
        member = Member(InMemory("Video", "", data), f"{name}.mp4", 0, len(data))
        with pytest.raises(RequestError):
            clip_check._check_video(member)
    for data in referring(mp4([20] * 25), b"private.mp4"):
        try:
            found = frames_of(data, 2)
        except RequestError:
            continue
        assert all(abs(int(frame.mean()) - 200) > 20 for frame in found)
    assert len(frames_of(private.read_bytes(), 2)) == 2


@pytest.mark.slow
def test_a_probe_opens_nothing_but_the_clips(private, release, encoder, tmp_path):  # noqa: F811
    folder, cache = encoder("clip"), tmp_path / "cache"

    def words(data_dir):
        return ("probe", "--upstream", folder, "--config", "video", "--seeds", "1", "--frames", "2",
                "--data-dir", data_dir, "--cache-dir", cache)  # fmt: skip

    names = lists(private)
    for n, name in enumerate(("ffconcat", "HLS, a URL", "Matroska")):

        def change(members, name=name):
            path = next(one for one in members["Multimodal"] if one.endswith(relative(UID, "mp4")))
            members["Multimodal"][path] = names[name]

        found = release(change, folder=f"release {n}")
        run = _command_here([*map(str, words(found))])
        assert run.returncode == 1 and UID in run.stderr and "Traceback" not in run.stderr, run.stderr
        assert "[Errno" not in run.stderr
    assert "WAR" in command(*words(release(folder="whole"))).stdout and os.listdir(".") == ["private.mp4"]


@pytest.mark.parametrize(
    "text", [b"ffconcat version 1.0\nfile private.mp4\n", b"#EXTM3U\nprivate.mp4\n", b"v=0\no=- 0 0 IN IP4 127.0.0.1\n"]
)
def test_the_loader_gives_no_decoder_a_text_that_names_files(call, release, said, text):
    def change(members):
        name = next(name for name in sorted(members["Multimodal"]) if "G00003" in name and name.endswith(".mp4"))
        members["Multimodal"][name] = text

    out = release(change)
    with pytest.raises(emotiontalk.BadUtteranceError, match="is not an MP4 file.*strict=False"):
        list(call("video", out, split="test", streaming=True))
    assert len(call("video", out, split="test", strict=False)) == 7 and "is not an MP4 file" in said.text
