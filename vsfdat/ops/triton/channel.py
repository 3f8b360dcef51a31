"""Channel blocks: the Gram matrix of the normalised features, and the linear layer that the attention folds into."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..interface import ChannelWeights, Rows
from .launch import (
    Launch,
    Launches,
    alignment,
    channel_block,
    dot_precision,
    launch_for,
    on_device_of,
    power_of_two,
    programs,
    strides,
)
from .norm import PackedNorm, pack_norm
from .tile import addresses, convolved, halo_statistics, load_part, load_parts, normalised, statistics, within

_REDUCE = Launch(warps=4, wide_warps=8, stages=2, tile=(1, 64), occupancy=2)
_REDUCES = Launches(large=_REDUCE, small=_REDUCE)
_APPLY = Launch(warps=4, wide_warps=8, stages=1, tile=(8, 8))
_APPLIES = Launches(large=_APPLY, small=_APPLY)


@dataclass(frozen=True)
class PackedChannel:
    """`ChannelWeights` as the kernels read them, in fp32."""

    norm: PackedNorm
    gate: Tensor


def pack_channel(weights: ChannelWeights) -> PackedChannel:
    """Lay the weights out for the kernels, once a model."""
    return PackedChannel(pack_norm(weights.norm, weights.conv), weights.gate.float().contiguous())


def channel_reduce(x: Tensor, weights: PackedChannel, rows: Rows) -> tuple[Tensor, Tensor]:
    """Sum nᵀn and n over the rows' pixels, n = LN(x).

    A map pass of bytes, C² multiply-adds a pixel on the tensor cores with fp32 sums. A program takes one span of pixels
    and some rows of the Gram matrix, which it writes once; the pixels are read again for other rows, from L2.

    Args:
        x: [H, W, C].
        weights: As packed by `pack_channel`.
        rows: First row and the row after the last.

    Returns:
        [C, C] and [C], fp32; the same bits on every call of one GPU: the spans are added in a fixed order.
    """
    _, width, channels = x.shape
    start, stop = rows
    launch = launch_for(_REDUCES, x)
    pixels, (_, step) = (stop - start) * width, launch.tile
    block = channel_block(channels)
    spans = min(programs(launch, x), triton.cdiv(pixels, step))
    span = triton.cdiv(triton.cdiv(pixels, spans), step) * step
    gram = x.new_empty((spans, channels, channels), dtype=torch.float32)
    sums = x.new_empty((spans, channels), dtype=torch.float32)
    with on_device_of(x):
        _channel_reduce[(spans, triton.cdiv(channels, block))](
            x, *strides(x), weights.norm.weight, weights.norm.bias, gram, sums, start, width, pixels, span,
            STEP=step, C=channels, BLOCK_C=block, PRECISION=dot_precision(x), ALIGN=alignment(x),
            EPSILON=weights.norm.eps, **launch.options,
        )  # fmt: skip
    return gram.sum(0, dtype=torch.float64).float(), sums.sum(0, dtype=torch.float64).float()


@triton.jit
def _channel_reduce(
    x_ptr, stride_y, stride_x, weight_ptr, bias_ptr, gram_ptr, sums_ptr, start, width, pixels, span,
    STEP: tl.constexpr, C: tl.constexpr, BLOCK_C: tl.constexpr, PRECISION: tl.constexpr,
    ALIGN: tl.constexpr, EPSILON: tl.constexpr,
):  # fmt: skip
    PARTS: tl.constexpr = (C + BLOCK_C - 1) // BLOCK_C
    dtype = x_ptr.dtype.element_ty
    block = tl.program_id(1)
    first = tl.program_id(0) * span
    gram = ()
    for _ in tl.static_range(0, PARTS):
        gram = gram + (tl.zeros([BLOCK_C, BLOCK_C], tl.float32),)
    sums = tl.zeros([BLOCK_C], tl.float32)
    for p in range(first, tl.minimum(first + span, pixels), STEP):
        at = p + tl.arange(0, STEP)
        live = at < pixels
        where = addresses(x_ptr, start + at // width, at % width, stride_y, stride_x, ALIGN)
        parts = load_parts(where, live, C, BLOCK_C)
        scale, offset = statistics(parts, C, BLOCK_C, EPSILON)
        own = load_part(where, live, block, C, BLOCK_C)
        own = normalised(own, live, scale, offset, weight_ptr, bias_ptr, block, C, BLOCK_C)
        sums += tl.sum(own, 0)
        added = ()
        for i in tl.static_range(0, PARTS):
            other = normalised(parts[i], live, scale, offset, weight_ptr, bias_ptr, i, C, BLOCK_C)
            part = tl.dot(tl.trans(own).to(dtype), other.to(dtype), gram[i], input_precision=PRECISION)
            added = added + (part,)
        gram = added

    row = block * BLOCK_C + tl.arange(0, BLOCK_C)
    for i in tl.static_range(0, PARTS):
        column = i * BLOCK_C + tl.arange(0, BLOCK_C)
        target = gram_ptr + tl.program_id(0).to(tl.int64) * (C * C) + row[:, None] * C + column[None, :]
        tl.store(target, gram[i], mask=(row < C)[:, None] & (column < C)[None, :])
    tl.store(sums_ptr + tl.program_id(0) * C + row, sums, mask=row < C)


def channel_apply(x: Tensor, out: Tensor, weights: PackedChannel, matrix: Tensor, bias: Tensor, rows: Rows) -> None:
    """Write x + a + GELU(depthwise3×3(LN(x)))·sigmoid(a·gate), a = LN(x)·matrixᵀ + bias.

    Two map passes of bytes, C² multiply-adds a pixel.

    Args:
        x: [H, W, C].
        out: [H, W, C], written in the rows alone; not x.
        weights: As packed by `pack_channel`.
        matrix: [C, C], this frame's.
        bias: [C], this frame's too.
        rows: First row and the row after the last.
    """
    height, width, channels = x.shape
    start, stop = rows
    launch = launch_for(_APPLIES, x)
    tall, wide = launch.tile
    norm = weights.norm
    grid = (triton.cdiv(width, wide), triton.cdiv(stop - start, tall))
    with on_device_of(x):
        _channel_apply[grid](
            x, *strides(x), out, *strides(out), norm.weight, norm.bias, matrix.to(x.dtype).contiguous(), bias,
            weights.gate, norm.taps, norm.shifts, start, stop, height, width,
            TILE_H=tall, TILE_W=wide, HALO=power_of_two((tall + 2) * (wide + 2)),
            C=channels, BLOCK_C=channel_block(channels), PRECISION=dot_precision(x), ALIGN=alignment(x, out),
            EPSILON=norm.eps, **launch.options,
        )  # fmt: skip


@triton.jit
def _channel_apply(
    x_ptr, x_stride_y, x_stride_x, out_ptr, out_stride_y, out_stride_x, weight_ptr, norm_bias_ptr, matrix_ptr, bias_ptr,
    gate_ptr, taps_ptr, shifts_ptr, start, stop, height, width,
    TILE_H: tl.constexpr, TILE_W: tl.constexpr, HALO: tl.constexpr,
    C: tl.constexpr, BLOCK_C: tl.constexpr, PRECISION: tl.constexpr,
    ALIGN: tl.constexpr, EPSILON: tl.constexpr,
):  # fmt: skip
    PARTS: tl.constexpr = (C + BLOCK_C - 1) // BLOCK_C
    dtype = x_ptr.dtype.element_ty
    top, left = start + tl.program_id(1) * TILE_H, tl.program_id(0) * TILE_W
    t = tl.arange(0, TILE_H * TILE_W)
    y, x = top + t // TILE_W, left + t % TILE_W
    live = within(y, x, height, width)
    pixels = addresses(x_ptr, y, x, x_stride_y, x_stride_x, ALIGN)
    scale, offset = halo_statistics(
        x_ptr, x_stride_y, x_stride_x, top, left, height, width, TILE_H, TILE_W, HALO, C, ALIGN, EPSILON
    )
    corner = t // TILE_W * (TILE_W + 2) + t % TILE_W

    centre = corner + (TILE_W + 3)
    own_scale, own_offset = tl.gather(scale, centre, 0), tl.gather(offset, centre, 0)
    n = ()
    for i in tl.static_range(0, PARTS):
        part = load_part(pixels, live, i, C, BLOCK_C)
        part = normalised(part, live, own_scale, own_offset, weight_ptr, norm_bias_ptr, i, C, BLOCK_C)
        n = n + (part.to(dtype),)

    mixed = ()
    opening = tl.zeros([TILE_H * TILE_W], tl.float32)
    for i in tl.static_range(0, PARTS):
        c = i * BLOCK_C + tl.arange(0, BLOCK_C)
        a = tl.zeros([TILE_H * TILE_W, BLOCK_C], tl.float32)
        for j in tl.static_range(0, PARTS):
            k = j * BLOCK_C + tl.arange(0, BLOCK_C)
            matrix = tl.load(
                matrix_ptr + c[None, :] * C + k[:, None], mask=(c < C)[None, :] & (k < C)[:, None], other=0.0
            )
            a = tl.dot(n[j], matrix, a, input_precision=PRECISION)
        a += tl.load(bias_ptr + c, mask=c < C, other=0.0).to(tl.float32)[None, :]
        opening += tl.sum(a * tl.load(gate_ptr + c, mask=c < C, other=0.0)[None, :], 1)
        mixed = mixed + (a,)
    opening = tl.sigmoid(opening)

    border = (top == 0) | (left == 0) | (top + TILE_H >= height) | (left + TILE_W >= width)
    writes = live & (y < stop)
    targets = addresses(out_ptr, y, x, out_stride_y, out_stride_x, ALIGN)
    for i in tl.static_range(0, PARTS):
        c = i * BLOCK_C + tl.arange(0, BLOCK_C)
        branch = convolved(
            x_ptr, x_stride_y, x_stride_x, y, x, live, corner, scale, offset, border, height, width,
            taps_ptr, shifts_ptr, i, TILE_W + 2, C, BLOCK_C, ALIGN,
        )  # fmt: skip
        result = load_part(pixels, live, i, C, BLOCK_C).to(tl.float32) + mixed[i] + branch * opening[:, None]
        tl.store(targets[:, None] + c[None, :], result.to(out_ptr.dtype.element_ty), writes[:, None] & (c < C)[None, :])
