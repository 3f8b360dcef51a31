"""The FFN in one kernel: the hidden channels of a tile live in shared memory alone, some of them at a time."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ..interface import FfnWeights, Rows
from . import gpu
from .build import KernelModule, load_for
from .launch import over_tiles
from .norm import PackedNorm, pack_taps, padded
from .sizes import HALO, TAPS, eighths, odd_eighths


@dataclass(frozen=True)
class PackedFfn:
    """`FfnWeights` as the kernel reads them, the hidden channels in steps.

    Args:
        module: Compiled for this shape.
        norm: Its taps are the hidden channels': [steps, step/2, 12 pairs].
        fc1: [steps, step, C8].
        fc2: [steps, C8, step].
        warps: Of a block.
    """

    module: KernelModule
    norm: PackedNorm
    fc1: Tensor
    fc2: Tensor
    warps: int


def pack_ffn(weights: FfnWeights, *, warps: int | None = None, step: int | None = None) -> PackedFfn:
    """Lay the weights out for the kernel, and compile that; once a model.

    Four warps a block are faster than eight where a multiprocessor holds two blocks; where it holds one, that needs
    eight.
    """
    (d, c), device, norm = weights.fc1.shape, weights.fc1.device, weights.norm
    step = step or hidden_step(c, d, gpu.most_bytes(device))
    steps = -(-d // step)
    fc1 = F.pad(weights.fc1, (0, eighths(c) - c, 0, steps * step - d))
    fc2 = F.pad(weights.fc2, (0, steps * step - d, 0, eighths(c) - c))
    blocks = gpu.blocks_per_multiprocessor(ffn_bytes(c, step), device)
    warps = warps or (4 if blocks == 2 else 8)
    return PackedFfn(
        module=load_for(
            weights.fc1, "ffn", C=c, D=steps * step, D_STEP=step, EPSILON=norm.eps, WARPS=warps, BLOCKS_PER_SM=blocks
        ),
        norm=PackedNorm(
            weight=padded(norm.weight, eighths(c)),
            bias=padded(norm.bias, eighths(c)),
            taps=pack_taps(weights.conv, steps * step),
        ),
        fc1=fc1.view(steps, step, -1).contiguous(),
        fc2=fc2.view(-1, steps, step).transpose(0, 1).contiguous(),
        warps=warps,
    )


def ffn(x: Tensor, out: Tensor, weights: PackedFfn, rows: Rows) -> None:
    """Write x + fc2(depthwise3×3(GELU(fc1(LN(x))))).

    x is read and out written once; the hidden channels exist in shared memory alone, and fc1 is computed 1.5 times for
    the ring around a tile.
    """
    norm, shared = weights.norm, ffn_bytes(x.shape[2], weights.fc1.shape[1])
    arguments = [x, out, norm.weight, norm.bias, weights.fc1, norm.taps, weights.fc2]
    over_tiles(weights.module, "ffn", weights.warps, shared, arguments, x, out, rows)


def hidden_step(c: int, d: int, most: int) -> int:
    """Choose how many hidden channels the FFN makes at a time.

    Args:
        c: Channels of the map.
        d: Hidden channels of the network.
        most: Bytes of shared memory that a block can have.

    Returns:
        The step that pads them least, of those that there is room for; of several one that leaves room for a second
        block, and the largest.
    """
    steps = [step for step in (64, 48, 32) if ffn_bytes(c, step) <= most] or [32]
    return min(steps, key=lambda step: (-(-d // step) * step, 2 * ffn_bytes(c, step) > most - 1024, -step))


def ffn_bytes(c: int, step: int) -> int:
    """Shared memory of a block: the tile and its hidden channels, both up to whole rows of 16, and a step's weights."""
    rows = -(-HALO // 16) * 16
    numbers = rows * odd_eighths(c) + rows * odd_eighths(step) + step * odd_eighths(c) + eighths(c) * odd_eighths(step)
    return 2 * (numbers + TAPS * step)
