"""The FFN in one kernel: the hidden map never exists, only a tile of it in each program's own scratch memory."""

from dataclasses import dataclass

import triton
import triton.language as tl
from torch import Tensor

from ..interface import FfnWeights, Rows
from .launch import (
    Launch,
    Launches,
    alignment,
    channel_block,
    dot_precision,
    launch_for,
    on_device_of,
    programs,
    strides,
)
from .norm import pack_taps
from .tile import addresses, gelu, load_part, load_parts, normalised, statistics, within

_LAUNCHES = Launches(
    large=Launch(warps=4, wide_warps=8, stages=2, tile=(8, 16), occupancy=2),
    small=Launch(warps=4, wide_warps=4, stages=1, tile=(8, 8), occupancy=2),
)
# Pixels of the halo tile that go through the first linear layer at a time: a warp group's rows of a Hopper matrix unit.
_HALO_STEP = 64


@dataclass(frozen=True)
class PackedFfn:
    """`FfnWeights` as the kernel reads them: LayerNorm and convolution in fp32, tap by tap."""

    weight: Tensor
    bias: Tensor
    fc1: Tensor
    taps: Tensor
    fc2: Tensor
    eps: float


def pack_ffn(weights: FfnWeights) -> PackedFfn:
    """Lay the weights out for the kernel, once a model."""
    norm = weights.norm
    return PackedFfn(
        weight=norm.weight.float().contiguous(),
        bias=norm.bias.float().contiguous(),
        fc1=weights.fc1.contiguous(),
        taps=pack_taps(weights.conv),
        fc2=weights.fc2.contiguous(),
        eps=norm.eps,
    )


def ffn(x: Tensor, out: Tensor, weights: PackedFfn, rows: Rows) -> None:
    """Write x + fc2(depthwise3×3(GELU(fc1(LN(x))))).

    Two kernels with a hidden map between them move 7 map passes (D = 2·C: x, write 2, read 2, x, out), and the hidden
    map is twice a feature map of memory. This one moves 2, plus the scratch tiles' traffic, which stays in the L2 cache
    (fdat_medium, 132 programs: 12 MB), and computes the first linear layer 1.4 times for an 8×16 tile's halo. Triton
    cannot shift a tile in shared memory: hence scratch in global memory, written and read back by the same program.

    Args:
        x: [H, W, C].
        out: [H, W, C], written in the rows alone; not x.
        weights: As packed by `pack_ffn`.
        rows: First row and the row after the last.
    """
    height, width, channels = x.shape
    start, stop = rows
    hidden = weights.fc1.shape[0]
    launch = launch_for(_LAUNCHES, x)
    (tall, wide), block = launch.tile, channel_block(hidden)
    across, tiles = triton.cdiv(width, wide), triton.cdiv(width, wide) * triton.cdiv(stop - start, tall)
    grid = (min(programs(launch, x), tiles),)
    halo = triton.cdiv((tall + 2) * (wide + 2), _HALO_STEP) * _HALO_STEP
    scratch = x.new_empty((grid[0], halo, triton.cdiv(hidden, block) * block))
    with on_device_of(x):
        _ffn[grid](
            x, *strides(x), out, *strides(out), weights.weight, weights.bias, weights.fc1, weights.taps, weights.fc2,
            scratch, start, stop, height, width, across, tiles,
            TILE_H=tall, TILE_W=wide, HALO=halo, STEP=_HALO_STEP, C=channels, BLOCK_C=channel_block(channels),
            D=hidden, BLOCK_D=block, PRECISION=dot_precision(x), ALIGN=alignment(x, out), EPSILON=weights.eps,
            **launch.options,
        )  # fmt: skip


@triton.jit
def _expand(
    x_ptr, stride_y, stride_x, weight_ptr, bias_ptr, fc1_ptr, scratch_ptr, top, left, height, width,
    TILE_H: tl.constexpr, TILE_W: tl.constexpr, HALO: tl.constexpr, STEP: tl.constexpr, C: tl.constexpr,
    BLOCK_C: tl.constexpr, D: tl.constexpr, BLOCK_D: tl.constexpr, PRECISION: tl.constexpr,
    ALIGN: tl.constexpr, EPSILON: tl.constexpr,
):  # fmt: skip
    """GELU(fc1(LN(x))) of a tile and its ring, 0 outside the frame, into scratch: [HALO, D up to a multiple]."""
    SCRATCH_D: tl.constexpr = (D + BLOCK_D - 1) // BLOCK_D * BLOCK_D
    for step in range(0, HALO, STEP):
        i = step + tl.arange(0, STEP)
        y, x = top - 1 + i // (TILE_W + 2), left - 1 + i % (TILE_W + 2)
        live = within(y, x, height, width) & (i < (TILE_H + 2) * (TILE_W + 2))
        pixels = addresses(x_ptr, y, x, stride_y, stride_x, ALIGN)
        parts = load_parts(pixels, live, C, BLOCK_C)
        scale, offset = statistics(parts, C, BLOCK_C, EPSILON)
        n = ()
        for part in tl.static_range(0, (C + BLOCK_C - 1) // BLOCK_C):
            normal = normalised(parts[part], live, scale, offset, weight_ptr, bias_ptr, part, C, BLOCK_C)
            n = n + (normal.to(x_ptr.dtype.element_ty),)
        # `normalised` is 0 outside the frame, fc1 has no bias and GELU(0) is 0: so is the hidden map there.
        for first in range(0, D, BLOCK_D):
            d = first + tl.arange(0, BLOCK_D)
            hidden = tl.zeros([STEP, BLOCK_D], tl.float32)
            for part in tl.static_range(0, (C + BLOCK_C - 1) // BLOCK_C):
                c = part * BLOCK_C + tl.arange(0, BLOCK_C)
                fc1 = tl.load(
                    fc1_ptr + d[None, :] * C + c[:, None], mask=(d < D)[None, :] & (c < C)[:, None], other=0.0
                )
                hidden = tl.dot(n[part], fc1, hidden, input_precision=PRECISION)
            tl.store(scratch_ptr + i[:, None] * SCRATCH_D + d[None, :], gelu(hidden).to(x_ptr.dtype.element_ty))


@triton.jit
def _mix(
    scratch_ptr, taps_ptr, fc2_ptr, TILE_H: tl.constexpr, TILE_W: tl.constexpr, C: tl.constexpr, BLOCK_C: tl.constexpr,
    D: tl.constexpr, BLOCK_D: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """fc2(depthwise3×3(scratch)) of a tile: parts [T, BLOCK_C] fp32."""
    PARTS: tl.constexpr = (C + BLOCK_C - 1) // BLOCK_C
    SCRATCH_D: tl.constexpr = (D + BLOCK_D - 1) // BLOCK_D * BLOCK_D
    t = tl.arange(0, TILE_H * TILE_W)
    corner = t // TILE_W * (TILE_W + 2) + t % TILE_W
    total = ()
    for _ in tl.static_range(0, PARTS):
        total = total + (tl.zeros([TILE_H * TILE_W, BLOCK_C], tl.float32),)
    for first in range(0, D, BLOCK_D):
        d = first + tl.arange(0, BLOCK_D)
        mixed = tl.zeros([TILE_H * TILE_W, BLOCK_D], tl.float32)
        for tap in tl.range(0, 9, num_stages=3):
            at = corner + (tap // 3) * (TILE_W + 2) + tap % 3
            hidden = tl.load(scratch_ptr + at[:, None] * SCRATCH_D + d[None, :])
            mixed += hidden.to(tl.float32) * tl.load(taps_ptr + tap * D + d, mask=d < D, other=0.0)[None, :]
        mixed = mixed.to(scratch_ptr.dtype.element_ty)
        added = ()
        for i in tl.static_range(0, PARTS):
            c = i * BLOCK_C + tl.arange(0, BLOCK_C)
            fc2 = tl.load(fc2_ptr + c[None, :] * D + d[:, None], mask=(c < C)[None, :] & (d < D)[:, None], other=0.0)
            added = added + (tl.dot(mixed, fc2, total[i], input_precision=PRECISION),)
        total = added
    return total


@triton.jit
def _ffn(
    x_ptr, x_stride_y, x_stride_x, out_ptr, out_stride_y, out_stride_x, weight_ptr, bias_ptr, fc1_ptr, taps_ptr,
    fc2_ptr, scratch_ptr, start, stop, height, width, across, tiles,
    TILE_H: tl.constexpr, TILE_W: tl.constexpr, HALO: tl.constexpr, STEP: tl.constexpr, C: tl.constexpr,
    BLOCK_C: tl.constexpr, D: tl.constexpr, BLOCK_D: tl.constexpr, PRECISION: tl.constexpr,
    ALIGN: tl.constexpr, EPSILON: tl.constexpr,
):  # fmt: skip
    SCRATCH_D: tl.constexpr = (D + BLOCK_D - 1) // BLOCK_D * BLOCK_D
    scratch_ptr += tl.program_id(0).to(tl.int64) * (HALO * SCRATCH_D)
    t = tl.arange(0, TILE_H * TILE_W)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        top, left = start + tile // across * TILE_H, tile % across * TILE_W
        _expand(
            x_ptr, x_stride_y, x_stride_x, weight_ptr, bias_ptr, fc1_ptr, scratch_ptr, top, left, height, width,
            TILE_H, TILE_W, HALO, STEP, C, BLOCK_C, D, BLOCK_D, PRECISION, ALIGN, EPSILON,
        )  # fmt: skip
        tl.debug_barrier()  # other threads of this program read what these wrote
        total = _mix(scratch_ptr, taps_ptr, fc2_ptr, TILE_H, TILE_W, C, BLOCK_C, D, BLOCK_D, PRECISION)
        tl.debug_barrier()  # all have read before the next tile overwrites

        y, x = top + t // TILE_W, left + t % TILE_W
        live = within(y, x, height, width)
        pixels = addresses(x_ptr, y, x, x_stride_y, x_stride_x, ALIGN)
        targets = addresses(out_ptr, y, x, out_stride_y, out_stride_x, ALIGN)
        for i in tl.static_range(0, (C + BLOCK_C - 1) // BLOCK_C):
            c = i * BLOCK_C + tl.arange(0, BLOCK_C)
            result = load_part(pixels, live, i, C, BLOCK_C).to(tl.float32) + total[i]
            writes = (live & (y < stop))[:, None] & (c < C)[None, :]
            tl.store(targets[:, None] + c[None, :], result.to(out_ptr.dtype.element_ty), writes)
