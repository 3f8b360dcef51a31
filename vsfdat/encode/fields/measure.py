"""How much neighbouring fields comb where something moves, and how much a field differs from the next of its kind."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

type Rows = NDArray[np.int16]
type Map = NDArray[np.float32]

# Columns that are looked at, about: every second of a DVD's, so that looking costs less than decoding.
_COLUMNS = 320
# Pixels of a block, in fields: small enough for a mouth that moves.
_TALL, _WIDE = 8, 16
# Levels of 8 bits: alternating rows that differ by less are noise, and blocks that change by less are still.
_VISIBLE = 6
_MOVED = 1.5


@dataclass(frozen=True)
class Fields:
    """The two fields of a frame in 8 bits, `first` and `second` in time."""

    first: Rows
    second: Rows


@dataclass(frozen=True)
class Measures:
    """Of the fields of a row of frames, in the order of time, in levels of 8 bits.

    `combing[k]`: how much fields k and k + 1 comb together in the block where they do most. `change[k]`: how much field
    k + 2, which has the same rows, differs from field k where it does most.
    """

    combing: Map
    change: Map


def read_fields(frame: vs.VideoFrame, *, is_top_first: bool) -> Fields:
    """Take the fields out of a frame, in fewer columns: luma, or green.

    Args:
        frame: Of any format and an even height.
        is_top_first: The rows 0, 2, 4, ... come first in time.
    """
    plane = np.asarray(frame[1 if frame.format.color_family == vs.RGB else 0])
    plane = plane[:, :: _step(plane.shape[1])]
    if frame.format.sample_type == vs.FLOAT:
        plane = plane * 255
    elif frame.format.bits_per_sample > 8:
        plane = plane >> (frame.format.bits_per_sample - 8)
    top, bottom = plane[::2].astype(np.int16), plane[1::2].astype(np.int16)
    return Fields(top, bottom) if is_top_first else Fields(bottom, top)


def blank_fields(width: int, height: int) -> Fields:
    """Make the fields of a black frame of a size in pixels."""
    black = np.zeros((height // 2, -(-width // _step(width))), np.int16)
    return Fields(black, black)


def measure(frames: Iterable[Fields], *, is_top_first: bool, threads: int = 1) -> Measures:
    """Measure a row of frames.

    Args:
        frames: Two or more, in order.
        is_top_first: As they were read.
        threads: That work side by side.
    """
    measured = _Measured()
    with ThreadPoolExecutor(threads, "vsfdat-fields") as pool:
        waiting: deque[Future[tuple[list[Map], list[Map]]]] = deque()
        for before, frame in pairwise(frames):
            if measured.is_empty:
                measured.begin(_comb(before.first, before.second, is_top_first))
            waiting.append(pool.submit(_compare, before, frame, is_top_first))
            if len(waiting) > 2 * threads:
                measured.add(*waiting.popleft().result())
        for compared in waiting:
            measured.add(*compared.result())
    return measured.finish()


def _step(width: int) -> int:
    return max(1, width // _COLUMNS)


class _Measured:
    """Reduces maps to numbers as they come: those of a whole film would fill the memory."""

    def __init__(self) -> None:
        self._combing: list[float] = []
        self._change: list[float] = []
        self._links: deque[Map] = deque()
        self._last: Map | None = None
        self.is_empty = True

    def begin(self, link: Map) -> None:
        """Take how the fields of the first frame comb."""
        self._links.append(link)
        self.is_empty = False

    def add(self, links: list[Map], changes: list[Map]) -> None:
        """Take how the next two pairs of neighbours comb, and how the two fields before have changed."""
        self._links += links
        for change in changes:
            self._change.append(float(change.max()))
            self._settle(change)
            self._last = change

    def finish(self) -> Measures:
        """Give the numbers."""
        assert self._last is not None, "one frame has no next"
        while self._links:
            self._settle(self._last)
        return Measures(np.array(self._combing, np.float32), np.array(self._change, np.float32))

    def _settle(self, change: Map) -> None:
        """Find how much the block of a pair combs that does most, of those where something moves.

        What combs more than it changes is a pattern of rows, and none of fields.
        """
        moved = change if self._last is None else np.maximum(change, self._last)
        link = self._links.popleft()
        self._combing.append(float(np.max(link, where=moved > np.maximum(link, _MOVED), initial=0.0)))


def _compare(before: Fields, frame: Fields, is_top_first: bool) -> tuple[list[Map], list[Map]]:
    """Compare a frame's fields with each other and with those of the frame before, block by block."""
    links = [
        _comb(before.second, frame.first, not is_top_first),
        _comb(frame.first, frame.second, is_top_first),
    ]
    changes = [
        _by_block(np.abs(after - earlier))
        for earlier, after in ((before.first, frame.first), (before.second, frame.second))
    ]
    return links, changes


def _comb(earlier: Rows, later: Rows, is_earlier_top: bool) -> Map:
    """Measure two fields woven together: four rows in which both of one field are above both of the other.

    Three differences of neighbouring rows of one sign are that, which a slope is not, nor is a thin line.
    """
    top, bottom = (earlier, later) if is_earlier_top else (later, earlier)
    down, up = top - bottom, top[1:] - bottom[:-1]
    least = np.minimum(np.minimum(down[:-1], up), down[1:])
    most = np.maximum(np.maximum(down[:-1], up), down[1:])
    return _by_block(np.maximum(np.maximum(least, -most) - _VISIBLE, 0))


def _by_block(values: Rows) -> Map:
    """Average [h, w] over blocks; what does not fill one at the lower and right edge counts as one."""
    rows = np.arange(0, max(values.shape[0] - _TALL // 2, 1), _TALL)
    columns = np.arange(0, max(values.shape[1] - _WIDE // 2, 1), _WIDE)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0, dtype=np.int32), columns, axis=1)
    tall = np.diff([*rows, values.shape[0]])
    wide = np.diff([*columns, values.shape[1]])
    return np.asarray(sums / (tall[:, None] * wide), np.float32)
