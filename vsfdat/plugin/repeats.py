"""Pictures that are given again where the same frames are to be upscaled again, as drawn animation has them."""

import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsfdat.frames import Plane
from vsfdat.frames import planes as planes_of

# Pictures and the frames that they were made of are kept while they take no more memory than this, but for the last.
_ROOM = 512 << 20
_MOST = 8
_ROWS_LOOKED_AT = 8
_CHUNK = 64  # rows, whole blocks, after which a comparison may end
_BLOCK = 8


@dataclass(frozen=True)
class Source:
    """A frame's number and planes, and the samples that mean 0 and 1."""

    number: int
    planes: Sequence[Plane]
    levels: tuple[int, int]


@dataclass(frozen=True)
class _Made:
    sources: Sequence[Source]
    mark: int
    picture: Future[vs.VideoFrame]


class Repeats:
    """Has each picture made once while it is remembered, whoever asks for it and in whatever order.

    Who asks for a picture that another thread is making waits for that one.

    Args:
        tolerance: The largest mean difference of a block of 8x8 samples, in steps of 8 bits, by which frames are taken
            for the same; 0 for identical ones alone.
    """

    def __init__(self, tolerance: float = 0) -> None:
        self._tolerance = tolerance
        self._lock = threading.Lock()
        self._made: list[_Made] = []

    def get(self, sources: Sequence[Source], make: Callable[[], vs.VideoFrame]) -> tuple[vs.VideoFrame, bool]:
        """Give the picture of some frames.

        Args:
            sources: The frames, of one size.
            make: Makes it.

        Returns:
            The picture, not to be changed, and whether it was there already.

        Raises:
            Exception: What `make` raised, for whoever waited too.
        """
        made, is_repeat = self._find_or_begin(sources)
        if is_repeat:
            return made.picture.result(), True
        try:
            picture = make()
        except BaseException as error:
            made.picture.set_exception(error)
            self._forget(made)
            raise
        made.picture.set_result(picture)
        self._clear_up(picture)
        return picture, False

    def _find_or_begin(self, sources: Sequence[Source]) -> tuple[_Made, bool]:
        """Find what is made of the same frames, or note that it is being made now, and tell which."""
        mark, compared = _mark(sources), set[int]()
        while True:
            with self._lock:
                others = [made for made in reversed(self._made) if id(made) not in compared]
                if not others:
                    self._made.append(_Made(sources, mark, Future()))
                    return self._made[-1], False
            # Without the lock, which others may add to meanwhile.
            for made in others:
                if self._is_same(made, sources, mark):
                    return made, True
            compared.update(map(id, others))

    def _is_same(self, made: _Made, sources: Sequence[Source], mark: int) -> bool:
        if self._tolerance == 0 and made.mark != mark:
            return False
        pairs = zip(made.sources, sources, strict=True)
        return all(_are_same(one, other, self._tolerance) for one, other in pairs)

    def _forget(self, made: _Made) -> None:
        with self._lock:
            self._made.remove(made)

    def _clear_up(self, picture: vs.VideoFrame) -> None:
        """Forget the pictures that were made first."""
        with self._lock:
            done = [made for made in self._made if made.picture.done()]
            most = max(1, min(_MOST, _ROOM // _bytes_of(picture, done[-1].sources)))
            for made in done[:-most]:
                self._made.remove(made)


def _bytes_of(picture: vs.VideoFrame, sources: Sequence[Source]) -> int:
    return sum(
        plane.nbytes for planes in (planes_of(picture), *(source.planes for source in sources)) for plane in planes
    )


def _mark(sources: Sequence[Source]) -> int:
    """Sum a few rows up: frames with different sums are different."""
    mark = 0
    for source in sources:
        for plane in source.planes:
            rows = (np.arange(_ROWS_LOOKED_AT) * len(plane) + len(plane) // 2) // _ROWS_LOOKED_AT
            mark = zlib.crc32(np.ascontiguousarray(plane[rows]), mark)
    return mark


def _are_same(one: Source, other: Source, tolerance: float) -> bool:
    if one.levels != other.levels:
        return False
    pairs = list(zip(one.planes, other.planes, strict=True))
    if tolerance == 0:
        return all(_are_identical(*pair) for pair in pairs)
    step = (one.levels[1] - one.levels[0]) / 255
    return all(_are_within(*pair, tolerance * step) for pair in pairs)


def _are_within(one: Plane, other: Plane, difference: float) -> bool:
    """Compare blocks, and no more rows than it takes."""
    chunks = (slice(at, at + _CHUNK) for at in range(0, len(one), _CHUNK))
    return all(largest_block_difference(one[chunk], other[chunk]) <= difference for chunk in chunks)


def _are_identical(one: Plane, other: Plane) -> bool:
    """Compare bits, as NaN is not NaN, and no more rows than it takes."""
    if one is other:
        return True
    unsigned = np.dtype(f"u{one.itemsize}")
    ones, others = one.view(unsigned), other.view(unsigned)
    return all(np.array_equal(ones[at : at + _CHUNK], others[at : at + _CHUNK]) for at in range(0, len(one), _CHUNK))


def largest_block_difference(one: Plane, other: Plane) -> float:
    """Find the block of 8x8 samples in which two planes [H, W] differ most, on average."""
    difference: NDArray[Any] = np.abs(one.astype(np.float32) - other)
    for axis, length in enumerate(one.shape):
        edges = np.arange(0, length, _BLOCK)
        counts = np.diff(np.append(edges, length))
        difference = np.add.reduceat(difference, edges, axis) / np.expand_dims(counts, 1 - axis)
    return float(difference.max())
