"""What the streams of a file begin with, so that FFmpeg can be asked what becomes of them."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..extras import require
from .order import in_order

# Of one stream: enough for a decoder to begin and for an encoder to give something.
_PACKETS = 32
# Of all streams together: where sound has not begun by then, the description of it must do.
_MOST_PACKETS, _MOST_BYTES = 3000, 64_000_000


@dataclass(frozen=True)
class Sample:
    """A stream of an open input, FFmpeg's name for its codec, and its first packets, which must not be changed."""

    stream: Any
    codec: str
    packets: list[Any] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Name the stream as messages do."""
        return f"{self.stream.type} stream {self.stream.index} ({self.codec})"

    def twins(self) -> Iterator[Any]:
        """Copy the packets that have a time and are in order, for use."""
        return in_order(_twin(packet) for packet in self.packets if packet.pts is not None)


def read_samples(container: Any, video: int) -> list[Sample]:
    """Read the beginning of every stream of a file that has just been opened; `video` is the index of the film's."""
    samples = [Sample(stream, codec_name(stream)) for stream in container.streams]
    awaited = {video, *(stream.index for stream in container.streams if stream.type == "audio")}
    count = size = 0
    with contextlib.suppress(require("av").FFmpegError):  # damage is met again, and told, where all is read
        for packet in container.demux():
            packets = samples[packet.stream_index].packets
            if packet.size and len(packets) < _PACKETS:
                packets.append(packet)
            if len(packets) == _PACKETS:
                awaited.discard(packet.stream_index)
            count, size = count + 1, size + packet.size
            if not awaited or count > _MOST_PACKETS or size > _MOST_BYTES:
                break
    return samples


def codec_name(stream: Any) -> str:
    """Name a stream's codec as FFmpeg does, also where it has no decoder."""
    if stream.codec_context is not None:
        return str(stream.codec_context.codec.canonical_name)
    av = require("av")
    # PyAV names codecs that have no decoder for streams of data alone, so the stream's parameters are given to one.
    with av.open(io.BytesIO(), "w", format="mpegts") as nothing:
        data = nothing.add_data_stream()
        av.bitstream.BitStreamFilterContext("null", stream, data)
        return data.name or "unknown codec"


def _twin(packet: Any) -> Any:
    twin = require("av").Packet(bytes(packet))
    twin.stream, twin.time_base, twin.duration = packet.stream, packet.time_base, packet.duration
    twin.pts, twin.dts = packet.pts, packet.pts if packet.dts is None else packet.dts
    twin.is_keyframe = packet.is_keyframe
    return twin
