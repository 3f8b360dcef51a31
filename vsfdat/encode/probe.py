"""What `vsfdat info` says of a video file."""

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsfdat.errors import EncodeError

from .container import cannot_be, open_container, video_stream
from .streams.sample import codec_name


def describe_video(path: Path) -> list[tuple[str, str]]:
    """List what a video file holds, as (label, value).

    Raises:
        EncodeError: It cannot be read, or holds no video.
    """
    with cannot_be(path, "read"), open_container(path) as container:
        video = video_stream(container, path)
        frames, seconds = _measure(container, video)
        return [
            ("file", f"{path} ({container.format.name}, {path.stat().st_size / 1e6:.2f} MB)"),
            ("size", f"{video.width}x{video.height}{_aspect(video)}"),
            ("frames", str(frames)),
            ("rate", f"{float(video.average_rate):.3f} fps" if video.average_rate else "unknown"),
            ("duration", f"{float(seconds):.3f} s"),
            *((f"stream {stream.index}", _describe_stream(stream)) for stream in container.streams),
        ]


def estimate_work(path: Path) -> float | None:
    """Estimate how many pixels a film has, by what its container says; None where it says nothing."""
    with contextlib.suppress(EncodeError, AttributeError, OSError), open_container(path) as container:
        video = video_stream(container, path)
        seconds = Fraction(container.duration or 0, 1_000_000)
        return float((video.frames or seconds * (video.average_rate or 25)) * video.width * video.height) or None
    return None


def _measure(container: Any, video: Any) -> tuple[int, Fraction]:
    """Count the frames and the seconds from the first one to the end of the last, from the packets themselves."""
    packets = [packet for packet in container.demux(video) if packet.pts is not None]
    if not packets:
        return 0, Fraction(0)
    begins = min(packet.pts for packet in packets)
    ends = max(packet.pts + (packet.duration or 0) for packet in packets)
    return len(packets), (ends - begins) * Fraction(video.time_base)


def _aspect(video: Any) -> str:
    aspect = video.sample_aspect_ratio
    return f", pixels {aspect.numerator}:{aspect.denominator}" if aspect and aspect != 1 else ""


def _describe_stream(stream: Any) -> str:
    codec = stream.codec_context
    parts = [stream.type, codec_name(stream)]
    if stream.type == "video" and codec:
        parts.append(codec.pix_fmt or "")
    if stream.type == "audio" and codec:
        parts += [f"{codec.sample_rate} Hz", codec.layout.name]
    if stream.language:
        parts.append(stream.language)
    return ", ".join(filter(None, parts))
