"""The ways in which a stream comes into an output: as it is, or as something that holds the same."""

import io
import itertools
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, override

from ..extras import require
from .latm import LatmReader

_log = logging.getLogger(__name__)

# Of channels that a file only counts.
_LAYOUTS = {"1 channels": "mono", "2 channels": "stereo", "6 channels": "5.1", "8 channels": "7.1"}
# Of seconds: sound whose times are off by more has a gap, which becomes silence; by less, times were rounded.
_GAP = 0.05


class Carrier(ABC):
    """One stream on its way; `target` is the stream of the output that it becomes."""

    target: Any

    @abstractmethod
    def carry(self, packet: Any) -> Iterable[Any]:
        """Turn a packet into those to be written.

        Raises:
            ValueError: It is damaged. So are FFmpeg's errors then.
        """

    def finish(self) -> Iterable[Any]:
        """Give the packets that are still held back."""
        return []


# Of a stream of the input and an output that is open for writing, which must take it.
Way = Callable[[Any, Any], Carrier]


class Copied(Carrier):
    """A stream as it is, bit by bit."""

    def __init__(self, stream: Any, output: Any) -> None:
        self.target = _add_copy(stream, output)

    @override
    def carry(self, packet: Any) -> Iterable[Any]:
        packet.stream = self.target
        return [packet]


class Repacked(Carrier):
    """AAC out of LATM; `head` is a frame of it as ADTS, which says what it is."""

    def __init__(self, stream: Any, output: Any, *, head: bytes) -> None:
        with require("av").open(io.BytesIO(head), format="aac") as template:
            self.target = output.add_stream_from_template(template.streams[0])
        self.target.time_base = stream.time_base
        self._reader = LatmReader()

    @override
    def carry(self, packet: Any) -> Iterable[Any]:
        frames = self._reader.read(bytes(packet))
        duration = (packet.duration or 0) // len(frames)
        for number, frame in enumerate(frames):
            yield _timed(require("av").Packet(frame), self.target, packet, packet.pts + number * duration, duration)


class Recoded(Carrier):
    """Sound in another codec that gives the same samples; a gap in it becomes silence."""

    def __init__(self, stream: Any, output: Any, *, encoder: str, sample_format: str) -> None:
        self._stream = stream
        sound = stream.codec_context
        self.target = output.add_stream(encoder, rate=sound.sample_rate)
        self._encoder = self.target.codec_context
        self._encoder.layout = _LAYOUTS.get(sound.layout.name, sound.layout.name)
        self._encoder.format = sample_format
        self._form: tuple[Any, ...] | None = None
        self._graph: Any = None

    @override
    def carry(self, packet: Any) -> Iterable[Any]:
        for frame in self._stream.decode(packet):
            form = frame.sample_rate, frame.format.name, frame.layout.name
            if form != self._form:
                yield from self._drain()
                self._tell_change(form)
                self._form, self._graph = form, _silence_for_gaps(frame, self._encoder)
            self._graph.push(frame)
            yield from self._encode()

    @override
    def finish(self) -> Iterable[Any]:
        yield from self._drain()
        if self._graph is not None:
            yield from self.target.encode(None)

    def _tell_change(self, form: tuple[Any, ...]) -> None:
        if self._form is not None:
            _log.warning("audio stream %d changes midway, to %d Hz, %s, %s; it is kept as it begins.",
                         self._stream.index, *form)  # fmt: skip

    def _drain(self) -> Iterable[Any]:
        if self._graph is not None:
            self._graph.push(None)
            yield from self._encode()

    def _encode(self) -> Iterable[Any]:
        av = require("av")
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield from self.target.encode(frame)


class Rewritten(Carrier):
    """Text subtitles in another notation."""

    def __init__(self, stream: Any, output: Any, *, encoder: str) -> None:
        self._reader = stream.codec_context
        self._reader.open(strict=False)
        self.target = output.add_stream(encoder)
        self._writer = self.target.codec_context
        self._writer.subtitle_header = self._reader.subtitle_header
        self._writer.time_base = self.target.time_base = stream.time_base

    @override
    def carry(self, packet: Any) -> Iterable[Any]:
        subtitle = self._reader.decode2(packet)
        if not subtitle:  # MP4 fills the time between two with empty ones
            return []
        written = self._writer.encode_subtitle(subtitle)
        return [_timed(written, self.target, packet, packet.pts, packet.duration)]


def _timed(packet: Any, target: Any, source: Any, pts: int, duration: int | None) -> Any:
    packet.stream, packet.time_base = target, source.time_base
    packet.pts = packet.dts = pts
    packet.duration, packet.is_keyframe = duration, True
    return packet


def _add_copy(stream: Any, output: Any) -> Any:
    """Add a stream of the same parameters to an output.

    Raises:
        ValueError: The output takes no such stream.
    """
    try:
        return output.add_stream_from_template(stream)
    except ValueError:
        # PyAV asks for what Matroska names itself; FFmpeg also writes what Windows names, as WMA and ADPCM. So another
        # stream is added, and given the parameters of this one.
        with _neutral(stream.type) as neutral:
            target = output.add_stream_from_template(neutral.streams[0])
        require("av").bitstream.BitStreamFilterContext("null", stream, target)
        target.codec_context.codec_tag = "\0\0\0\0"  # the input's container's name for the codec
        target.time_base = stream.time_base
        return target


def _neutral(kind: str) -> Any:
    av = require("av")
    if kind == "audio":
        return av.open(io.BytesIO(bytes(4096)), format="s16le")
    return av.open(io.BytesIO(b"1\n00:00:00,000 --> 00:00:01,000\n-\n"), format="srt")


def _silence_for_gaps(frame: Any, encoder: Any) -> Any:
    """Make a filter that gives sound like that of a frame to an encoder as it is, in step with its times."""
    graph = require("av").filter.Graph()
    chain = (
        graph.add_abuffer(
            sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name, time_base=frame.time_base
        ),
        graph.add("aresample", f"async=1:min_hard_comp={_GAP}"),
        graph.add(
            "aformat",
            f"sample_fmts={encoder.format.name}:channel_layouts={encoder.layout.name}:sample_rates={encoder.sample_rate}",
        ),
        graph.add("abuffersink"),
    )
    for before, after in itertools.pairwise(chain):
        before.link_to(after)
    graph.configure()
    return graph
