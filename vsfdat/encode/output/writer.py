"""Segments that are encoded into a video file, with everything else that the source holds."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vsfdat.errors import EncodeError

from ..container import ffmpeg_path
from ..extras import require
from ..formats import CONTAINERS
from ..segments import Segment
from ..streams import CopiedStreams, Plan
from .codecs import Codec
from .video import Video


def check_fit(codec: Codec, output: Path) -> None:
    """Refuse an output that no container, or not the codec's, is known by.

    Raises:
        EncodeError: Its ending says so.
    """
    container = CONTAINERS.get(output.suffix.lower())
    if container is None:
        raise EncodeError(f"output must end in .mkv, .mp4, .mov or .webm, passed {output.name!r}")
    with require("av").open(io.BytesIO(), "w", format=container) as nothing:
        if not {codec.encoder.name, codec.name} & nothing.supported_codecs:
            raise EncodeError(f"{codec.name} does not fit into {container}, choose an output that ends in .mkv")


def try_container(video: Video, container: str) -> None:
    """Have a container and an encoder begin a file in memory, so that what they refuse is told before the work.

    Raises:
        EncodeError: The encoder refuses.
    """
    with contextlib.closing(require("av").open(io.BytesIO(), "w", format=container)) as nothing:
        video.add_to(nothing)
        nothing.start_encoding()


class Writer:
    """A video file in the making; `finish` makes it whole, however many segments it got.

    Args:
        path: Its ending chooses the container.
        video: What its pictures are, and when.
        plan: What becomes of the source's other streams.
        delay: Of frames that packets are decoded early, at most, in any of the segments.

    Raises:
        EncodeError: The container or the codec takes none of this.
    """

    def __init__(self, path: Path, video: Video, plan: Plan, delay: int) -> None:
        self._video, self._delay = video, delay
        self.frames = 0
        with contextlib.ExitStack() as stack:
            self._output = stack.enter_context(contextlib.closing(_create(path)))
            self._stream = video.add_to(self._output)
            self._copied = stack.enter_context(contextlib.closing(CopiedStreams(video.source, plan, self._output)))
            self._output.start_encoding()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What an earlier error left half-written may not close cleanly either, and the earlier one is the news.
        with contextlib.suppress(Exception) if error else contextlib.nullcontext():
            self._stack.close()

    def add(self, path: Path, segment: Segment) -> None:
        """Copy the next segment's packets, and what else plays until its end.

        Args:
            path: As `SegmentEncoder` made it.
            segment: Which frames these are; those that the file lacks at its end are passed over.
        """
        video = self._video
        for packet in _packets(path):
            since = round(packet.pts * packet.time_base / video.time_base)
            number = video.number_at(video.starts[segment.first] + since)
            packet.stream, packet.time_base = self._stream, video.time_base
            packet.pts, packet.dts = video.starts[number], self._time_to_decode()
            packet.duration = video.ends[number] - video.starts[number]
            self._output.mux(packet)
            self._copied.advance(video.ends[self.frames] * video.time_base)
            self.frames += 1

    def finish(self, *, is_whole: bool) -> None:
        """Write what is left of the other streams.

        Args:
            is_whole: Every frame came, so what plays on after the last one is copied too.
        """
        self._copied.finish(is_whole=is_whole)

    def _time_to_decode(self) -> int:
        """Give the next packet its time: in order, and before any of those that come so early is shown."""
        starts, number = self._video.starts, self.frames - self._delay
        step = starts[1] - starts[0] if len(starts) > 1 else 1
        return starts[number] if number >= 0 else starts[0] + number * step


def _packets(path: Path) -> Iterator[Any]:
    with require("av").open(ffmpeg_path(path), format="nut") as container:
        yield from (packet for packet in container.demux(video=0) if packet.size)


def _create(path: Path) -> Any:
    container = CONTAINERS[path.suffix.lower()]
    options = {"movflags": "+faststart"} if container in ("mp4", "mov") else {}
    return require("av").open(ffmpeg_path(path), "w", format=container, options=options)
