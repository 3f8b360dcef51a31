"""Frames of one segment into a file of its own, which knows nothing of the segments around it."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..container import ffmpeg_path
from ..extras import require
from ..segments import Segment
from .video import Video

# Ticks: times to decode at are made when segments are joined, and here they must only rise and come before all others.
_EARLY = 1 << 40


class SegmentEncoder:
    """A segment in the making.

    The file is a NUT, which keeps any times to the tick and any codec's packets as they are. Times in it count from
    the segment's first frame.

    Args:
        path: Where it is written to.
        video: Of the whole film.
        segment: Which frames of it these are.

    Raises:
        EncodeError: The codec takes none of this.
    """

    def __init__(self, path: Path, video: Video, segment: Segment) -> None:
        self._video, self.segment = video, segment
        self._begin = video.starts[segment.first]
        self._packets = 0
        self.frames = 0
        self.delay = 0
        with contextlib.ExitStack() as stack:
            self._output = stack.enter_context(contextlib.closing(_create(path)))
            self._stream = video.add_to(self._output)
            self._output.start_encoding()
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Let go of the file, however far it is."""
        with contextlib.suppress(Exception):  # an earlier error is the news
            self._stack.close()

    def write(self, picture: Any) -> None:
        """Encode the segment's next frame.

        Args:
            picture: A PyAV frame.
        """
        number = self.segment.first + self.frames
        start = self._video.starts[number]
        picture.pts, picture.time_base = start - self._begin, self._video.time_base
        picture.duration = self._video.ends[number] - start
        self._mux(self._stream.encode(picture))
        self.frames += 1

    def finish(self) -> int:
        """Write what the encoder still holds, and close the file.

        Returns:
            How many frames before it is shown a packet must be decoded, at most.
        """
        self._mux(self._stream.encode())
        self._stack.close()
        return self.delay

    def _mux(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            shown = self._video.number_at(packet.pts + self._begin) - self.segment.first
            self.delay = max(self.delay, self._packets - shown)
            packet.dts = self._packets - _EARLY
            self._packets += 1
            self._output.mux(packet)


def _create(path: Path) -> Any:
    options = {"avoid_negative_ts": "disabled"}  # or all times are moved by how early the first packet is decoded
    return require("av").open(ffmpeg_path(path), "w", format="nut", options=options)
