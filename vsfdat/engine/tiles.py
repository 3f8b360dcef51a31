"""Independent overlapping tiles, for devices too small for the whole frame.

Approximate: FDAT looks at the whole frame in every block, and a tile shows it only a part.
"""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import torch
from torch import Tensor
from torch.nn.functional import pad

from vsfdat.errors import OutOfMemoryError
from vsfdat.notices import Once

from . import Engine
from .device import is_full
from .wrapper import Wrapper

Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Axis:
    """One axis of a frame in equal, overlapping tiles.

    Args:
        length: What the tiles cover, in pixels; at least the frame's own.
        tile: Length of each tile.
        starts: Where each begins, ascending from 0; the last ends at `length`.
    """

    length: int
    tile: int
    starts: tuple[int, ...]


def lay_tiles(length: int, tile: int, overlap: int, multiple: int) -> Axis:
    """Lay tiles over one axis, evenly and as few as will do.

    Args:
        length: The frame's, in pixels.
        tile: Wanted length of a tile, overlap included; rounded up to a multiple of `multiple`.
        overlap: Pixels that neighbours share at least; rounded up too, but at most half a tile.
        multiple: The grid that tiles begin and end on, so that they see the windows that the whole frame would.
    """
    units, tile_units = -(-length // multiple), -(-tile // multiple)
    if tile_units >= units:
        return Axis(length, length, (0,))  # whole, so not even padded to the grid
    overlap_units = min(-(-overlap // multiple), tile_units // 2)
    slack = units - tile_units
    steps = -(-slack // (tile_units - overlap_units))
    starts = tuple(slack * step // steps * multiple for step in range(steps + 1))
    return Axis(units * multiple, tile_units * multiple, starts)


def ramps(axis: Axis, scale: int) -> list[Tensor]:
    """Weigh the pixels of each tile of an axis: up over what it shares with the one before, down with the next.

    Returns:
        One [tile·scale] fp32 a tile; where tiles overlap, their weights sum to 1.
    """
    size = axis.tile * scale
    weights = torch.ones(len(axis.starts), size)
    for index, (start, following) in enumerate(pairwise(axis.starts)):
        shared = (start + axis.tile - following) * scale
        rise = (torch.arange(shared) + 0.5) / max(shared, 1)
        weights[index + 1, :shared] *= rise
        weights[index, size - shared :] *= rise.flip(0)
    total = torch.zeros(axis.length * scale)
    for start, weight in zip(axis.starts, weights, strict=True):
        total[start * scale : start * scale + size] += weight
    return [
        weight / total[start * scale : start * scale + size] for start, weight in zip(axis.starts, weights, strict=True)
    ]


class Tiled(Wrapper):
    """Upscale a frame in tiles and feather them together; an engine too.

    Args:
        engine: What upscales each tile.
        tile: Width and height that `engine` sees at most, overlap included; rounded up to `multiple`.
        overlap: Pixels that neighbours share at least.
        multiple: The network's `window_size` times its `unshuffle`.
    """

    def __init__(self, engine: Engine, tile: Size, overlap: int, multiple: int = 8) -> None:
        super().__init__(engine)
        self._tile = tile
        self._overlap = overlap
        self._multiple = multiple

    def __call__(self, frame: Tensor) -> Tensor:
        """[C_in, H, W] -> [C_out, H·scale, W·scale]."""
        height, width = frame.shape[1:]
        across = lay_tiles(width, self._tile[0], self._overlap, self._multiple)
        down = lay_tiles(height, self._tile[1], self._overlap, self._multiple)
        if len(across.starts) == len(down.starts) == 1:
            return self._engine(frame)
        padded = pad(frame[None], (0, across.length - width, 0, down.length - height), mode="replicate")[0]
        return self._feather(padded, down, across)[:, : height * self.scale, : width * self.scale]

    def _feather(self, frame: Tensor, down: Axis, across: Axis) -> Tensor:
        scale, picture = self.scale, None
        for (y, x), weight in zip(product(down.starts, across.starts), self._weights(down, across), strict=True):
            tile = self._engine(frame[:, y : y + down.tile, x : x + across.tile].contiguous())
            if picture is None:
                picture = tile.new_zeros(tile.shape[0], down.length * scale, across.length * scale)
            rows, columns = slice(y * scale, (y + down.tile) * scale), slice(x * scale, (x + across.tile) * scale)
            picture[:, rows, columns] += tile * weight
        assert picture is not None  # an axis has at least one tile
        return picture

    def _weights(self, down: Axis, across: Axis) -> Iterator[Tensor]:
        columns = torch.stack(ramps(across, self.scale)).to(self.device)
        rows = torch.stack(ramps(down, self.scale)).to(self.device)
        return (row[:, None] * column for row, column in product(rows, columns))


class Room:
    """The tile that fits a device; its slots share one, so that each need not run out of memory for itself.

    Args:
        tile: Width and height to begin with; None for the whole frame.
        overlap: Pixels that neighbours share at least.
        multiple: The smallest tile, and the grid of all others.
    """

    def __init__(self, tile: Size | None, overlap: int, multiple: int) -> None:
        self.tile = tile
        self.overlap = overlap
        self.multiple = multiple
        self._lock = threading.Lock()
        self._once = Once(logging.getLogger(__name__))

    def shrink(self, tried: Size | None, frame: Size) -> None:
        """Halve the longer side of a tile that did not fit, unless another slot has done so meanwhile.

        Raises:
            OutOfMemoryError: It is the smallest tile already.
        """
        with self._lock:
            if self.tile == tried:
                self.tile = self._half(_clip(tried, frame))

    def settle(self, frame: Size, device: torch.device) -> None:
        """Tell the user once that frames go through in smaller tiles than asked for."""
        self._once.warning(
            "Out of memory on %s for frames of %dx%d: going on in tiles of %dx%d, which only approximates the "
            "picture that the whole frame gives. Fewer num_streams leave more room.",
            device, *frame, *self.tile or frame,
        )  # fmt: skip

    def _half(self, tile: Size) -> Size:
        width, height = (-(-side // self.multiple) for side in tile)
        if width == height == 1:
            raise OutOfMemoryError(
                f"out of memory even for a tile of {self.multiple}x{self.multiple}, "
                "free some memory on the device or use another one"
            )
        if width >= height:
            width = -(-width // 2)
        else:
            height = -(-height // 2)
        return width * self.multiple, height * self.multiple


class Fitting(Wrapper):
    """Upscale whole frames, or in tiles as large as the device has room for; an engine too.

    Args:
        engine: What may run out of memory.
        room: Shared by the engines of a device.
    """

    def __init__(self, engine: Engine, room: Room) -> None:
        super().__init__(engine)
        self._room = room

    def __call__(self, frame: Tensor) -> Tensor:
        """[C_in, H, W] -> [C_out, H·scale, W·scale].

        Raises:
            OutOfMemoryError: Not even the smallest tile fits.
        """
        size = frame.shape[2], frame.shape[1]
        shrunk = False
        while True:
            tile = self._room.tile
            picture = self._attempt(frame, tile)
            if picture is not None:
                break
            shrunk = True
            self._room.shrink(tile, size)
        if shrunk:
            self._room.settle(size, self.device)
        return picture

    def _attempt(self, frame: Tensor, tile: Size | None) -> Tensor | None:
        """Give None for want of memory; by then the traceback, and with it the tensors of the attempt, are gone."""
        engine = self._engine if tile is None else Tiled(self._engine, tile, self._room.overlap, self._room.multiple)
        try:
            return engine(frame)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return None


def _clip(tile: Size | None, frame: Size) -> Size:
    return frame if tile is None else (min(tile[0], frame[0]), min(tile[1], frame[1]))


def _is_out_of_memory(error: RuntimeError) -> bool:
    return is_full(error) or "can't allocate memory" in str(error)  # the latter from the CPU's allocator
