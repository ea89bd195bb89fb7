"""Audio by itself: the header of a WAV file, `AudioFormat`, decoding, averaging and resampling."""

import io

import numpy
import pytest
import soundfile
from support import archives

import emotiontalk
from emotiontalk.audio import WavFormat, decode_audio, mix_and_resample, pcm16, wav_file, wav_format
from emotiontalk.audio_format import AudioFormat
from emotiontalk.members import InMemory, Member
from emotiontalk.request_error import RequestError

NOISE = numpy.random.default_rng(0).normal(0, 3_000, (4_410, 2)).round().astype("<i2")
CLIP = wav_file(NOISE, 44_100)


class Counted:
    """Bytes that say how many of them were read."""

    def __init__(self, data):
        self.data, self.count = data, 0

    def __len__(self):
        return len(self.data)

    def __getitem__(self, wanted):
        part = self.data[wanted]
        self.count += len(part)
        return part


@pytest.mark.parametrize(
    "kind",
    [bytes, bytearray, memoryview, Counted, lambda data: Member(InMemory("Audio", "", data), "", 0, len(data))],
    ids=["bytes", "bytearray", "memoryview", "anything", "Member"],
)
def test_a_header_is_read_of_anything_with_slices(kind):
    assert wav_format(kind(CLIP)) == WavFormat(44_100, 2, 16, 1, 4_410, 4_410, 44, True)
    junk = CLIP[:12] + b"LIST" + (3_000).to_bytes(4, "little") + bytes(3_000) + CLIP[12:]
    assert wav_format(kind(junk)).offset == 44 + 3_008
    for data in (b"", b"RIFF", CLIP[:44], b"<html>" * 100, CLIP[:12] + CLIP[36:]):
        with pytest.raises(ValueError):
            wav_format(kind(data))


def test_only_the_header_is_read():
    clip = Counted(wav_file(numpy.zeros((100_000, 2), "<i2"), 16_000))
    assert wav_format(clip).frames == 100_000 and clip.count <= 512


@pytest.mark.parametrize("frames", [1, 100, 4_409])
def test_a_beginning_says_how_many_frames_there_were(frames):
    wav = wav_format(CLIP[: 44 + 4 * frames])
    assert (wav.frames, wav.header_frames) == (frames, 4_410)


@pytest.mark.parametrize(
    "at, value", [(22, b"\0\0"), (22, b"\xff\xff"), (24, bytes(4)), (24, b"\xff" * 4), (32, b"\0\0"), (32, b"\x07\0")]
)
def test_a_header_that_no_recording_has(at, value):
    with pytest.raises(ValueError, match="header"):
        wav_format(CLIP[:at] + value + CLIP[at + len(value) :])


def test_formats_are_compared_by_value():
    given = AudioFormat(numpy.int64(16_000), 1, "flac")
    assert given == AudioFormat(16_000, 1, "flac") and hash(given) == hash(AudioFormat(16_000, 1, "flac"))
    assert given != AudioFormat(16_000, 1) and given != "flac" and type(given.sampling_rate) is int
    assert eval(repr(given)) == given and repr(AudioFormat(8_000)).startswith("AudioFormat(sampling_rate=8000")
    assert not AudioFormat() and all(
        map(bool, (AudioFormat(16_000), AudioFormat(None, 2), AudioFormat(None, None, "wav")))
    )
    assert "as released" in str(AudioFormat()) and all(words in str(given) for words in ("16,000 Hz", "mono", "FLAC"))
    assert (AudioFormat().rate, AudioFormat().suffix) == (44_100, "wav") and (given.rate, given.suffix) == (
        16_000,
        "flac",
    )
    assert AudioFormat().estimated_bytes(1_000) == 1_000 and AudioFormat(22_050, 1).estimated_bytes(1_000) == 250


@pytest.mark.parametrize(
    "option, value",
    [("sampling_rate", value) for value in (0, 7_999, 768_001, 16_000.0, "16000", True)]
    + [("channels", value) for value in (0, 3, "1")]
    + [("encoding", value) for value in ("mp3", "WAV", "")],
)
def test_a_format_that_cannot_be(option, value):
    with pytest.raises(RequestError, match=f"{option}={value!r}"):
        AudioFormat(**{option: value})


@pytest.mark.parametrize("encoding", [None, "wav", "flac"])
@pytest.mark.parametrize("channels", [None, 1, 2])
@pytest.mark.parametrize("rate", [None, 16_000])
def test_a_clip_in_each_format(rate, channels, encoding):
    audio_format = AudioFormat(rate, channels, encoding)
    for clip in (CLIP, wav_file(NOISE[:, :1], 44_100)):
        made = audio_format.convert(memoryview(clip))
        info = soundfile.info(io.BytesIO(made))
        assert (info.format, info.subtype) == ((encoding or "wav").upper(), "PCM_16")
        assert info.samplerate == (rate or 44_100) and info.duration == pytest.approx(0.1, abs=1e-3)
        assert info.channels == (channels or wav_format(clip).channels)
        if encoding != "flac":
            assert AudioFormat(rate, channels, encoding).convert(made) == made
    assert AudioFormat().convert(CLIP) == CLIP == AudioFormat(44_100, 2).convert(CLIP)


@pytest.mark.parametrize("audio", [b"", b"<html>", CLIP[:20] + b"\x99\x99" + CLIP[22:]], ids=["empty", "text", "codec"])
def test_what_cannot_be_converted(audio):
    for audio_format in (AudioFormat(16_000, 1), AudioFormat(None, 2, "flac")):
        with pytest.raises(emotiontalk.AudioDecodeError):
            audio_format.convert(audio)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_samples_that_are_not_finite_numbers(value):
    file, samples = io.BytesIO(), numpy.zeros((1_000, 1), "float32")
    samples[7] = value
    soundfile.write(file, samples, 16_000, format="WAV", subtype="FLOAT")
    with pytest.raises(emotiontalk.AudioDecodeError, match="finite"):
        AudioFormat(16_000, 1).convert(file.getvalue())


def test_decoded_and_converted_clips_are_the_same_samples():
    """Both are averaged and resampled by one function: they differ by the rounding to 16 bits alone."""
    for uid_path, clip in archives()["Audio"].items():
        if uid_path.endswith(".wav"):
            decoded = decode_audio({"bytes": clip, "path": None}, 16_000, mono=True)["array"]
            samples, rate = pcm16(clip, 16_000, mono=True)
            assert rate == 16_000 and len(samples) == len(decoded)
            assert abs(samples[:, 0] / 32_768 - decoded).max() <= 0.51 / 32_768


def test_what_is_not_asked_for_is_not_done():
    samples = numpy.zeros((100, 2), "float32")
    for options in ({}, {"sampling_rate": 16_000}):
        same, rate = mix_and_resample(samples, 16_000, **options)
        assert same is samples and rate == 16_000
    mono, rate = mix_and_resample(samples + [0, 1], 16_000, mono=True)
    assert mono.shape == (100, 1) and (mono == 0.5).all() and rate == 16_000
    empty, rate = mix_and_resample(samples[:0], 16_000, 8_000)
    assert len(empty) == 0 and rate == 16_000
    assert mix_and_resample(samples, 16_000, 8_000)[0].shape == (50, 2)
