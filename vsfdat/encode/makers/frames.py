"""The upscaled frames of segments: those that an earlier run kept are read, the others made."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import vapoursynth as vs

from ..container import reason
from ..output.lossless import Lossless
from ..pace import Busy
from ..segments import KeptFrames, Manifest, Segment
from ..work import Work

_log = logging.getLogger(__name__)

# Seconds in which a segment's frames are made anew: what takes less is not worth a file.
_SHORT = 10


@dataclass(frozen=True)
class KeptFrame:
    """A frame as it was kept, to be used like VapourSynth's own."""

    packed: bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        pass


class Frames:
    """Frames to ask for by their place in a row of segments, and a file for each segment to keep them in.

    Args:
        work: Has the clip.
        segments: In the order that their frames are asked for.
        manifest: Says where frames are kept.
        upscaling: How long the clip has worked by now.
        keeps: Slow frames are kept.
    """

    def __init__(
        self, work: Work, segments: Sequence[Segment], manifest: Manifest, upscaling: Busy, *, keeps: bool = True
    ) -> None:
        self._clip = work.source.mending.watch(work.video.clip)
        self._manifest, self._upscaling, self._arrivals = manifest, upscaling, work.arrivals
        self._places = [(segment, n) for segment in segments for n in range(segment.first, segment.stop)]
        self._kept = {
            segment.number: KeptFrames(path) for segment in segments if (path := manifest.frames(segment)).exists()
        }
        self._lossless = Lossless(work.video.clip)
        self._made = 0
        self._keeps = keeps
        self.num_frames = len(self._places)

    def close(self) -> None:
        """Let go of the files, which stay."""
        for kept in self._kept.values():
            kept.close()

    def get_frame_async(self, place: int) -> "Future[vs.VideoFrame | KeptFrame]":
        """Ask for a frame."""
        segment, number = self._places[place]
        kept = self._kept.get(segment.number)
        if kept is None or number not in kept:
            made = self._clip.get_frame_async(number)
            made.add_done_callback(lambda _: self._arrivals.leave(number))
            return made
        found: Future[vs.VideoFrame | KeptFrame] = Future()
        found.set_result(KeptFrame(kept.read(number)))
        return found

    def unpack(self, frame: KeptFrame) -> Any:
        """Give a frame that was kept to the encoder."""
        return self._lossless.unpack(frame.packed)

    def keep(self, place: int, picture: Any) -> None:
        """Keep a frame that was made, if its segment would take long to be made anew.

        Args:
            place: In the row of segments.
            picture: A PyAV frame.
        """
        segment, number = self._places[place]
        self._made += 1
        if not self._keeps or self._upscaling.seconds_so_far() / self._made * segment.frames <= _SHORT:
            return
        try:
            if segment.number not in self._kept:
                self._kept[segment.number] = KeptFrames(self._manifest.frames(segment))
            self._kept[segment.number].keep(number, self._lossless.pack(picture))
        except OSError as error:  # the film itself may still have room
            self._keeps = False
            _log.warning("Upscaled frames are not kept any more (%s).", reason(error))

    def forget(self, segment: Segment) -> None:
        """Let go of a segment's file, as it is about to be sealed."""
        if kept := self._kept.get(segment.number):
            kept.close()
