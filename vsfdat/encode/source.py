"""A video file as a VapourSynth clip whose every frame knows its time."""

import bisect
import itertools
import logging
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsfdat.errors import EncodeError

from .extras import missing, require

_log = logging.getLogger(__name__)

# These count from wherever the broadcast's clock stood; every other container from the beginning of the film.
_BROADCAST = ("mpegts", "mpeg")


@dataclass(frozen=True)
class Source:
    """The frames of a file, or of a cut of it.

    `pts` are the frames' times and `end` is when the last one goes, in units of `time_base`, as the file has them;
    `origin`, in the same unit, is the moment that the output counts from.
    """

    path: Path
    clip: vs.VideoNode
    pts: Sequence[int]
    end: int
    time_base: Fraction
    origin: int
    is_cut: bool = False

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second, on average; the file's own number where that says the same."""
        mean = Fraction(len(self.pts), self.end - self.pts[0]) / self.time_base
        stated = self.clip.fps
        return stated if abs(stated - mean) < mean / 100 else mean.limit_denominator(1001)


def open_source(path: Path) -> Source:
    """Open a video file with BestSource. Its index lives in memory: nothing is written beside the file.

    Raises:
        EncodeError: No file, no video in it, or none that can be decoded.
    """
    time_base, index, origin, end = _probe(path)
    clip, milliseconds = _decode(path, index)
    pts = _exact_times(milliseconds, clip, time_base)
    end = end if end > pts[-1] else pts[-1] + _typical_duration(pts, clip, time_base)
    return Source(path, clip, pts, end, time_base, origin)


def cut(source: Source, start: float | None, end: float | None) -> Source:
    """Keep the frames that begin within [start, end), in seconds from the beginning of the film.

    Raises:
        EncodeError: None does.
    """
    if start is None and end is None:
        return source

    def first_at(seconds: float) -> int:
        return bisect.bisect_left(source.pts, source.origin + round(Fraction(seconds) / source.time_base))

    first = 0 if start is None else first_at(start)
    stop = len(source.pts) if end is None else first_at(end)
    if first >= stop:
        lasts = float((source.end - source.origin) * source.time_base)
        raise EncodeError(
            f"{source.path}: no frame from {start or 0:g} s to {'its end' if end is None else f'{end:g} s'}, "
            f"it lasts {lasts:.2f} s"
        )
    return replace(
        source,
        clip=source.clip[first:stop],
        pts=source.pts[first:stop],
        end=source.pts[stop] if stop < len(source.pts) else source.end,
        origin=source.origin if start is None else source.pts[first],
        is_cut=True,
    )


def open_container(path: Path) -> Any:
    """Open a file with PyAV for reading.

    Raises:
        EncodeError: No such file, or not one that holds video or sound.
    """
    av = require("av")
    if not path.is_file():
        raise EncodeError(f"input not found: {path}")
    try:
        return av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise EncodeError(f"{path}: not a readable video file ({_reason(error)})") from error


def video_stream(container: Any, path: Path) -> Any:
    """Choose the stream that a player would show; cover pictures are no video.

    Raises:
        EncodeError: There is none.
    """
    best = container.streams.best("video")
    if best is None or best.disposition & require("av").stream.Disposition.attached_pic:
        raise EncodeError(f"{path}: holds no video stream")
    return best


def _probe(path: Path) -> tuple[Fraction, int, int, int]:
    """Read time base, index, origin and end of the video stream; an unknown end is 0."""
    with open_container(path) as container:
        stream = video_stream(container, path)
        end = (stream.start_time or 0) + stream.duration if stream.duration else 0
        counts_from_zero = not any(name in _BROADCAST for name in container.format.name.split(","))
        begins = 0 if counts_from_zero else Fraction(container.start_time or 0, 1_000_000)
        return stream.time_base, stream.index, round(begins / stream.time_base), end


def _decode(path: Path, index: int) -> tuple[vs.VideoNode, list[Fraction]]:
    """Open a stream with BestSource, and read from it when each frame is shown, in milliseconds."""
    if not hasattr(vs.core, "bs"):
        raise EncodeError(missing("BestSource (vapoursynth-bestsource)"))
    with tempfile.TemporaryDirectory(prefix="vsfdat-") as folder:
        timecodes = Path(folder) / "timecodes.txt"
        try:
            clip = vs.core.bs.VideoSource(str(path.resolve()), track=index, cachemode=0, timecodes=str(timecodes))
        except vs.Error as error:
            raise EncodeError(f"{path}: its video cannot be decoded ({_reason(error)})") from error
        lines = timecodes.read_text().splitlines()
    if clip.format.id == 0 or clip.width == 0:
        raise EncodeError(f"{path}: its picture changes format or size midway, cut it into files of one size first")
    return clip, [Fraction(line) for line in lines if line and not line.startswith("#")]


def _exact_times(milliseconds: list[Fraction], clip: vs.VideoNode, time_base: Fraction) -> list[int]:
    """Turn BestSource's hundredths of a millisecond back into the ticks they were rounded from.

    Unambiguous down to the 1/90000 s of broadcasts; a file with finer ticks than 1/100000 s is off by 5 µs at most.
    """
    pts = [round(value / 1000 / time_base) for value in milliseconds]
    if len(pts) == clip.num_frames and all(earlier < later for earlier, later in itertools.pairwise(pts)):
        return pts
    fps = clip.fps or Fraction(25)
    _log.warning("The file does not say when each frame is shown; taken as a constant %.3f frames a second.", fps)
    return [round(n / fps / time_base) for n in range(clip.num_frames)]


def _typical_duration(pts: list[int], clip: vs.VideoNode, time_base: Fraction) -> int:
    """Guess how long a frame stays that has no next one: as long as most others."""
    if len(pts) == 1:
        return round(1 / (clip.fps or Fraction(25)) / time_base)
    return statistics.median_low(later - earlier for earlier, later in itertools.pairwise(pts))


def _reason(error: BaseException) -> str:
    """Shorten a library's message to what went wrong: the file is named already."""
    text = getattr(error, "strerror", None) or str(error)
    return text.removeprefix("VideoSource: ").strip().partition("\n")[0]
