"""Everything in a file beside its video: carried over as planned, in step with the video."""

import contextlib
import logging
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from typing import Any

from vsfdat.notices import Once

from ..container import cannot_be, open_container
from ..extras import require
from ..input.source import Source
from .chapters import cut_chapters
from .order import in_order
from .plan import Attachment, Plan
from .tags import needs_keys, tags_of
from .timecode import shift_timecode
from .ways import Carrier

_log = logging.getLogger(__name__)

# Of seconds that the chapters of a whole film may go on after its end; those of a download that broke off go on longer.
_LEEWAY = 1


class CopiedStreams:
    """Carry sound, subtitles, fonts, chapters and tags from a source's file into an output.

    Args:
        source: Its cut is respected: packets that begin within it, moved to begin when its first frame does.
        plan: What becomes of each stream.
        output: A PyAV container open for writing, which holds the video stream and has not begun.
    """

    def __init__(self, source: Source, plan: Plan, output: Any) -> None:
        self._source, self._plan, self._output = source, plan, output
        self._begin = source.origin * source.time_base
        self._once = Once(_log)
        self._input = open_container(source.path)
        self._describe()
        self._carriers = self._add_streams()
        self._covers = [self._add_cover(cover) for cover in plan.covers]
        self._packets = self._read_packets()
        self._next = next(self._packets, None)
        self._latest = self._end = Fraction(0)

    def close(self) -> None:
        """Let go of the source's file."""
        self._packets.close()
        self._input.close()

    def advance(self, seconds: Fraction) -> None:
        """Write what belongs before a moment of the output, so that a player finds sound and picture side by side.

        Args:
            seconds: When the last picture that was written goes.
        """
        self._end = seconds
        self._write_covers()
        while self._next is not None and self._next[0] < seconds:
            self._write_next()

    def finish(self, *, is_whole: bool) -> None:
        """Write all that is left.

        Args:
            is_whole: Every picture came, so what plays on after the last one is carried over too.
        """
        self._write_covers()
        while is_whole and self._next is not None:
            self._write_next()
        for carrier in self._carriers.values():
            with self._past_damage("audio"):
                self._write(carrier.finish())
        is_part = self._source.is_cut or not is_whole
        self._set_chapters(self._end if is_part else max(self._end, self._latest) + _LEEWAY)

    def _write_next(self) -> None:
        if self._next is not None:
            self._latest = self._next[0]
            self._write(self._next[1])
            self._next = next(self._packets, None)

    def _set_chapters(self, end: Fraction) -> None:
        """Write the chapters as far as the film goes, which nobody knew when it began; muxers take them at the end."""
        if chapters := cut_chapters(self._input.chapters(), self._begin, self._begin + end):
            self._output.set_chapters(chapters)

    def _describe(self) -> None:
        plan, options = self._plan, self._output.options
        target = self._output.streams.video[0]
        plan.marks.put_on(target, plan.container)
        self._output.metadata.update(plan.tags)
        if plan.marks.timecode and (timecode := self._count_timecode()):
            target.metadata["timecode"] = self._output.metadata["timecode"] = timecode
        if plan.container in ("mp4", "mov") and needs_keys(plan.tags):
            options["movflags"] = options.get("movflags", "") + "+use_metadata_tags"
        for attachment in plan.attachments:
            self._output.add_attachment(attachment.name, attachment.mimetype, attachment.data)

    def _count_timecode(self) -> str | None:
        """Name the output's first frame, counting from the source's first."""
        source, timecode = self._source, self._plan.marks.timecode
        started = self._input.streams[self._plan.video].start_time or 0
        frames = round((source.pts[0] - started) * source.time_base * source.frame_rate) if source.is_cut else 0
        named = shift_timecode(timecode, frames, source.frame_rate)
        if named is None:
            rate = float(source.frame_rate)
            _log.warning("The timecode %s makes no sense at %.3f frames a second and is left out.", timecode, rate)
        return named

    def _add_streams(self) -> dict[int, Carrier]:
        carriers = {}
        for index, way in self._plan.ways.items():
            stream = self._input.streams[index]
            carriers[index] = carrier = way(stream, self._output)
            carrier.target.metadata.update(tags_of(stream.metadata))
            carrier.target.disposition = stream.disposition
        return carriers

    def _add_cover(self, cover: Attachment) -> Any:
        target = self._output.add_mux_stream(cover.codec, width=cover.size[0], height=cover.size[1])
        target.disposition = require("av").stream.Disposition.attached_pic
        target.time_base = Fraction(1, 1000)
        return target

    def _write_covers(self) -> None:
        for target, cover in zip(self._covers, self._plan.covers, strict=False):
            packet = require("av").Packet(cover.data)
            packet.stream, packet.time_base = target, target.time_base
            packet.pts = packet.dts = 0
            packet.is_keyframe = True
            self._output.mux(packet)
        self._covers = []

    def _read_packets(self) -> Generator[tuple[Fraction, list[Any]]]:
        """Yield (when in the output, packets), in the file's order."""
        for packet in in_order(self._demux(), self._tell_disorder) if self._carriers else ():
            if not self._clip(packet):
                continue
            shift = round(self._begin / packet.time_base)
            packet.dts -= shift
            packet.pts -= shift
            yield packet.pts * packet.time_base, self._carry(packet)

    def _clip(self, packet: Any) -> bool:
        """Tell whether a packet is played in the cut; a subtitle may last on from before or until after it."""
        if not self._source.is_cut:
            return True
        source = self._source
        unit = Fraction(packet.time_base) / source.time_base
        begin, end = source.origin / unit, source.end / unit
        if packet.stream.type != "subtitle" or not packet.duration:
            return bool(begin <= packet.pts < end)
        first, last = max(packet.pts, round(begin)), min(packet.pts + packet.duration, round(end))
        packet.pts = packet.dts = first
        packet.duration = max(last - first, 0)
        return bool(first < last)

    def _carry(self, packet: Any) -> list[Any]:
        with self._past_damage(packet.stream.type):
            return list(self._carriers[packet.stream_index].carry(packet))
        return []

    def _write(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            with self._past_damage(packet.stream.type):
                self._output.mux(packet)

    @contextlib.contextmanager
    def _past_damage(self, what: str) -> Iterator[None]:
        """Go on where FFmpeg refuses something, which may be after hours; errors of the disk are no such."""
        try:
            yield
        except (require("av").FFmpegError, ValueError) as error:
            if isinstance(error, OSError):
                raise
            self._once.warning(f"What is damaged of the {what} is left out.")

    def _tell_disorder(self, packet: Any) -> None:
        self._once.warning(f"What of the {packet.stream.type} is out of its order in time is left out.")

    def _demux(self) -> Iterator[Any]:
        """Yield the packets that can be copied, each with its times.

        Raises:
            EncodeError: The file cannot be read to its end.
        """
        streams = [self._input.streams[index] for index in self._carriers]
        with cannot_be(self._source.path, "read"), self._past_damage("file"):
            for packet in self._input.demux(streams):
                if packet.pts is not None:  # or it is the demuxer's word that it is at the end
                    packet.dts = packet.pts if packet.dts is None else packet.dts
                    yield packet
