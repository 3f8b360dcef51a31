"""Spatial blocks: the sums behind the channel gate, and window attention beside a depthwise convolution."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..interface import Rows, SpatialWeights
from .launch import (
    Launch,
    Launches,
    alignment,
    channel_block,
    dot_precision,
    launch_for,
    on_device_of,
    power_of_two,
    strides,
)
from .norm import PackedNorm, pack_norm
from .tile import addresses, convolved, gelu, halo_statistics, load_part, normalised, statistics, within

_REDUCE = Launch(warps=4, wide_warps=8, stages=3, tile=(32, 16))
_REDUCES = Launches(large=_REDUCE, small=_REDUCE)
_APPLIES = Launches(
    large=Launch(warps=4, wide_warps=8, stages=2),
    small=Launch(warps=4, wide_warps=8, stages=1),
)


@dataclass(frozen=True)
class PackedSpatial:
    """`SpatialWeights` as the kernels read them: LayerNorm and convolution in fp32, tap by tap."""

    norm: PackedNorm
    qkv: Tensor
    qkv_bias: Tensor | None
    bias: Tensor
    window: int


def pack_spatial(weights: SpatialWeights) -> PackedSpatial:
    """Lay the weights out for the kernels, once a model."""
    qkv_bias = None if weights.qkv_bias is None else weights.qkv_bias.float().contiguous()
    return PackedSpatial(
        norm=pack_norm(weights.norm, weights.conv),
        qkv=weights.qkv.contiguous(),
        qkv_bias=qkv_bias,
        bias=weights.bias.contiguous(),
        window=weights.window,
    )


def spatial_reduce(x: Tensor, weights: PackedSpatial, rows: Rows) -> Tensor:
    """Sum GELU(depthwise3×3(LN(x))) over the rows' pixels.

    A map pass of bytes. Each program walks down a column of pixels and keeps the three output rows that are being
    made, so a pixel is loaded three times (its neighbours' left and right from L1) and not nine.

    Args:
        x: [H, W, C].
        weights: As packed by `pack_spatial`.
        rows: First row and the row after the last.

    Returns:
        [C] fp32; the same bits on every call: no atomics, and the programs' sums are added in a fixed order.
    """
    height, width, channels = x.shape
    start, stop = rows
    launch = launch_for(_REDUCES, x)
    tall, wide = launch.tile
    # The outermost two columns only serve as neighbours.
    grid = (triton.cdiv(width, wide - 2), triton.cdiv(stop - start, tall))
    partial = x.new_empty((grid[1] * grid[0], channels), dtype=torch.float32)
    norm = weights.norm
    with on_device_of(x):
        _spatial_reduce[grid](
            x, *strides(x), norm.weight, norm.bias, norm.plain_taps, partial, start, stop, height, width,
            ROWS=tall, COLUMNS=wide, C=channels, BLOCK_C=power_of_two(channels), ALIGN=alignment(x),
            EPSILON=norm.eps, **launch.options,
        )  # fmt: skip
    return partial.sum(0, dtype=torch.float64).float()


@triton.jit
def _spatial_reduce(
    x_ptr, stride_y, stride_x, weight_ptr, bias_ptr, taps_ptr, partial_ptr, start, stop, height, width,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, C: tl.constexpr, BLOCK_C: tl.constexpr, ALIGN: tl.constexpr,
    EPSILON: tl.constexpr, num_stages: tl.constexpr,
):  # fmt: skip
    i = tl.arange(0, COLUMNS)
    x = tl.program_id(0) * (COLUMNS - 2) - 1 + i
    top = start + tl.program_id(1) * ROWS
    bottom = tl.minimum(top + ROWS, stop)
    counted = (i > 0) & (i < COLUMNS - 1) & (x < width)
    c = tl.arange(0, BLOCK_C)

    total = tl.zeros([COLUMNS, BLOCK_C], tl.float32)
    lacks_one = tl.zeros([COLUMNS, BLOCK_C], tl.float32)  # the convolution at row y - 1, but for its taps on row y
    lacks_two = tl.zeros([COLUMNS, BLOCK_C], tl.float32)  # at row y, but for its taps on rows y and y + 1
    for y in tl.range(top - 1, bottom + 1, num_stages=num_stages):
        ys = tl.zeros_like(x) + y
        here = addresses(x_ptr, ys, x, stride_y, stride_x, ALIGN)
        scale, offset = statistics((load_part(here, within(ys, x, height, width), 0, C, BLOCK_C),), C, BLOCK_C, EPSILON)
        started = tl.zeros([COLUMNS, BLOCK_C], tl.float32)
        for dx in tl.static_range(0, 3):
            inside = within(ys, x + (dx - 1), height, width)
            beside = addresses(x_ptr, ys, x + (dx - 1), stride_y, stride_x, ALIGN)
            value = load_part(beside, inside, 0, C, BLOCK_C)
            at = tl.minimum(tl.maximum(i + (dx - 1), 0), COLUMNS - 1)
            n = normalised(
                value, inside, tl.gather(scale, at, 0), tl.gather(offset, at, 0), weight_ptr, bias_ptr, 0, C, BLOCK_C
            )
            lacks_one += n * tl.load(taps_ptr + (6 + dx) * C + c, mask=c < C, other=0.0)[None, :]
            lacks_two += n * tl.load(taps_ptr + (3 + dx) * C + c, mask=c < C, other=0.0)[None, :]
            started += n * tl.load(taps_ptr + dx * C + c, mask=c < C, other=0.0)[None, :]
        total += tl.where((counted & (y > top))[:, None], gelu(lacks_one), 0.0)
        lacks_one = lacks_two
        lacks_two = started

    row = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    tl.store(partial_ptr + row.to(tl.int64) * C + c, tl.sum(total, 0), mask=c < C)


def spatial_apply(
    x: Tensor,
    out: Tensor,
    weights: PackedSpatial,
    projection: Tensor,
    projection_bias: Tensor,
    rows: Rows,
) -> None:
    """Write x + window_attention(LN(x))·projectionᵀ + projection_bias + GELU(depthwise3×3(LN(x))).

    One program a window: x is read and out written once, everything between stays in registers and shared memory.
    Multiply-adds a pixel: 4·C² for the linear layers, 2·window²·C for the attention. The weights (8·C² bytes in half
    precision) pass through L1 for every window: a quarter of them twice as wide programs would halve that.

    Args:
        x: [H, W, C].
        out: [H, W, C], written in the rows alone; not x.
        weights: As packed by `pack_spatial`.
        projection: [C, C], its rows already carrying the channel gate.
        projection_bias: [C], carrying the gate too.
        rows: First row, a multiple of the window, and the row after the last.
    """
    height, width, channels = x.shape
    start, stop = rows
    window = weights.window
    heads = weights.bias.shape[0]
    launch = launch_for(_APPLIES, x)
    norm = weights.norm
    grid = (triton.cdiv(width, window), triton.cdiv(stop - start, window))
    with on_device_of(x):
        _spatial_apply[grid](
            x, *strides(x), out, *strides(out), norm.weight, norm.bias, weights.qkv, weights.qkv_bias, weights.bias,
            norm.taps, norm.shifts, projection.to(x.dtype).contiguous(), projection_bias, start, stop, height, width,
            WINDOW=window, TOKENS=power_of_two(window**2), HALO=power_of_two((window + 2) ** 2),
            HEADS=heads, HEAD_DIM=channels // heads, BLOCK_HEAD=power_of_two(channels // heads),
            C=channels, BLOCK_C=channel_block(channels), HAS_BIAS=weights.qkv_bias is not None,
            PRECISION=dot_precision(x), ALIGN=alignment(x, out), EPSILON=norm.eps, **launch.options,
        )  # fmt: skip


@triton.jit
def _linear_head(n, matrix_ptr, bias_ptr, first, HEAD_DIM: tl.constexpr, BLOCK_HEAD: tl.constexpr, C: tl.constexpr,
                 BLOCK_C: tl.constexpr, HAS_BIAS: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """n · matrix[first : first + HEAD_DIM]ᵀ: [T, BLOCK_HEAD] in n's dtype, 0 beyond the head."""
    d = tl.arange(0, BLOCK_HEAD)
    total = tl.zeros([n[0].shape[0], BLOCK_HEAD], tl.float32)
    for i in tl.static_range(0, (C + BLOCK_C - 1) // BLOCK_C):
        c = i * BLOCK_C + tl.arange(0, BLOCK_C)
        matrix = tl.load(
            matrix_ptr + (first + d)[None, :] * C + c[:, None],
            mask=(d < HEAD_DIM)[None, :] & (c < C)[:, None],
            other=0.0,
        )
        total = tl.dot(n[i], matrix, total, input_precision=PRECISION)
    if HAS_BIAS:
        total += tl.load(bias_ptr + first + d, mask=d < HEAD_DIM, other=0.0)[None, :]
    return total.to(n[0].dtype)


@triton.jit
def _attended(q, k, v, bias_ptr, t, WINDOW: tl.constexpr, PRECISION: tl.constexpr):
    """softmax(q·kᵀ + bias)·v within a window: [T, BLOCK_HEAD] in q's dtype."""
    exists = t < WINDOW * WINDOW
    bias = tl.load(
        bias_ptr + t[:, None] * (WINDOW * WINDOW) + t[None, :], mask=exists[:, None] & exists[None, :], other=0.0
    )
    scores = tl.dot(q, tl.trans(k), input_precision=PRECISION) + bias.to(tl.float32)
    scores = tl.where(exists[None, :], scores, float("-inf"))
    weights = tl.exp(scores - tl.max(scores, 1)[:, None])
    attended = tl.dot(weights.to(q.dtype), v, input_precision=PRECISION)
    return (attended / tl.sum(weights, 1)[:, None]).to(q.dtype)


@triton.jit
def _spatial_apply(
    x_ptr, x_stride_y, x_stride_x, out_ptr, out_stride_y, out_stride_x, weight_ptr, norm_bias_ptr, qkv_ptr,
    qkv_bias_ptr, bias_ptr, taps_ptr, shifts_ptr, projection_ptr, projection_bias_ptr, start, stop, height, width,
    WINDOW: tl.constexpr, TOKENS: tl.constexpr, HALO: tl.constexpr, HEADS: tl.constexpr, HEAD_DIM: tl.constexpr,
    BLOCK_HEAD: tl.constexpr, C: tl.constexpr, BLOCK_C: tl.constexpr, HAS_BIAS: tl.constexpr, PRECISION: tl.constexpr,
    ALIGN: tl.constexpr, EPSILON: tl.constexpr,
):  # fmt: skip
    PARTS: tl.constexpr = (C + BLOCK_C - 1) // BLOCK_C
    top, left = start + tl.program_id(1) * WINDOW, tl.program_id(0) * WINDOW
    t = tl.arange(0, TOKENS)
    y, x = top + t // WINDOW, left + t % WINDOW
    live = (t < WINDOW * WINDOW) & within(y, x, height, width)
    pixels = addresses(x_ptr, y, x, x_stride_y, x_stride_x, ALIGN)
    scale, offset = halo_statistics(
        x_ptr, x_stride_y, x_stride_x, top, left, height, width, WINDOW, WINDOW, HALO, C, ALIGN, EPSILON
    )
    # TOKENS is a power of two: there are tokens beyond the window, of which nothing is used. Their neighbours must be
    # among the HALO statistics all the same, for a gather has no mask: the last one of nine is 2 rows and 2 further.
    corner = tl.minimum(t // WINDOW * (WINDOW + 2) + t % WINDOW, HALO - 1 - (2 * (WINDOW + 2) + 2))

    centre = corner + (WINDOW + 3)
    own_scale, own_offset = tl.gather(scale, centre, 0), tl.gather(offset, centre, 0)
    n = ()
    total = ()
    for i in tl.static_range(0, PARTS):
        part = load_part(pixels, live, i, C, BLOCK_C)
        part = normalised(part, live, own_scale, own_offset, weight_ptr, norm_bias_ptr, i, C, BLOCK_C)
        n = n + (part.to(x_ptr.dtype.element_ty),)
        total = total + (tl.zeros([TOKENS, BLOCK_C], tl.float32),)

    d = tl.arange(0, BLOCK_HEAD)
    for head in range(HEADS):
        first = head * HEAD_DIM
        q = _linear_head(n, qkv_ptr, qkv_bias_ptr, first, HEAD_DIM, BLOCK_HEAD, C, BLOCK_C, HAS_BIAS, PRECISION)
        k = _linear_head(n, qkv_ptr, qkv_bias_ptr, C + first, HEAD_DIM, BLOCK_HEAD, C, BLOCK_C, HAS_BIAS, PRECISION)
        v = _linear_head(n, qkv_ptr, qkv_bias_ptr, 2 * C + first, HEAD_DIM, BLOCK_HEAD, C, BLOCK_C, HAS_BIAS, PRECISION)
        attended = _attended(q, k, v, bias_ptr + head * (WINDOW * WINDOW * WINDOW * WINDOW), t, WINDOW, PRECISION)
        projected = ()
        for i in tl.static_range(0, PARTS):
            c = i * BLOCK_C + tl.arange(0, BLOCK_C)
            projection = tl.load(
                projection_ptr + c[None, :] * C + (first + d)[:, None],
                mask=(c < C)[None, :] & (d < HEAD_DIM)[:, None],
                other=0.0,
            )
            part = tl.dot(attended, projection, total[i], input_precision=PRECISION)
            projected = projected + (part,)
        total = projected

    border = (top == 0) | (left == 0) | (top + WINDOW >= height) | (left + WINDOW >= width)
    writes = live & (y < stop)
    targets = addresses(out_ptr, y, x, out_stride_y, out_stride_x, ALIGN)
    for i in tl.static_range(0, PARTS):
        c = i * BLOCK_C + tl.arange(0, BLOCK_C)
        branch = convolved(
            x_ptr, x_stride_y, x_stride_x, y, x, live, corner, scale, offset, border, height, width,
            taps_ptr, shifts_ptr, i, WINDOW + 2, C, BLOCK_C, ALIGN,
        )  # fmt: skip
        bias = tl.load(projection_bias_ptr + c, mask=c < C, other=0.0).to(tl.float32)
        result = load_part(pixels, live, i, C, BLOCK_C).to(tl.float32) + (total[i] + bias[None, :]) + branch
        tl.store(targets[:, None] + c[None, :], result.to(out_ptr.dtype.element_ty), writes[:, None] & (c < C)[None, :])
