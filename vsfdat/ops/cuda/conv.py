"""Full 3×3 convolutions of maps."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ..interface import Rows
from . import gpu
from .build import KernelModule, load_for
from .launch import over_tiles
from .norm import padded
from .sizes import HALO, TILE_H, TILE_W, eighths, odd_eighths


@dataclass(frozen=True)
class PackedConv:
    """A 3×3 convolution as the kernel reads it.

    Args:
        module: Compiled for this shape.
        taps: [9, columns, C8].
        bias: [columns] fp32, zeros where the convolution has none.
        made: Channels that it makes.
        stages: Taps in shared memory at a time.
        warps: Of a block.
    """

    module: KernelModule
    taps: Tensor
    bias: Tensor
    made: int
    stages: int
    warps: int


def pack_conv(weight: Tensor, bias: Tensor | None, *, warps: int = 8) -> PackedConv:
    """Lay the weights [C_out, C_in, 3, 3] and bias [C_out] out for the kernel, and compile that; once a model."""
    (made, c), device = weight.shape[:2], weight.device
    columns = _columns(made)
    taps = F.pad(weight.permute(2, 3, 0, 1).flatten(0, 1), (0, eighths(c) - c, 0, columns - made))
    stages = 2 if conv_bytes(c, made, 2) <= gpu.most_bytes(device) else 1
    blocks = gpu.blocks_per_multiprocessor(conv_bytes(c, made, stages), device)
    return PackedConv(
        module=load_for(weight, "conv", C=c, MADE=made, WARPS=warps, STAGES=stages, BLOCKS_PER_SM=blocks),
        taps=taps.contiguous(),
        bias=padded(weight.new_zeros(made) if bias is None else bias, columns).float(),
        made=made,
        stages=stages,
        warps=warps,
    )


def conv3x3(x: Tensor, out: Tensor, weights: PackedConv, residual: Tensor | None, rows: Rows) -> None:
    """Write the zero-padded convolution of x, plus a residual map; `out` may be the residual itself."""
    arguments = [x, out, residual, weights.taps, weights.bias]
    shared = conv_bytes(x.shape[2], weights.made, weights.stages)
    over_tiles(weights.module, "conv3x3", weights.warps, shared, arguments, x, out, rows)


def conv_bytes(c: int, made: int, stages: int) -> int:
    """Shared memory of a block: the tile and as many taps' weights as it has stages, then the result in their place."""
    working = HALO * odd_eighths(c) + stages * _columns(made) * odd_eighths(c)
    return 2 * max(working, TILE_H * TILE_W * odd_eighths(_columns(made)))


def _columns(made: int) -> int:
    """Round a convolution's channels up to what its warps make."""
    across = 2 if made > 32 else 1
    return -(-eighths(made) // (8 * across)) * 8 * across
