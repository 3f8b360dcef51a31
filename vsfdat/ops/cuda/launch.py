"""How the ops start kernels on maps: one block of threads for each tile, or as many as the device runs at a time."""

from collections.abc import Sequence

from torch import Tensor

from ..interface import Rows
from .build import Argument, KernelModule
from .sizes import TILE_H, TILE_W


def over_tiles(
    module: KernelModule, kernel: str, warps: int, shared: int, arguments: Sequence[Argument], x: Tensor, out: Tensor,
    rows: Rows,
) -> None:  # fmt: skip
    """Start one block for each tile of the rows.

    Args:
        module: Holds the kernel.
        kernel: Its name in the source.
        warps: Of a block.
        shared: Bytes of shared memory that a block takes.
        arguments: The kernel's, up to the extent that all kernels end with.
        x: The map read, [H, W, C].
        out: The map written.
        rows: First row made and the row after the last.

    Raises:
        ValueError: A map is not contiguous.
    """
    module.launch(kernel, tiles(x, rows), warps * 32, shared, [*arguments, *extent(x, rows, out)])


def tiles(x: Tensor, rows: Rows) -> tuple[int, int]:
    """Count the tiles across a map and down some of its rows."""
    return -(-x.shape[1] // TILE_W), -(-(rows[1] - rows[0]) // TILE_H)


def extent(x: Tensor, rows: Rows, *others: Tensor) -> tuple[int, int, int, int]:
    """Give what every kernel is told of a map: rows to make, height, width.

    Raises:
        ValueError: A map is not contiguous.
    """
    for tensor in (x, *others):
        if not tensor.is_contiguous():
            raise ValueError(f"the CUDA kernels take contiguous maps, passed strides {tensor.stride()}")
    return *rows, x.shape[0], x.shape[1]
