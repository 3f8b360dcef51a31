"""A video file as a VapourSynth clip whose every frame knows its time."""

import bisect
import contextlib
import functools
import itertools
import logging
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import vapoursynth as vs

from vsfdat.console import missing
from vsfdat.errors import EncodeError

from .container import clock_jumps_back, open_container, reason, video_stream
from .extras import require

_log = logging.getLogger(__name__)

# These count from wherever the broadcast's clock stood; every other container from the beginning of the film.
_BROADCAST = ("mpegts", "mpeg")

# What BestSource says instead of opening a file, where it is asked for times that the container leaves out.
_NO_TIMES = "frames with unknown timestamp"

# Of seconds: by less, a careless muxer sets single frames back; by more, another recording begins.
_JUMP = Fraction(1, 2)


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


@dataclass(frozen=True)
class _Stream:
    """What the container says of the video; `start`, `origin` and `end` in units of `time_base`, unknown as 0."""

    index: int
    size: tuple[int, int]
    time_base: Fraction
    start: int
    origin: int
    end: int
    is_broadcast: bool


def open_source(path: Path) -> Source:
    """Open a video file with BestSource. Its index lives in memory: nothing is written beside the file.

    Raises:
        EncodeError: No file, no video in it, none that can be decoded, or its clock jumps back midway.
    """
    stream = _probe(path)
    clip, milliseconds = _decode(path, stream.index)
    _tell_what_is_cut_off(clip, stream)
    pts = _exact_times(path, stream, clip, milliseconds)
    end = stream.end if stream.end > pts[-1] else pts[-1] + _typical_duration(pts, clip, stream.time_base)
    return Source(path, clip, pts, end, stream.time_base, stream.origin)


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


def _probe(path: Path) -> _Stream:
    with open_container(path) as container:
        stream = video_stream(container, path)
        is_broadcast = any(name in _BROADCAST for name in container.format.name.split(","))
        begins = Fraction(container.start_time or 0, 1_000_000) if is_broadcast else 0
        start = stream.start_time or 0
        return _Stream(
            index=stream.index,
            size=(stream.width, stream.height),
            time_base=stream.time_base,
            start=start,
            origin=round(begins / stream.time_base),
            end=start + stream.duration if stream.duration else 0,
            is_broadcast=is_broadcast,
        )


def _decode(path: Path, index: int) -> tuple[vs.VideoNode, list[Fraction]]:
    """Open a stream with BestSource, and read from it when each frame is shown, in milliseconds; empty if unknown."""
    if not hasattr(vs.core, "bs"):
        raise EncodeError(missing("BestSource (vapoursynth-bestsource)"))
    open_clip = functools.partial(vs.core.bs.VideoSource, os.fsencode(path.resolve()), track=index, cachemode=0)
    with tempfile.TemporaryDirectory(prefix="vsfdat-") as folder:
        timecodes = Path(folder) / "timecodes.txt"
        try:
            clip, lines = open_clip(timecodes=str(timecodes)), timecodes.read_text().splitlines()
        except vs.Error as error:
            if _NO_TIMES not in str(error):
                raise EncodeError(f"{path}: its video cannot be decoded ({reason(error)})") from error
            clip, lines = open_clip(), []
    if clip.format.id == 0 or clip.width == 0:
        raise EncodeError(f"{path}: its picture changes format or size midway, cut it into files of one size first")
    return clip, [Fraction(line) for line in lines if line and not line.startswith("#")]


def _tell_what_is_cut_off(clip: vs.VideoNode, stream: _Stream) -> None:
    # Sorted, because BestSource turns pictures upright.
    if any(side % 2 for side in stream.size) and sorted((clip.width, clip.height)) != sorted(stream.size):
        _log.warning(
            "Pictures of %dx%d cannot be held with chroma of half the size; the last column or row is cut off.",
            *stream.size,
        )


def _exact_times(path: Path, stream: _Stream, clip: vs.VideoNode, milliseconds: list[Fraction]) -> list[int]:
    """Turn BestSource's hundredths of a millisecond back into the ticks they were rounded from.

    Unambiguous down to the 1/90000 s of broadcasts; a file with finer ticks than 1/100000 s is off by 5 µs at most.
    Where BestSource knows no times FFmpeg may, and what neither knows runs at a constant rate from the stream's start.
    """
    pts = [round(value / 1000 / stream.time_base) for value in milliseconds] or _ffmpeg_times(path, stream)
    steps = [later - earlier for earlier, later in itertools.pairwise(pts)]
    if min(steps, default=0) * stream.time_base < -_JUMP:
        raise clock_jumps_back(path)
    if len(pts) == clip.num_frames and min(steps, default=1) > 0:
        return pts
    fps = clip.fps or Fraction(25)
    _log.warning("The file does not say when each frame is shown; taken as a constant %.3f frames a second.", fps)
    return [stream.start + round(n / fps / stream.time_base) for n in range(clip.num_frames)]


def _ffmpeg_times(path: Path, stream: _Stream) -> list[int]:
    """Decode a stream for the times that FFmpeg works out from the frames before and after; empty if it cannot.

    Discs need it: there the frames of a film stay for two fields or three, which is no constant rate.
    """
    pts: list[int] = []
    # Of a damaged file the times end where the damage begins, which is as good as none.
    with open_container(path) as container, contextlib.suppress(require("av").FFmpegError):
        video = container.streams[stream.index]
        video.thread_type = "AUTO"
        for frame in container.decode(video):
            if frame.pts is None:
                return []
            pts.append(frame.pts)
    # Only broadcasts state times: any other is the decoder's own, late by the frames that it held back.
    late = pts[0] - stream.start if pts and not stream.is_broadcast else 0
    return [value - late for value in pts]


def _typical_duration(pts: list[int], clip: vs.VideoNode, time_base: Fraction) -> int:
    """Guess how long a frame stays that has no next one: as long as most others."""
    if len(pts) == 1:
        return round(1 / (clip.fps or Fraction(25)) / time_base)
    return statistics.median_low(later - earlier for earlier, later in itertools.pairwise(pts))
