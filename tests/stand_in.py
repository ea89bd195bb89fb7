"""A module with the interface of torchcodec, where torchcodec is not installed: what `datasets` asks of its decoder."""

TORCHCODEC = """\
import io
import soundfile
import soxr

class AudioDecoder:
    def __init__(self, source, *, stream_index=None, sample_rate=None, num_channels=None):
        self.metadata, self.samples = type("Metadata", (), {})(), None
        samples, self.rate = soundfile.read(io.BytesIO(source), dtype="float32", always_2d=True)
        if sample_rate and sample_rate != self.rate:
            samples, self.rate = soxr.resample(samples, self.rate, sample_rate), sample_rate
        self.samples = samples.mean(axis=1, keepdims=True) if num_channels == 1 else samples

    @property
    def data(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.samples.T

    @property
    def sample_rate(self):
        return self.rate

    def get_all_samples(self):
        return self

    def get_samples_played_in_range(self, start, stop):
        return self

class VideoDecoder:
    pass
"""
