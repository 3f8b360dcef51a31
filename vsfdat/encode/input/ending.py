"""Where a film's packets end, whatever the file's header promises."""

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..extras import require
from .decoding import Film

_log = logging.getLogger(__name__)

# Their headers say how long the video is, or all of the file; of all others FFmpeg reckons it from the end of the file.
_PROMISE_VIDEO = {"mov", "avi"}
_PROMISE_ALL = {"matroska", "flv"}

# Of seconds: headers round.
_MISSED = 1


@dataclass(frozen=True)
class Ending:
    """How a film ends: `duration` of its last picture in ticks, 0 if unknown; whether packets come `later`."""

    duration: int
    later: bool


def find_ending(film: Film, typical: int) -> Ending:
    """Read a file's packets from the film's last picture on, and warn where its header promises more.

    Args:
        film: What BestSource found.
        typical: Ticks that most pictures stay.
    """
    last, ends, later = film.pts[-1], film.pts[-1], False
    with film.open_at(last) as (container, video):
        promise = _read_promise(container, video)
        if promise is None and not film.has_stamps:
            return Ending(0, later=False)
        all_end = last * film.time_base
        for packet, begins in _timed_packets(container):
            duration = packet.duration or 0
            is_ours = packet.stream_index == film.stream_index
            if is_ours or not promise or not promise.is_videos:
                all_end = max(all_end, begins + duration * packet.time_base)
            if is_ours and packet.pts is not None and not packet.is_discard:
                # The last picture's own: two where it came as two fields.
                ends = max(ends, packet.pts + duration) if last <= packet.pts < last + typical else ends
                later = later or packet.pts > last
    if promise is not None:
        _tell_what_is_missing(film, all_end, promise.seconds)
        ends = min(ends, max(last, math.ceil(promise.seconds / film.time_base)))
    return Ending(ends - last, later and film.has_stamps)


def decode_later(film: Film) -> list[int]:
    """Decode what comes after a film's last picture, for its times."""
    last = film.pts[-1]
    found = [pts for pts, picture in film.decode(last) if picture is not None]
    known = sum(pts >= min(found, default=last) for pts in film.pts)
    # Where as many are known, one decoder only calls their times otherwise than the other.
    return sorted({pts for pts in found if pts > last}) if len(found) > known else []


@dataclass(frozen=True)
class _Promise:
    """When a header says that its video, or else the longest of its streams, ends, in seconds."""

    seconds: Fraction
    is_videos: bool


def _read_promise(container: Any, video: Any) -> _Promise | None:
    names = set(container.format.name.split(","))
    if names & _PROMISE_VIDEO:
        lasts = (video.duration or 0) * video.time_base
        if video.frames and video.average_rate:
            lasts = max(lasts, video.frames / video.average_rate)
        return _Promise((video.start_time or 0) * video.time_base + lasts, is_videos=True)
    if names & _PROMISE_ALL and container.duration:
        # Some count from when the first packet is shown, and some from nought, which is never later.
        return _Promise(Fraction(container.duration, 1_000_000), is_videos=False)
    return None


def _timed_packets(container: Any) -> Iterator[tuple[Any, Fraction]]:
    with contextlib.suppress(require("av").InvalidDataError):  # of the container, beyond which there is no way
        for packet in container.demux():
            begins = packet.dts if packet.pts is None else packet.pts
            if begins is not None:
                yield packet, begins * packet.time_base


def _tell_what_is_missing(film: Film, ends: Fraction, promised: Fraction) -> None:
    origin = film.origin * film.time_base
    if promised - ends > _MISSED:
        _log.warning(
            "%s: ends at %.2f s, and its header promises %.2f s: %.0f %% of it is missing, as when a download stopped.",
            film.path, ends - origin, promised - origin, 100 * (promised - ends) / (promised - origin),
        )  # fmt: skip
