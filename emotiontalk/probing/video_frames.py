"""Frames of a video clip: evenly spaced, decoded with PyAV."""

from __future__ import annotations

import bisect
import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy

from emotiontalk.errors import brief
from emotiontalk.request_error import RequestError

# A clip is an MP4 and nothing else: lists of other files (ffconcat, HLS, SDP), and references of an MP4 to others,
# would be followed. None of the protocols is allowed: bytes in memory need none.
MP4_ALONE: dict[str, Any] = {
    "format": "mp4",
    "options": {"enable_drefs": "0", "use_absolute_path": "0", "protocol_whitelist": "none"},
}


def require_pyav() -> None:
    """Raise `RequestError` where PyAV is missing."""
    try:
        import av  # noqa: F401
    except ImportError:
        raise RequestError('video clips need PyAV: pip install ".[video]".') from None


def frames_of(data: bytes, number: int) -> list[numpy.ndarray]:
    """Decode the frames shown in the centre of `number` equal parts of a clip: RGB, (height, width, 3) uint8 each.

    A clip of fewer frames repeats some. Where a frame is damaged, the last whole one before it stands in. Frames are
    found by their packets: the number and duration that the container states are not used. All frames up to the last
    chosen one are decoded, on one thread: seeking took longer, except with a key frame every 0.4 s (5 s of 720p,
    H.264), and other clips are decoded at the same time.

    Raises `RequestError` if there is no video, or none of it can be decoded.
    """
    found: list[numpy.ndarray] = []
    last = None
    with _opened(data) as (container, stream):
        packets = list(_packets(container, stream))
        wanted = _times(packets, number)
        stream.codec_context.thread_count = 1
        for frame in _decoded(stream.codec_context, packets):
            while len(found) < number and frame.pts >= wanted[len(found)]:
                shown = frame if last is None or frame.pts == wanted[len(found)] else last
                found.append(shown.to_ndarray(format="rgb24"))
            last = frame
            if len(found) == number:
                return found
        if last is None:
            raise RequestError("its video cannot be decoded: no frame of it is whole. Download the clip again.")
        return found + [last.to_ndarray(format="rgb24")] * (number - len(found))


def _times(packets: list[Any], number: int) -> list[int]:
    """Return when the frames in the centres of equal parts begin, in units of the stream's time base."""
    shown = sorted((packet.pts, packet.duration or 0) for packet in packets)
    if not shown:
        raise RequestError("its video stream has no frames. Download the clip again.")
    begins = [begin for begin, _ in shown]
    first, length = begins[0], begins[-1] + max(shown[-1][1], 1) - begins[0]
    centres = (first + length * (2 * part + 1) / (2 * number) for part in range(number))
    return [begins[bisect.bisect_right(begins, centre) - 1] for centre in centres]


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of the frames that are shown: up to where the file is cut off."""
    with contextlib.suppress(_error()):
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None and not packet.is_discard:
                yield packet


def _decoded(codec: Any, packets: list[Any]) -> Iterator[Any]:
    """Yield the frames of packets, in the order in which they are shown; damaged ones are left out."""
    for packet in [*packets, None]:  # None: those that the decoder still holds
        with contextlib.suppress(_error()):
            yield from (frame for frame in codec.decode(packet) if frame.pts is not None)


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[tuple[Any, Any]]:
    """Open a clip: (container, its first video stream)."""
    with open_mp4(io.BytesIO(data)) as container:
        if not container.streams.video:
            raise RequestError("it has no video stream. Download the clip again.")
        yield container, container.streams.video[0]


def open_mp4(file: Any) -> Any:
    """Open a clip that is a file in memory, and nothing but it. Raises `RequestError` for what is not an MP4."""
    import av

    try:
        return av.open(file, **MP4_ALONE)
    except (_error(), OSError, ValueError) as error:
        why = brief(getattr(error, "strerror", None) or error)
        raise RequestError(f"its video cannot be read: not an MP4 ({why}). Download the clip again.") from None


def _error() -> type[Exception]:
    from av.error import FFmpegError

    return FFmpegError
