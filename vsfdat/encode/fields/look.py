"""Looking at a film's frames: at a few for whether there is anything to do, at all of them where there is."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import vapoursynth as vs

from ..input.mending import Watched
from .cadence import seen
from .measure import Fields, Measures, blank_fields, measure, read_fields

# Of a long film so many frames in a row are looked at in so many places: enough to meet all that 3:2 makes of film.
_PLACES, _IN_A_ROW = 16, 8

# By how much less the fields of neighbouring frames comb in the other order where the file's word for it is wrong.
_LESS = 0.7


@dataclass(frozen=True)
class Glance:
    """What a few frames show: how many are `flagged` interlaced, how many are `combed`, which field comes first."""

    flagged: int
    combed: int
    is_top_first: bool


def glance(watched: Watched, clip: vs.VideoNode) -> Glance:
    """Look at a few frames all over a clip.

    Args:
        watched: Gives the clip's frames.
        clip: Of two frames or more.
    """
    flags: Counter[int] = Counter()
    across = {True: 0.0, False: 0.0}
    combed = 0
    for numbers in _places(clip.num_frames):
        frames = list(_read(watched, clip, numbers, flags, is_top_first=True))
        for is_top_first in across:
            ordered = frames if is_top_first else [Fields(frame.second, frame.first) for frame in frames]
            measures = measure(ordered, is_top_first=is_top_first)
            across[is_top_first] += float(measures.combing[1::2].sum())
        combed += int(np.count_nonzero(seen(measures.combing[::2])))
    says_bottom = flags[vs.FIELD_BOTTOM] > flags[vs.FIELD_TOP]
    is_otherwise = across[says_bottom] < across[not says_bottom] * _LESS
    return Glance(flags[vs.FIELD_BOTTOM] + flags[vs.FIELD_TOP], combed, is_top_first=says_bottom == is_otherwise)


def look_at_all(watched: Watched, clip: vs.VideoNode, *, is_top_first: bool) -> Measures:
    """Measure all fields of a clip.

    Args:
        watched: Gives the clip's frames.
        clip: Of two frames or more.
        is_top_first: The rows 0, 2, 4, ... come first in time.
    """
    frames = _read(watched, clip, range(clip.num_frames), Counter(), is_top_first=is_top_first)
    return measure(frames, is_top_first=is_top_first, threads=vs.core.num_threads)


def _places(frames: int) -> list[range]:
    if frames <= _PLACES * _IN_A_ROW:
        return [range(frames)]
    starts = np.linspace(0, frames - _IN_A_ROW, _PLACES).astype(int).tolist()
    return [range(start, start + _IN_A_ROW) for start in starts]


def _read(
    watched: Watched, clip: vs.VideoNode, numbers: Sequence[int], flags: Counter[int], *, is_top_first: bool
) -> Iterator[Fields]:
    """Yield the fields of frames, and count what the frames say of them; of one that is lost those before it."""
    last = blank_fields(clip.width, clip.height)
    waiting = deque(watched.get_frame_async(n) for n in numbers[: vs.core.num_threads])
    left = iter(numbers[vs.core.num_threads :])
    while waiting:
        found = waiting.popleft()
        if (n := next(left, None)) is not None:
            waiting.append(watched.get_frame_async(n))
        try:
            with found.result() as frame:
                last = read_fields(frame, is_top_first=is_top_first)
                flags[int(frame.props.get("_FieldBased", 0))] += 1
        except vs.Error:
            pass  # who needs the picture says so
        yield last
