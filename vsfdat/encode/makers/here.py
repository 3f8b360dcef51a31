"""Segments made in this process, one after the other, from frames that never stop coming."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Sequence

from ..pace import Busy, Pace
from ..segments import Manifest, Segment
from ..work import Work
from .frames import Frames
from .pump import write_all
from .segmented import Segmented


class Here:
    """Makes segments on the devices of this machine.

    Args:
        work: The film.
        keeps_part: After an interrupt the segment under way is left as a file, as far as it is.
        keeps_frames: Slow frames are kept until their segment is sealed.
    """

    def __init__(self, work: Work, *, keeps_part: bool = False, keeps_frames: bool = True) -> None:
        self._work, self._keeps_part, self._keeps_frames = work, keeps_part, keeps_frames

    def make(
        self, segments: Sequence[Segment], manifest: Manifest, advance: Callable[[int], None], stop: threading.Event
    ) -> Pace:
        """Make segments, as a `Maker` does."""
        work, upscaling = self._work, Busy()
        with (
            contextlib.closing(Frames(work, segments, manifest, upscaling, keeps=self._keeps_frames)) as frames,
            contextlib.closing(Segmented(work, segments, manifest, frames, keeps_part=self._keeps_part)) as writer,
        ):
            pace = write_all(frames, writer, work.least_ahead, advance, stop, upscaling, work.arrivals.computing)
        return dataclasses.replace(pace, repeats=writer.repeats)
