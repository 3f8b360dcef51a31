"""Everything in a file beside its video: copied bit by bit, in step with the video."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from vsfdat.errors import EncodeError

from .container import cannot_be, clock_jumps_back, open_container, video_stream
from .extras import require
from .source import Source

_log = logging.getLogger(__name__)

# What containers write of themselves; the output's own says it better.
_OF_THE_CONTAINER = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}


class CopiedStreams:
    """Copy sound, subtitles, fonts, chapters and tags from a source's file into an output, without re-encoding.

    Args:
        source: Its cut is respected: packets that begin within it, moved to begin when its first frame does.
        output: A PyAV container open for writing.

    Raises:
        EncodeError: The output's container has no place for the sound.
    """

    def __init__(self, source: Source, output: Any) -> None:
        self._source = source
        self._output = output
        self._input = open_container(source.path)
        self._targets = self._add_streams()
        self._packets = self._read_packets()
        self._next = next(self._packets, None)
        self._copy_description()

    def close(self) -> None:
        """Let go of the source's file."""
        self._input.close()

    def advance(self, seconds: Fraction) -> None:
        """Write what belongs before a moment of the output, so that a player finds sound and picture side by side."""
        while self._next is not None and self._next[0] < seconds:
            self._output.mux(self._next[1])
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Write all that is left."""
        while self._next is not None:
            self.advance(self._next[0] + 1)

    def _add_streams(self) -> dict[int, Any]:
        targets = {}
        upscaled = video_stream(self._input, self._source.path).index
        for stream in self._input.streams:
            if stream.type in ("audio", "subtitle") and self._fits(stream):
                target = self._output.add_stream_from_template(stream)
                target.metadata.update(_tags(stream.metadata))
                target.disposition = stream.disposition
                targets[stream.index] = target
            elif stream.type == "attachment":
                self._attach(stream)
            elif stream.type == "video" and stream.index != upscaled:
                is_cover = stream.disposition & require("av").stream.Disposition.attached_pic
                what = "a cover picture" if is_cover else "another video"
                _log.warning("video stream %d is %s and is left out.", stream.index, what)
        return targets

    def _attach(self, stream: Any) -> None:
        name = stream.name or "attachment"
        if self._output.format.name == "matroska":
            self._output.add_attachment(name, stream.mimetype or "", stream.data)
        else:
            self._tell_lost(f"attachment stream {stream.index} ({name})")

    def _fits(self, stream: Any) -> bool:
        """Tell whether the output's container takes a stream: sound must not get lost, a subtitle may, and is told."""
        codec = stream.codec_context.codec if stream.codec_context else None
        names = {codec.name, codec.canonical_name} if codec else set()
        if names & self._output.supported_codecs:
            return True
        label = f"{stream.type} stream {stream.index} ({codec.canonical_name if codec else 'unknown codec'})"
        if stream.type == "audio":
            container = self._output.format.name
            raise EncodeError(f"{label} does not fit into {container}, choose an output that ends in .mkv")
        self._tell_lost(label)
        return False

    def _tell_lost(self, label: str) -> None:
        container = self._output.format.name
        _log.warning("%s does not fit into %s and is left out; an output that ends in .mkv keeps it.", label, container)

    def _read_packets(self) -> Iterator[tuple[Fraction, Any]]:
        """Yield (when in the output, packet), in the file's order."""
        if not self._targets:
            return
        source = self._source
        origin, end = source.origin * source.time_base, source.end * source.time_base
        earliest = origin if source.is_cut else None
        for packet in self._demux():
            begins = packet.pts * packet.time_base
            if earliest is not None and not earliest <= begins < end:
                continue
            shift = round(origin / packet.time_base)
            packet.dts -= shift
            packet.pts -= shift
            packet.stream = self._targets[packet.stream_index]
            yield begins - origin, packet

    def _demux(self) -> Iterator[Any]:
        """Yield the packets that can be copied: each with its times, and each stream's in their order.

        Raises:
            EncodeError: The file cannot be read to its end, or its clock jumps back.
        """
        latest: dict[int, int] = {}
        with cannot_be(self._source.path, "read"):
            for packet in self._input.demux([self._input.streams[index] for index in self._targets]):
                if packet.pts is None:
                    continue  # the demuxer's word that it is at the end
                packet.dts = packet.pts if packet.dts is None else packet.dts
                if packet.dts < latest.get(packet.stream_index, packet.dts):
                    raise clock_jumps_back(self._source.path)
                latest[packet.stream_index] = packet.dts
                yield packet

    def _copy_description(self) -> None:
        self._output.metadata.update(_tags(self._input.metadata))
        if not self._source.is_cut and (chapters := self._input.chapters()):
            self._output.set_chapters(chapters)


def _tags(metadata: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key.lower() not in _OF_THE_CONTAINER}
