"""Upstreams: log-mel, eGeMAPS and encoders of transformers; batches give what one utterance at a time gives."""

import io
import itertools
import re

import librosa
import numpy
import pytest
import soundfile
from support import once

from emotiontalk.clips import decoded
from emotiontalk.probing.upstreams import built_in as upstreams
from emotiontalk.probing.upstreams import encoder as encoder_base
from emotiontalk.probing.upstreams.built_in import TextTfidf
from emotiontalk.probing.upstreams.opening import open_upstream
from emotiontalk.probing.upstreams.upstream import ExtractionOptions
from emotiontalk.probing.video_frames import frames_of
from emotiontalk.request_error import RequestError

pytestmark = once
slow = pytest.mark.slow
CHARACTERS = "你好今天过得怎么样还可以吧就是有点累那早休息别太晚睡不知道了谢，。？"
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CONVOLUTIONS = {
    "conv_dim": (8, 8), "conv_stride": (20, 8), "conv_kernel": (20, 8), "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
IMAGES = {"image_size": 32, "patch_size": 8}
KINDS = ("wav2vec2-group", "wav2vec2-layer", "whisper", "bert", "clip", "dinov2", "videomae", "vivit", "timesformer")
AUDIO, VIDEO = KINDS[:3], KINDS[4:]


def wav2vec2(transformers, norm):
    stable = norm == "layer"
    config = transformers.Wav2Vec2Config(
        **SMALL, **CONVOLUTIONS, feat_extract_norm=norm, do_stable_layer_norm=stable, conv_bias=stable
    )
    return transformers.Wav2Vec2Model(config), transformers.Wav2Vec2FeatureExtractor(return_attention_mask=stable)


def bert(transformers, folder):
    (folder / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(CHARACTERS))]), encoding="utf-8"
    )
    config = transformers.BertConfig(vocab_size=5 + len(set(CHARACTERS)), **SMALL)
    return transformers.BertModel(config), transformers.BertTokenizer(str(folder / "vocab.txt"))


def whisper(transformers):
    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=2, encoder_attention_heads=2, decoder_layers=1, decoder_attention_heads=2
    )
    return transformers.WhisperModel(config), transformers.WhisperFeatureExtractor()


def vision(transformers, kind):
    size = {"height": 32, "width": 32}
    if kind == "clip":
        tower = transformers.CLIPVisionConfig(**SMALL, **IMAGES).to_dict()
        text = transformers.CLIPTextConfig(**SMALL, vocab_size=9).to_dict()
        config = transformers.CLIPConfig(vision_config=tower, text_config=text)
        processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size)
        return transformers.CLIPModel(config), processor
    if kind == "dinov2":
        processor = transformers.BitImageProcessorPil(size={"shortest_edge": 32}, crop_size=size)
        return transformers.Dinov2Model(transformers.Dinov2Config(**SMALL, **IMAGES)), processor
    if kind == "vivit":
        config = transformers.VivitConfig(**SMALL, image_size=32, num_frames=4, tubelet_size=[2, 8, 8])
        return transformers.VivitModel(config), transformers.VivitImageProcessor(
            size={"shortest_edge": 32}, crop_size=size
        )
    processor = transformers.VideoMAEImageProcessorPil(size={"shortest_edge": 32}, crop_size=size)
    if kind == "videomae":
        config = transformers.VideoMAEConfig(**SMALL, **IMAGES, num_frames=4, tubelet_size=2)
        return transformers.VideoMAEModel(config), processor
    return transformers.TimesformerModel(transformers.TimesformerConfig(**SMALL, **IMAGES, num_frames=4)), processor


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """A function that gives the folder of a tiny encoder with random weights."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.set_num_threads(1)  # for so few numbers others are only waited for
    folders = {}

    def encoder(kind):
        if kind not in folders:
            folder = folders[kind] = tmp_path_factory.mktemp(kind)
            torch.manual_seed(0)
            if kind.startswith("wav2vec2"):
                model, reader = wav2vec2(transformers, kind.split("-")[1])
            elif kind == "bert":
                model, reader = bert(transformers, folder)
            else:
                model, reader = whisper(transformers) if kind == "whisper" else vision(transformers, kind)
            for parameter in model.parameters():  # larger than at the start of training, or all features are alike
                if parameter.ndim > 1:
                    torch.nn.init.normal_(parameter, std=0.3)
            model.save_pretrained(folder)
            reader.save_pretrained(folder)
        return str(folders[kind])

    return encoder


def wav(seconds, seed=0, rate=16_000):
    out = io.BytesIO()
    samples = numpy.random.default_rng(seed).normal(0, 0.1, int(seconds * rate))
    soundfile.write(out, samples, rate, format="WAV", subtype="FLOAT")
    return out.getvalue()


def mp4(levels, audio=False, index_first=False):
    """A clip of 64 by 48, 25 frames a second, whose frames have these grey levels, one after the other."""
    av = pytest.importorskip("av")
    options = {"movflags": "frag_keyframe+empty_moov"} if index_first else {}
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options=options) as container:
        video = container.add_stream("libx264", rate=25) if len(levels) else None
        if video:
            video.width, video.height, video.pix_fmt, video.codec_context.gop_size = 64, 48, "yuv420p", 25
        if audio:
            stream = container.add_stream("aac", rate=16_000)
            frame = av.AudioFrame.from_ndarray(numpy.zeros((1, 1_024), numpy.float32), format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux([*stream.encode(frame), *stream.encode()])
        if video:
            for level in levels:
                picture = numpy.full((48, 64, 3), level, numpy.uint8)
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(video.encode())
    return out.getvalue()


def levels_of(frames):
    assert all(frame.dtype == numpy.uint8 and frame.shape == (48, 64, 3) for frame in frames)
    return [float(frame.mean()) for frame in frames]


def items_of(kind):
    if kind in AUDIO:
        return [(f"a{n}", wav(seconds, n)) for n, seconds in enumerate((0.7, 2.3, 0.02, 1.1, 0.7, 0.31, 1.7))]
    if kind == "bert":
        return [(f"a{n}", CHARACTERS[n : n + size]) for n, size in enumerate((3, 30, 0, 11, 3, 1, 20))]
    return [(f"a{n}", mp4(range(10 + n, 250, 7 + n))) for n in range(5)]


def arrays(folder, items, **options):
    return list(open_upstream(folder, ExtractionOptions(**options)).features(items))


WAYS = [
    *itertools.product((-1, 0, "all"), ("mean",)),
    ("all", "mean+std"),
    (1, "mean+std"),
    (-1, "frames"),
    (0, "frames"),
]


@slow
@pytest.mark.parametrize("kind", KINDS)
def test_batches_give_what_one_at_a_time_gives(encoder, kind, monkeypatch):
    monkeypatch.setattr(encoder_base, "POSITIONS_ELSEWHERE", encoder_base.POSITIONS["cuda"])  # several clips in each
    folder, items = encoder(kind), items_of(kind)
    for layer, pooling in WAYS:
        together = arrays(folder, items, layer=layer, pooling=pooling)
        alone = arrays(folder, items, layer=layer, pooling=pooling, one_at_a_time=True)
        assert len(together) == len(items)
        for one, other in zip(together, alone):
            assert one.shape == other.shape and one.dtype == other.dtype == ("float16" if pooling == "frames" else "f4")
            assert one.ndim == (2 if "frames" in pooling or layer == "all" else 1)
            half = pooling == "frames"  # precision
            expected = pytest.approx(other.astype("f4"), rel=1e-3 if half else 1e-5, abs=1e-3 if half else 1e-5)
            assert one.astype("f4") == expected
        if pooling == "mean":
            assert numpy.abs(together[0] - together[1]).max() > 1e-3


@slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_utterance_gives_what_transformers_gives_by_hand(encoder, kind):
    import torch
    import transformers

    folder, (uid, data) = encoder(kind), items_of(kind)[1]
    model = transformers.AutoModel.from_pretrained(folder).eval()
    if kind in AUDIO:
        reader, samples = transformers.AutoFeatureExtractor.from_pretrained(folder), decoded(data, 16_000)
        inputs = reader(samples, sampling_rate=16_000, return_tensors="pt")
    elif kind == "bert":
        inputs = transformers.AutoTokenizer.from_pretrained(folder)(data, return_tensors="pt")
    else:
        frames = frames_of(data, 8 if kind in ("clip", "dinov2") else 4)
        inputs = transformers.AutoImageProcessor.from_pretrained(folder)(frames, return_tensors="pt")
    model = {"whisper": lambda: model.get_encoder(), "clip": lambda: model.vision_model}.get(kind, lambda: model)()
    inputs = {name: value for name, value in inputs.items() if kind != "wav2vec2-group" or name == "input_values"}
    with torch.inference_mode():
        states = torch.stack(model(**inputs, output_hidden_states=True).hidden_states)
    states = states.mean(dim=2) if kind in ("clip", "dinov2") else states[:, 0]  # (layers, time, dims)
    states = states[:, :115] if kind == "whisper" else states  # 2.3 of 30 s
    [mean] = arrays(folder, [(uid, data)])
    [both] = arrays(folder, [(uid, data)], layer="all", pooling="mean+std")
    assert mean == pytest.approx(states[-1].mean(dim=0).numpy(), abs=1e-5)
    by_hand = torch.cat([states.mean(dim=1), states.std(dim=1, correction=0)], dim=1).numpy()
    assert both.shape == (3, 32) and both == pytest.approx(by_hand, abs=1e-5)
    [frames] = arrays(folder, [(uid, data)], pooling="frames")
    if kind in ("vivit", "timesformer"):
        states = states[:, 1:]
    if kind in ("videomae", "vivit"):  # two frames a step, 16 patches each
        states = states.reshape(3, 2, 16, 16).mean(dim=2)
    if kind == "timesformer":
        states = states.reshape(3, 16, 4, 16).mean(dim=1)
    assert frames.astype("f4") == pytest.approx(states[-1].numpy(), rel=1e-3, abs=1e-3)


@slow
def test_time_steps_of_a_video_are_of_their_frames(encoder):
    """Of hidden states before attention, only those of the frames that differ do differ."""
    dark, half = [(("a"), mp4([20] * 40))], [("a", mp4([20] * 20 + [230] * 20))]
    for kind, same in (("videomae", [0]), ("vivit", [0]), ("timesformer", [0, 1])):
        [one], [other] = (arrays(encoder(kind), clip, layer=0, pooling="frames") for clip in (dark, half))
        differ = numpy.abs(one.astype("f4") - other.astype("f4")).max(axis=1)
        assert [n for n, much in enumerate(differ) if much < 0.05] == same and len(one) == 2 * len(same)


@slow
def test_only_encoders_that_do_not_see_padding_get_it(encoder):
    seen = {}
    for kind in ("wav2vec2-group", "wav2vec2-layer", "bert", "whisper"):
        upstream, sizes = open_upstream(encoder(kind), ExtractionOptions()), []
        collated = upstream.collated
        upstream.collated = lambda batch, sizes=sizes, collated=collated: sizes.append(len(batch)) or collated(batch)
        list(upstream.features(items_of(kind)))
        seen[kind] = sizes
    assert seen["wav2vec2-group"] == [1, 1, 1, 2, 1, 1]  # two clips are of 0.7 s
    assert max(seen["wav2vec2-layer"]) == max(seen["bert"]) == 7
    assert sum(seen["whisper"]) == 7


@slow
@pytest.mark.parametrize("kind", ["bert", "wav2vec2-layer", "clip"])
def test_no_more_than_two_windows_are_read_ahead_and_the_order_is_kept(encoder, kind):
    upstream = open_upstream(encoder(kind), ExtractionOptions())
    upstream.window = 4
    items, read = items_of(kind), []

    def many():
        for n in range(30):
            read.append(n)
            yield f"a{n}", items[n % len(items)][1]

    first = arrays(encoder(kind), items)
    for n, array in enumerate(upstream.features(many())):
        assert array == pytest.approx(first[n % len(items)], abs=1e-5)
        assert len(read) <= n + 1 + 2 * upstream.window
    assert len(read) == 30


@slow
def test_a_batch_for_which_memory_is_short_is_halved(encoder):
    import torch

    upstream, sizes = open_upstream(encoder("bert"), ExtractionOptions()), []
    hidden = upstream.hidden

    def short(batch, most=2):
        sizes.append(len(batch))
        if len(batch) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return hidden(batch)

    upstream.hidden = short
    found = list(upstream.features(items_of("bert")))
    for one, other in zip(found, arrays(encoder("bert"), items_of("bert"))):
        assert one == pytest.approx(other, abs=1e-5)
    assert max(sizes) == 7 and len(found) == 7
    upstream.hidden = lambda batch: short(batch, most=0)
    with pytest.raises(RequestError, match="too little memory"):
        list(upstream.features(items_of("bert")))


@slow
def test_mixed_precision_is_near_and_left_where_float16_is_too_small(encoder):
    folder, items = encoder("bert"), items_of("bert")
    exact = arrays(folder, items, one_at_a_time=True)
    upstream = open_upstream(folder, ExtractionOptions())
    upstream._mixed = True  # as on a GPU
    for one, other in zip(upstream.features(items), exact):
        assert one == pytest.approx(other, abs=2e-2) and one != pytest.approx(other, abs=1e-6)
    assert upstream._mixed
    large, alone = (
        open_upstream(folder, ExtractionOptions()),
        open_upstream(folder, ExtractionOptions(one_at_a_time=True)),
    )
    for changed in (large, alone):
        changed.model.embeddings.LayerNorm.weight.data *= 1e5
    large._mixed = True
    for one, other in zip(large.features(items), alone.features(items)):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-4)
    assert not large._mixed


@slow
def test_what_features_depend_on_is_in_the_settings(encoder):
    known = open_upstream(encoder("videomae"), ExtractionOptions(layer=1, device="cpu")).settings()
    assert known["frames"] == 4 and known["layer"] == 1 and known["pooling"] == "mean" and known["weights"]
    assert not {"device", "one_at_a_time"} & set(known)
    assert open_upstream(encoder("clip"), ExtractionOptions(frames=3)).settings()["frames"] == 3
    normalized = open_upstream(encoder("wav2vec2-layer"), ExtractionOptions())
    raw = open_upstream(encoder("wav2vec2-layer"), ExtractionOptions())
    raw.reader.do_normalize = False
    assert raw.settings() != normalized.settings() and raw.settings()["weights"] == normalized.settings()["weights"]
    assert all(module.__version__ for module in open_upstream(encoder("clip"), ExtractionOptions()).modules())


def test_logmel_is_that_of_librosa():
    items = [("a", wav(1.3)), ("b", wav(0.01)), ("c", wav(0.5, rate=44_100))]
    upstream = open_upstream("logmel", ExtractionOptions())
    found = list(upstream.features(items))
    for one, (_, audio) in zip(found, items):
        samples = decoded(audio, 16_000)
        samples = numpy.pad(samples, (0, max(0, 400 - len(samples))))
        bands = librosa.feature.melspectrogram(y=samples, sr=16_000, n_fft=400, hop_length=160, n_mels=80)
        assert (one == librosa.power_to_db(bands).mean(axis=1)).all()
    assert upstream.settings() == {"sampling_rate": 16_000, **upstreams.LOGMEL, "pooling": "mean"}
    assert found[0].shape == (80,) and found[0].dtype == "f4"
    frames = arrays("logmel", items, pooling="frames")
    assert frames[0].shape == (131, 80) and frames[0].dtype == "float16"
    for one, mean, both in zip(frames, found, arrays("logmel", items, pooling="mean+std")):
        wide = one.astype("f4")
        assert wide.mean(axis=0) == pytest.approx(mean, abs=0.05)
        assert both == pytest.approx(numpy.concatenate([mean, wide.std(axis=0)]), abs=0.05)


@slow
def test_egemaps_is_what_opensmile_gives():
    opensmile = pytest.importorskip("opensmile")
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    items = [(f"a{n}", wav(seconds, n)) for n, seconds in enumerate((1.3, 0.2, 2.0))]
    for one, (_, audio) in zip(arrays("egemaps", items), items):
        by_hand = smile.process_signal(decoded(audio, 16_000), 16_000).to_numpy()[0]
        assert one.shape == (88,) and one.dtype == "f4" and one == pytest.approx(by_hand, rel=1e-5)
    for one in arrays("egemaps", [("a", wav(0.03)), ("b", wav(0)), ("c", wav(0.0001))]):
        assert one.shape == (88,) and numpy.isfinite(one).all()


def test_a_clip_that_cannot_be_decoded_is_named():
    with pytest.raises(RequestError, match="b: its audio cannot"):
        arrays("logmel", [("a", wav(0.3)), ("b", b"no audio")])


@slow
def test_a_clip_that_an_encoder_cannot_decode_is_named(encoder):
    with pytest.raises(RequestError, match="b: its audio cannot"):
        arrays(encoder("wav2vec2-layer"), [("a", wav(0.3)), ("b", b"no audio")])
    with pytest.raises(RequestError, match="^b: "):
        arrays(encoder("clip"), [("a", mp4([3] * 9)), ("b", b"no video")])


def test_the_frames_in_the_centres_of_equal_parts_are_chosen():
    clip = mp4(range(0, 250, 5))  # 50 frames
    assert levels_of(frames_of(clip, 5)) == pytest.approx([25, 75, 125, 175, 225], abs=3)
    assert levels_of(frames_of(clip, 1)) == pytest.approx([125], abs=3)
    assert levels_of(frames_of(clip, 50)) == pytest.approx(list(range(0, 250, 5)), abs=3)
    assert levels_of(frames_of(mp4([40, 200]), 4)) == pytest.approx([40, 40, 200, 200], abs=3)
    assert levels_of(frames_of(mp4([90]), 3)) == pytest.approx([90] * 3, abs=3)
    assert levels_of(frames_of(mp4(range(0, 250, 5), audio=True), 2)) == pytest.approx([60, 185], abs=3)


def test_a_clip_without_video_is_told():
    with pytest.raises(RequestError, match="no video stream"):
        frames_of(mp4([], audio=True), 4)
    for data in (b"", b"no video", mp4(range(99))[:900]):
        with pytest.raises(RequestError, match="not an MP4"):
            frames_of(data, 4)


def test_a_clip_that_is_cut_off_gives_the_frames_that_are_there():
    clip = mp4([20] * 50 + [220] * 50, index_first=True)  # four parts, a second each
    ends = [found.start() for found in re.finditer(b"moof", clip)]
    assert levels_of(frames_of(clip, 4)) == pytest.approx([20, 20, 220, 220], abs=3)
    assert levels_of(frames_of(clip[: ends[2]], 4)) == pytest.approx([20] * 4, abs=3)
    assert levels_of(frames_of(clip[: ends[3] - 4], 3)) == pytest.approx([20, 20, 220], abs=3)
    with pytest.raises(RequestError, match="no frames|not an MP4"):
        frames_of(clip[: ends[0]], 4)


def test_damaged_frames_are_left_out():
    clip = mp4([20] * 50 + [220] * 50)
    begin = clip.index(b"mdat") + 4
    end = clip.index(b"moov") - 4
    half = (begin + end) // 2
    assert levels_of(frames_of(clip[:half] + bytes(end - half) + clip[end:], 4))[0] == pytest.approx(20, abs=3)
    with pytest.raises(RequestError, match="cannot be decoded"):
        frames_of(clip[:begin] + bytes(end - begin) + clip[end:], 4)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("logmel", {"pooling": "max"}, "pooling='max'"),
        ("logmel", {"layer": 3}, "logmel has no layer"),
        ("logmel", {"layer": "some"}, "layer='some'"),
        ("logmel", {"layer": "all", "pooling": "frames"}, "pooling=.frames"),
        ("logmel", {"frames": 4}, "logmel has no frames"),
        ("logmel", {"frames": 0}, "frames=0"),
        ("egemaps", {"pooling": "mean+std"}, "egemaps has no pooling"),
        ("egemaps", {"layer": 0}, "egemaps has no layer"),
        ("text-tfidf", {"pooling": "frames"}, "text-tfidf has no pooling"),
        ("text-tfidf", {"layer": "all"}, "text-tfidf has no layer"),
    ],
)
def test_options_that_cannot_be_combined_are_refused_before_anything_is_read(name, options, message):
    with pytest.raises(RequestError, match=message):
        open_upstream(name, ExtractionOptions(**options))
    assert isinstance(open_upstream("text-tfidf", ExtractionOptions()), TextTfidf)


@pytest.mark.parametrize(
    "missing, name, message",
    [
        ("torch", "some-encoder", r"pip install .\.\[encoders\]"),
        ("opensmile", "egemaps", r"\.\[opensmile\]"),
        pytest.param("av", "clip", r"\.\[video\]", marks=slow),
    ],
)
def test_what_must_be_installed_is_said(missing, name, message, monkeypatch, request):
    folder = request.getfixturevalue("encoder")(name) if name == "clip" else name
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(RequestError, match=message):
        open_upstream(folder, ExtractionOptions())


@slow
def test_encoders_refuse_what_they_cannot_do(encoder, tmp_path):
    import transformers

    def refused(message, folder, **options):
        with pytest.raises(RequestError, match=message):
            open_upstream(str(folder), ExtractionOptions(**options))

    refused(r"layer 3: .* has the hidden states 0…2 \(or -3…-1\)", encoder("bert"), layer=3)
    refused("layer -4", encoder("whisper"), layer=-4)
    refused("device='gpu'", encoder("bert"), device="gpu")
    refused("cannot load it", tmp_path / "none")
    refused("made for 4 frames", encoder("videomae"), frames=8)
    open_upstream(encoder("videomae"), ExtractionOptions(frames=4))
    config = transformers.ASTConfig(**SMALL, max_length=64, num_mel_bins=32)
    transformers.ASTModel(config).save_pretrained(tmp_path / "ast")
    transformers.ASTFeatureExtractor(max_length=64, num_mel_bins=32).save_pretrained(tmp_path / "ast")
    refused("the padding would be averaged", tmp_path / "ast")
    config = transformers.TimeSeriesTransformerConfig(prediction_length=4, d_model=8)
    transformers.TimeSeriesTransformerModel(config).save_pretrained(tmp_path / "series")
    refused("neither text nor audio nor video", tmp_path / "series")
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic")
    transformers.ResNetModel(config).save_pretrained(tmp_path / "resnet")
    transformers.ConvNextImageProcessorPil(size={"shortest_edge": 32}).save_pretrained(tmp_path / "resnet")
    refused("not used as encoders of transformers are", tmp_path / "resnet")
