"""A video file as a VapourSynth clip whose every frame knows its time."""

import bisect
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import vapoursynth as vs

from vsfdat.errors import EncodeError

from ..container import clock_jumps_back, open_container, video_stream
from .bestsource import index_frames, read_properties
from .decoding import Film, decode_past_damage
from .ending import Ending, decode_later, find_ending
from .mending import Mending
from .times import rise, typical_duration
from .upright import turn_upright

_log = logging.getLogger(__name__)

# These count from wherever the broadcast's clock stood; every other container from the beginning of the film.
_BROADCAST = ("mpegts", "mpeg")

# Of BestSource's properties, what is true of every frame of a file.
_CONSTANT = (
    "_Matrix", "_Primaries", "_Transfer", "_Range", "_ChromaLocation", "_FieldBased", "_SARNum", "_SARDen",
)  # fmt: skip

# Frames beside a cut that are looked at: cadences of film go round in ten.
_AROUND = 30

# Of seconds: by less, a careless muxer sets single frames back; by more, another recording begins.
_JUMP = Fraction(1, 2)


@dataclass(frozen=True)
class Source:
    """The frames of a file, or of a cut of it.

    `pts` are the frames' times and `end` is when the last one goes, in units of `time_base`, as the file has them;
    `origin`, in the same unit, is the moment that the output counts from. `film` is all of the file, and `mending`
    asks again for frames of `clip` that could not be had. `fields` names what was made of the frames' fields.
    """

    path: Path
    clip: vs.VideoNode
    pts: Sequence[int]
    end: int
    time_base: Fraction
    origin: int
    film: Film
    mending: Mending
    is_cut: bool = False
    fields: str = ""

    def in_film(self, time: int | Fraction) -> Fraction:
        """Give a time in the unit that `film` and the file's packets count in, which may be a coarser one."""
        return time * self.time_base / self.film.time_base

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second, on average; the file's own number where that says the same."""
        mean = Fraction(len(self.pts), self.end - self.pts[0]) / self.time_base
        stated = self.clip.fps
        return stated if abs(stated - mean) < mean / 100 else mean.limit_denominator(1001)


@dataclass(frozen=True)
class _Stream:
    """What the container says of the video; `start` and `origin` in units of `time_base`, unknown as 0."""

    index: int
    size: tuple[int, int]
    time_base: Fraction
    start: int
    origin: int
    is_broadcast: bool
    states_times: bool
    has_alpha: bool


def open_source(path: Path) -> Source:
    """Open a video file with BestSource. Its index lives in memory: nothing is written beside the file.

    Raises:
        EncodeError: No file, no video in it, none that can be decoded, or its clock jumps back midway.
    """
    stream = _probe(path)
    direct, stamps = index_frames(path, stream.index, stream.time_base)
    _tell_what_is_cut_off(direct, stream)
    film = _time(path, stream, direct, stamps)
    typical = _typical_duration(film.pts, direct, film.time_base)
    ending = find_ending(film, typical)
    if ending.later:
        film, ending = _go_on(film), Ending(0, later=False)
    props = read_properties(direct)
    if stream.has_alpha or "_Alpha" in props:
        _log.warning("The file's transparency is left out.")
    mending = Mending(film, direct, {name: props[name] for name in _CONSTANT if name in props})
    clip = turn_upright(mending.make_clip(), props)
    end = film.pts[-1] + (ending.duration or typical)
    return Source(path, clip, film.pts, end, film.time_base, film.origin, film, mending)


def around(source: Source, start: float | None, end: float | None) -> Source:
    """Keep the frames of a cut with those a little before and after: who looks at frames looks at no more than these.

    Raises:
        EncodeError: No frame begins in the cut.
    """
    first, stop = _find(source, start, end)
    first, stop = max(0, first - _AROUND), min(len(source.pts), stop + _AROUND)
    return replace(source, clip=source.clip[first:stop], pts=source.pts[first:stop], end=_ends(source, stop))


def cut(source: Source, start: float | None, end: float | None) -> Source:
    """Keep the frames that begin within [start, end), in seconds from the beginning of the film.

    Raises:
        EncodeError: None does.
    """
    if start is None and end is None:
        return source
    first, stop = _find(source, start, end)
    return replace(
        source,
        clip=source.clip[first:stop],
        pts=source.pts[first:stop],
        end=_ends(source, stop),
        origin=source.origin if start is None else source.pts[first],
        is_cut=True,
    )


def _find(source: Source, start: float | None, end: float | None) -> tuple[int, int]:
    """Find the frames [first, stop) that begin within [start, end)."""

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
    return first, stop


def _ends(source: Source, stop: int) -> int:
    """Say when the frame before frame `stop` goes."""
    return source.pts[stop] if stop < len(source.pts) else source.end


def _probe(path: Path) -> _Stream:
    with open_container(path) as container:
        stream = video_stream(container, path)
        names = container.format.name.split(",")
        is_broadcast = any(name in _BROADCAST for name in names)
        begins = Fraction(container.start_time or 0, 1_000_000) if is_broadcast else 0
        return _Stream(
            index=stream.index,
            size=(stream.width, stream.height),
            time_base=stream.time_base,
            start=stream.start_time or 0,
            origin=round(begins / stream.time_base),
            is_broadcast=is_broadcast,
            # FFmpeg counts its packets instead, and otherwise after a seek than from the beginning.
            states_times="avi" not in names,
            # Beside the pictures of VP8 and VP9, where their decoders do not look.
            has_alpha=("alpha_mode", "1") in {(key.lower(), value) for key, value in stream.metadata.items()},
        )


def _tell_what_is_cut_off(clip: vs.VideoNode, stream: _Stream) -> None:
    if any(side % 2 for side in stream.size) and (clip.width, clip.height) != stream.size:
        _log.warning(
            "Pictures of %dx%d cannot be held with chroma of half the size; the last column or row is cut off.",
            *stream.size,
        )


def _time(path: Path, stream: _Stream, clip: vs.VideoNode, stamps: list[int | None]) -> Film:
    """Settle when each frame is shown.

    Where BestSource knows no times FFmpeg may, and what neither knows runs at a constant rate from the stream's start.
    """
    has_stamps = bool(stamps) and None not in stamps
    times = stamps if has_stamps else _ffmpeg_times(path, stream)
    pts = _settle_times(path, times) if len(times) == clip.num_frames else None
    if pts is None:
        if _steps_back(times) * stream.time_base > _JUMP:
            raise clock_jumps_back(path)
        fps = clip.fps or Fraction(25)
        _log.warning("The file does not say when each frame is shown; taken as a constant %.3f frames a second.", fps)
        constant = [stream.start + round(n / fps / stream.time_base) for n in range(clip.num_frames)]
        return Film(path, stream.index, constant, stream.time_base, stream.origin, has_stamps=False)
    has_stamps = has_stamps and stream.states_times
    return Film(path, stream.index, pts, stream.time_base, stream.origin, has_stamps)


def _settle_times(path: Path, times: Sequence[int | None]) -> list[int] | None:
    """Take times as they are if they rise, or mend them if few do not."""
    mended = rise(times)
    wrong = sum(time != settled for time, settled in zip(times, mended or (), strict=False))
    if wrong:
        _log.warning(
            "%s: %d of %d frames have a wrong time or none; they are shown between those around them.",
            path, wrong, len(times),
        )  # fmt: skip
    return mended


def _steps_back(times: Sequence[int | None]) -> int:
    """Find the largest step back from one known time to the next, in ticks."""
    known = [time for time in times if time is not None]
    return max((earlier - later for earlier, later in itertools.pairwise(known)), default=0)


def _ffmpeg_times(path: Path, stream: _Stream) -> list[int | None]:
    """Decode a stream for the times that FFmpeg works out from the frames before and after, or does not.

    Discs need it: there the frames of a film stay for two fields or three, which is no constant rate.
    """
    with open_container(path) as container:
        decoded = decode_past_damage(container, container.streams[stream.index], threads=0)
        times = [frame.pts for frame in decoded if frame is not None]
    # Only broadcasts state times: any other is the decoder's own, late by the frames that it held back.
    first = times[0] if times else None
    late = first - stream.start if first is not None and not stream.is_broadcast else 0
    return [None if time is None else time - late for time in times]


def _go_on(film: Film) -> Film:
    """Add what FFmpeg decodes after the last frame that BestSource knows of."""
    later = decode_later(film)
    if later:
        _log.warning(
            "%s: BestSource takes the damage at %.2f s for the end; FFmpeg decodes the rest, in one thread.",
            film.path, (film.pts[-1] - film.origin) * film.time_base,
        )  # fmt: skip
    return replace(film, pts=[*film.pts, *later])


def _typical_duration(pts: Sequence[int], clip: vs.VideoNode, time_base: Fraction) -> int:
    """Guess how long a frame stays that has no next one: as long as most others."""
    return typical_duration(pts) if len(pts) > 1 else max(1, round(1 / (clip.fps or Fraction(25)) / time_base))
