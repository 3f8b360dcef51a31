"""Times of frames that rise, made of those that a damaged file gives."""

import bisect
import itertools
import statistics
from collections.abc import Sequence

# Frames in a row with wrong times, or with none at all: of more than so many nobody knows how long they stayed.
_WRONG = 10
_UNKNOWN = 100


def rise(times: Sequence[int | None]) -> list[int] | None:
    """Have times rise: the few that do not, or are unknown, lie evenly between those around; None if they are many.

    Where a frame is lost decoders show the next ones out of turn, and a flipped bit sends a single one anywhere.
    """
    kept = _longest_rise(times)
    known = [(index, time) for index in kept if (time := times[index]) is not None]
    if len(known) == len(times):
        return [time for _, time in known]
    if len(known) < 2:
        return None
    step = typical_duration([time for _, time in known])
    (first, begin), (last, end) = known[0], known[-1]
    # As if there were a frame of the typical duration before the first and after the last.
    known = [(-1, begin - step * (first + 1)), *known, (len(times), end + step * (len(times) - last))]
    mended: list[int] = []
    for (before, earlier), (after, later) in itertools.pairwise(known):
        lost = times[before + 1 : after]
        wrong = sum(time is not None for time in lost)
        if wrong > _WRONG or len(lost) > _UNKNOWN or later - earlier <= len(lost):
            return None
        mended += [earlier + (later - earlier) * n // (len(lost) + 1) for n in range(1, len(lost) + 1)]
        mended.append(later)
    return mended[:-1]


def typical_duration(times: Sequence[int]) -> int:
    """Say how long most frames stay, of two or more."""
    return statistics.median_low(later - earlier for earlier, later in itertools.pairwise(times))


def _longest_rise(times: Sequence[int | None]) -> list[int]:
    """Find the longest run of indices, not necessarily neighbours, whose times rise."""
    ends: list[int] = []  # of runs of each length, the least time that one ends with
    last: list[int] = []  # and its index
    before: dict[int, int] = {}
    for index, time in enumerate(times):
        if time is None:
            continue
        length = bisect.bisect_left(ends, time)
        ends[length : length + 1], last[length : length + 1] = [time], [index]
        if length:
            before[index] = last[length - 1]
    found = last[-1:]
    while found and found[-1] in before:
        found.append(before[found[-1]])
    return found[::-1]
