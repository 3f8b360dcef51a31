"""Opening a film with BestSource, which decodes all of it once to know each frame and its time."""

import contextlib
import logging
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsfdat.console import missing
from vsfdat.errors import EncodeError

from ..container import reason

# Its word for a time that neither the container states nor FFmpeg works out.
_UNKNOWN = -(2**63)

# What it says where it decodes nothing at all.
_NO_FRAME = "Indexing of"

# Of frames that it may refuse at the beginning.
_TRIES = 100


def index_frames(path: Path, stream: int, time_base: Fraction) -> tuple[vs.VideoNode, list[int | None]]:
    """Open a stream, as its pictures are stored, and ask when each is shown, in ticks; None where that is unknown.

    The index lives in memory: nothing is written anywhere.

    Raises:
        EncodeError: BestSource is not installed, or decodes nothing, or pictures of several kinds.
    """
    if not hasattr(vs.core, "bs"):
        raise EncodeError(missing("BestSource (vapoursynth-bestsource)"))
    try:
        found = _open(path, stream)
    except vs.Error as error:
        why = "not one frame of it" if _NO_FRAME in str(error) else reason(error)
        raise EncodeError(f"{path}: its video cannot be decoded ({why})") from error
    clip = found["clip"]
    if clip.format.id == 0 or clip.width == 0:
        raise EncodeError(f"{path}: its picture changes format or size midway, cut it into files of one size first")
    stamps = found["timestamps"] if clip.num_frames > 1 else [found["timestamps"]]
    ticks = Fraction(found["timebasenum"], found["timebaseden"]) / time_base
    return clip, [None if stamp == _UNKNOWN else round(stamp * ticks) for stamp in stamps]


def read_properties(clip: vs.VideoNode) -> dict[str, Any]:
    """Read the properties of the first frame that can be had; none if none can."""
    for n in range(min(clip.num_frames, _TRIES)):
        with contextlib.suppress(vs.Error), clip.get_frame(n) as frame:
            return dict(frame.props)
    return {}


def _open(path: Path, stream: int) -> dict[str, Any]:
    """Open with as many threads as there are cores, or with one, which goes on where many give up."""
    # A path may hold bytes that are no text.
    name = os.fsencode(path.resolve())
    options = {"track": stream, "cachemode": 0, "exporttimestamps": True, "apply_rotation": False}
    with _undeclared():
        try:
            return dict(vs.core.bs.VideoSource(name, **options))
        except vs.Error as error:
            if _NO_FRAME not in str(error):
                raise
            return dict(vs.core.bs.VideoSource(name, threads=1, **options))


@contextlib.contextmanager
def _undeclared() -> Iterator[None]:
    """Let BestSource give the times, which it does not declare, without VapourSynth's warning of that."""

    def is_other(record: logging.LogRecord) -> bool:
        return "no return value(s) named" not in record.getMessage()

    logger = logging.getLogger("vapoursynth")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
