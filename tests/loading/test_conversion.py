"""Audio converted at load: one rate, one channel, the same bytes whichever way the rows come."""

import hashlib
import io
import wave

import datasets
import numpy
import pytest
import soundfile
import soxr
from support import CONFIGS, PROJECT, archives, as_script, command, rows, undecoded

import emotiontalk
from emotiontalk.audio import converted, pcm16, wav_file
from emotiontalk.sample_data import relative

MELODIES = {  # of the sample data's test split: the formats of the release
    "G00003_13_06_001": (44_100, 2),
    "G00003_13_06_003": (44_100, 1),
    "G00003_13_07_004": (16_000, 1),
}
FOR_ENCODERS = {"sampling_rate": 16_000, "mono": True}
WITH_AUDIO = ("multimodal", "audio", "zh-en")


def released(uid):
    return archives()["Audio"]["Audio/wav/" + relative(uid, "wav")]


def key(row):
    return row.get("id") or row["sample_id"]


def digest(dataset):
    """Of all samples of a dataset, in order."""
    found = hashlib.sha256()
    for row in rows(dataset):
        found.update(row["audio"]["bytes"])
    return found.hexdigest()


def test_the_sample_data_have_a_clip_of_each_format_to_listen_to():
    for uid, form in MELODIES.items():
        info = soundfile.info(io.BytesIO(released(uid)))
        assert (info.samplerate, info.channels) == form and info.duration == 1.2 and info.subtype == "PCM_16"
        samples, _ = soundfile.read(io.BytesIO(released(uid)), always_2d=True)
        loud = numpy.abs(samples[:, 0]).reshape(4, -1).max(axis=1)
        assert (loud > 0.1).all() and abs(samples[-5:]).max() < 0.01  # four notes, each of which dies away
    assert set(MELODIES.values()) == set(emotiontalk.AUDIO_FORMATS)


@pytest.mark.parametrize("config", WITH_AUDIO)
@pytest.mark.parametrize("options", [{}, {"streaming": True}, {"num_proc": 2}])
def test_rows_for_encoders(call, config, options):
    found = call(config, split="test", **options, **FOR_ENCODERS)
    assert (
        found.features["audio"].sampling_rate == 16_000 if hasattr(found.features["audio"], "sampling_rate") else True
    )
    converted_rows = rows(found)
    assert [key(row) for row in converted_rows] == [key(row) for row in rows(call(config, split="test"))]
    for row in converted_rows:
        with wave.open(io.BytesIO(row["audio"]["bytes"])) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            seconds = file.getnframes() / 16_000
        if "duration" in row:
            assert abs(row["duration"] - seconds) < 0.001
        decoded = emotiontalk.decode_audio({"bytes": released(key(row)), "path": None}, 16_000, mono=True)["array"]
        samples = emotiontalk.decode_audio(row["audio"])["array"]
        assert len(samples) == len(decoded) and abs(samples - decoded).max() <= 0.5 / 32_768 + 1e-7


def test_every_way_gives_the_same_bytes(call, tmp_path):
    ways = ({}, {"streaming": True}, {"num_proc": 2}, {"cache_dir": tmp_path / "again"})
    assert len({digest(call("audio", split="test", **way, **FOR_ENCODERS)) for way in ways}) == 1
    assert digest(call("audio", split="test")) != digest(call("audio", split="test", **FOR_ENCODERS))


@as_script
def test_the_script_converts_too(script, call):
    found = script("audio", split="test", prepare_splits=["test"], **FOR_ENCODERS)
    assert found.features["audio"].sampling_rate == 16_000
    assert digest(found) == digest(call("audio", split="test", **FOR_ENCODERS))


@pytest.mark.parametrize("options, form", [
    ({"sampling_rate": 8_000}, {(44_100, 2): (8_000, 2), (44_100, 1): (8_000, 1), (16_000, 1): (8_000, 1)}),
    ({"sampling_rate": 48_000}, {(44_100, 2): (48_000, 2), (44_100, 1): (48_000, 1), (16_000, 1): (48_000, 1)}),
    ({"mono": True}, {(44_100, 2): (44_100, 1), (44_100, 1): (44_100, 1), (16_000, 1): (16_000, 1)}),
    ({"sampling_rate": 16_000}, {(44_100, 2): (16_000, 2), (44_100, 1): (16_000, 1), (16_000, 1): (16_000, 1)}),
])  # fmt: skip
def test_either_option_alone(call, options, form):
    found = {row["id"]: row for row in rows(call("audio", split="test", **options))}
    for uid, before in MELODIES.items():
        info = soundfile.info(io.BytesIO(found[uid]["audio"]["bytes"]))
        assert (info.samplerate, info.channels) == form[before]
        assert (found[uid]["sampling_rate"], found[uid]["channels"]) == before and found[uid]["duration"] == 1.2
        if form[before] == before:  # nothing is done for nothing
            assert found[uid]["audio"]["bytes"] == released(uid)


def test_what_was_asked_for_is_what_is_cached(call):
    digests = [digest(call("audio", split="test", **o)) for o in ({}, {"mono": True}, FOR_ENCODERS, {}, FOR_ENCODERS)]
    assert digests[0] == digests[3] and digests[2] == digests[4] and len(set(digests)) == 3


@pytest.mark.parametrize("config", [config for config in CONFIGS if config not in WITH_AUDIO])
def test_configs_without_audio_refuse(call, config):
    for options in ({"mono": True}, {"sampling_rate": 16_000}):
        with pytest.raises(emotiontalk.RequestError, match=f"sampling_rate= and mono= .*'{config}'"):
            call(config, split="test", **options)


@pytest.mark.parametrize("rate", [0, 7_999, -1, 768_001, 2**31, 16_000.0, "16000", True])
def test_a_rate_that_is_none(call, rate):
    with pytest.raises(emotiontalk.RequestError, match="sampling_rate=.* 8,000 to 768,000"):
        call("audio", split="test", sampling_rate=rate)
    with pytest.raises(emotiontalk.RequestError, match="mono="):
        call("audio", split="test", mono="yes")


def test_the_error_against_a_double_precision_reference():
    """16-bit rounding is all that is lost: below -96 dB of full scale, on noise at half of it."""
    generator = numpy.random.default_rng(0)
    noise = generator.normal(0, 4_000, (44_100, 2)).round().clip(-32_768, 32_767).astype("<i2")
    found, rate = pcm16(wav_file(noise, 44_100), 16_000, mono=True)
    exact = soxr.resample(noise.astype("float64").mean(axis=1), 44_100, 16_000, quality="HQ")
    error = found[:, 0] - exact
    assert rate == 16_000 and len(found) == 16_000 and abs(error).max() < 0.6
    assert 20 * numpy.log10(numpy.sqrt((error**2).mean()) / 32_768) < -96


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT", "PCM_U8"])
def test_other_samples_are_converted_as_soundfile_reads_them(subtype):
    tone = 0.4 * numpy.sin(numpy.arange(4_410) / 10)
    file = io.BytesIO()
    soundfile.write(file, tone, 16_000, format="WAV", subtype=subtype)
    samples, rate = soundfile.read(io.BytesIO(converted(file.getvalue(), 16_000, mono=True)), dtype="int16")
    assert rate == 16_000 and abs(samples / 32_768 - tone).max() < (0.01 if subtype == "PCM_U8" else 1e-4)


def test_a_clip_that_cannot_be_decoded_is_an_error_of_its_utterance(call, release):
    uid = "G00003_13_06_003"

    def other_codec(members):
        name = "Audio/wav/" + relative(uid, "wav")
        members["Audio"][name] = members["Audio"][name][:20] + b"\x99\x99" + members["Audio"][name][22:]

    out = release(other_codec)
    assert len(call("audio", out, split="test")) == 8  # as released
    for options in ({}, {"streaming": True}):
        with pytest.raises(emotiontalk.BadUtteranceError, match=f"{uid}.wav cannot be decoded .*strict=False"):
            rows(call("audio", out, split="test", **options, **FOR_ENCODERS))
    assert len(call("audio", out, split="test", strict=False, **FOR_ENCODERS)) == 7


def test_exports_and_toolkits_convert_in_the_same_way(call, tmp_path):
    source = ("--data-dir", PROJECT / "dummy_data")
    how = ("--sampling-rate", "16000", "--channels", "1")
    command("parquet", tmp_path / "export", "--config", "audio", *how, *source)
    exported = datasets.load_dataset(str(tmp_path / "export"), "audio", split="test", cache_dir=str(tmp_path / "c"))
    command("files", tmp_path / "files", "--for", "csv", "--split", "test", *source)
    for row, same in zip(rows(call("audio", split="test", **FOR_ENCODERS)), rows(undecoded(exported))):
        assert row["audio"] == same["audio"] and row["duration"] == same["duration"]
        assert (tmp_path / "files" / "audio" / "test" / f"{row['id']}.wav").read_bytes() == row["audio"]["bytes"]


def test_label_set_four_has_four_classes(call):
    found = call("audio", label_set="four")
    for dataset in found.values():
        assert dataset.features["emotion"].num_classes == 4 and dataset.features["emotion"].names == [*emotiontalk.FOUR]
        for row in undecoded(dataset):
            votes = [vote["emotion"] for vote in row["annotations"]]
            if None in votes or not any(vote < 4 for vote in votes):
                assert row["soft_label"] is None
            else:
                assert len(row["soft_label"]) == 4 and abs(sum(row["soft_label"]) - 1) < 1e-9
                four = [vote for vote in votes if vote < 4]
                assert row["soft_label"] == [four.count(label) / len(four) for label in range(4)]
    assert call("multimodal", split="test", label_set="four").features["emotion_text"].num_classes == 7


def test_speaker_sets(call):
    sets = {}
    for config in ("audio", "text", "multimodal", "video", "dialogues"):
        for dataset in call(config).values():
            for row in undecoded(dataset):
                sets.setdefault(row["group"], set()).add(row["speaker_set"])
    assert sets == {"G00001": {2}, "G00002": {1}, "G00003": {2}, "G00004": {1}, "G00012": {2}, "G00015": {5}}


def test_turns_have_the_soft_labels_of_all_conditions(call):
    by_config = {
        config: {row["id"]: row["soft_label"] for row in undecoded(call(config, split="test"))}
        for config in ("text", "audio", "video", "multimodal")
    }
    for dialogue in call("dialogues", split="test"):
        for turn in dialogue["turns"]:
            for config, labels in by_config.items():
                assert turn[f"soft_label_{config}"] == labels[turn["id"]]


@pytest.mark.slow
def test_the_whole_release_for_encoders(call, rebuilt, clips):
    found = call("audio", rebuilt(), num_proc=2, **FOR_ENCODERS)
    formats = {}
    for dataset in found.values():
        for row in rows(dataset):
            with wave.open(io.BytesIO(row["audio"]["bytes"])) as file:
                assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
                assert abs(file.getnframes() / 16_000 - row["duration"]) < 0.001
            info = soundfile.info(io.BytesIO(clips[row["id"]]))
            assert (row["sampling_rate"], row["channels"]) == (info.samplerate, info.channels)
            formats[info.samplerate, info.channels] = formats.get((info.samplerate, info.channels), 0) + 1
    assert formats == emotiontalk.AUDIO_FORMATS
    assert digest(call("audio", rebuilt(), split="test", streaming=True, **FOR_ENCODERS)) == digest(found["test"])
