"""What the kernels share on the device: pixels of a map, LayerNorm, depthwise neighbours, GELU.

A kernel works on a tile: T pixels (a power of two) by C channels, the channels in parts of BLOCK_C (a power of two), so
that 96 or 180 channels cost 96 or 192 and not 128 or 256. Tuples hold the parts. `live` marks the pixels of the tile
that exist; a map is addressed in 64 bits, for it may hold more than 2³¹ elements.
"""

import triton
import triton.language as tl


@triton.jit
def gelu(x):
    """max(x, 0) − |x|·Q(|x|), Q the normal distribution's upper tail, log2 Q as a polynomial.

    Exact GELU within 7e-7 (torch's own in fp32: 1.1e-6), for 5 multiply-adds and one exp2 where libdevice's erf
    takes about 25 instructions. Least squares, reweighted until the error of GELU was level on [0, 7]; beyond, the
    leading coefficient takes the tail to 0. A NaN stays one: 0 · NaN is NaN.
    """
    a = tl.abs(x)
    q = -0.00047329400 * a + 0.00708446093
    q = q * a - 0.05182716623
    q = q * a - 0.45999264717
    q = q * a - 1.15078771114
    q = q * a - 1.00003767014
    return tl.maximum(x, 0.0) - a * tl.exp2(q)


@triton.jit
def addresses(map_ptr, y, x, stride_y, stride_x, ALIGN: tl.constexpr):
    """Pointers to the first channel of the pixels (y, x): [T].

    That strides are multiples of ALIGN elements, 16 bytes at best, is what lets a thread load that much at once.
    """
    return map_ptr + tl.multiple_of(y.to(tl.int64) * stride_y + x.to(tl.int64) * stride_x, ALIGN)


@triton.jit
def within(y, x, height, width):
    """Which of the pixels lie in the frame: [T]."""
    return (y >= 0) & (y < height) & (x >= 0) & (x < width)


@triton.jit
def load_part(pixels, live, part: tl.constexpr, C: tl.constexpr, BLOCK_C: tl.constexpr):
    """One part of the pixels' channels, 0 where there are none: [T, BLOCK_C]."""
    c = part * BLOCK_C + tl.arange(0, BLOCK_C)
    return tl.load(pixels[:, None] + c[None, :], mask=live[:, None] & (c < C)[None, :], other=0.0)


@triton.jit
def load_parts(pixels, live, C: tl.constexpr, BLOCK_C: tl.constexpr):
    """All of the pixels' channels, part by part."""
    parts = ()
    for i in tl.static_range(0, (C + BLOCK_C - 1) // BLOCK_C):
        parts = parts + (load_part(pixels, live, i, C, BLOCK_C),)
    return parts


@triton.jit
def statistics(parts, C: tl.constexpr, BLOCK_C: tl.constexpr, EPSILON: tl.constexpr):
    """LayerNorm of loaded pixels as one multiply-add: (s, o) [T] with n = (x·s + o)·weight + bias."""
    total = tl.sum(parts[0].to(tl.float32), 1)
    for i in tl.static_range(1, (C + BLOCK_C - 1) // BLOCK_C):
        total += tl.sum(parts[i].to(tl.float32), 1)
    mean = total / C
    squares = tl.zeros_like(mean)
    for i in tl.static_range(0, (C + BLOCK_C - 1) // BLOCK_C):
        exists = i * BLOCK_C + tl.arange(0, BLOCK_C) < C
        centred = tl.where(exists[None, :], parts[i].to(tl.float32) - mean[:, None], 0.0)
        squares += tl.sum(centred * centred, 1)
    scale = tl.rsqrt(squares / C + EPSILON)
    return scale, -mean * scale


@triton.jit
def normalised(x, live, scale, offset, weight_ptr, bias_ptr, part, C: tl.constexpr, BLOCK_C: tl.constexpr):
    """LayerNorm of one loaded part, fp32, 0 where there are no pixels: [T, BLOCK_C]."""
    c = part * BLOCK_C + tl.arange(0, BLOCK_C)
    weight = tl.load(weight_ptr + c, mask=c < C, other=0.0)
    bias = tl.load(bias_ptr + c, mask=c < C, other=0.0)
    n = (x.to(tl.float32) * scale[:, None] + offset[:, None]) * weight[None, :] + bias[None, :]
    return tl.where(live[:, None], n, 0.0)


@triton.jit
def halo_statistics(
    x_ptr, stride_y, stride_x, top, left, height, width,
    TILE_H: tl.constexpr, TILE_W: tl.constexpr, HALO: tl.constexpr, C: tl.constexpr, ALIGN: tl.constexpr,
    EPSILON: tl.constexpr, STEP: tl.constexpr = 32,
):  # fmt: skip
    """`statistics` of a tile and the ring of pixels around it, row by row, (0, 0) outside the frame: [HALO].

    A few channels at a time, for the sake of registers; means and squared deviations of the parts are merged as Chan,
    Golub and LeVeque do, which loses nothing where a mean is large.
    """
    i = tl.arange(0, HALO)
    y, x = top - 1 + i // (TILE_W + 2), left - 1 + i % (TILE_W + 2)
    live = within(y, x, height, width) & (i < (TILE_H + 2) * (TILE_W + 2))
    pixels = addresses(x_ptr, y, x, stride_y, stride_x, ALIGN)
    mean = tl.zeros([HALO], tl.float32)
    squares = tl.zeros([HALO], tl.float32)
    for first in tl.range(0, C, STEP, num_stages=3):
        c = first + tl.arange(0, STEP)
        part = tl.load(pixels[:, None] + c[None, :], mask=live[:, None] & (c < C)[None, :], other=0.0).to(tl.float32)
        count = tl.minimum(C - first, STEP).to(tl.float32)
        part_mean = tl.sum(part, 1) / count
        centred = tl.where((c < C)[None, :], part - part_mean[:, None], 0.0)
        step = part_mean - mean
        squares += tl.sum(centred * centred, 1) + step * step * (first * count / (first + count))
        mean += step * (count / (first + count))
    scale = tl.rsqrt(squares / C + EPSILON)
    return tl.where(live, scale, 0.0), tl.where(live, -mean * scale, 0.0)


@triton.jit
def convolved(
    x_ptr, stride_y, stride_x, y, x, live, corner, scale, offset, border, height, width,
    taps_ptr, shifts_ptr, part: tl.constexpr, HALO_W: tl.constexpr,
    C: tl.constexpr, BLOCK_C: tl.constexpr, ALIGN: tl.constexpr,
):  # fmt: skip
    """One part of GELU(depthwise 3×3 of LayerNorm(x)), zero-padded at the frame's border: [T, BLOCK_C] fp32.

    With n = n̂·weight + bias, the convolution is Σ n̂·(tap·weight) + Σ tap·bias: two multiply-adds a tap and channel,
    for the last sum is a constant wherever all nine neighbours exist. The neighbours come from L1.

    Args:
        corner: Where the halo's statistics hold the pixels' upper left neighbours, [T].
        scale, offset: What `halo_statistics` gave for the tile and its ring, [HALO].
        border: Whether the tile touches the frame's border.
        taps_ptr: tap·weight, [9, C] fp32.
        shifts_ptr: tap·bias, [9, C], and their sum in row 9.
    """
    c = part * BLOCK_C + tl.arange(0, BLOCK_C)
    exists = c < C
    shift = tl.load(shifts_ptr + 9 * C + c, mask=exists, other=0.0)
    total = tl.zeros_like(live.to(tl.float32))[:, None] + shift[None, :]
    for tap in tl.range(0, 9, num_stages=3):  # a loop, not nine copies: all their loads at once would spill
        ny, nx = y + (tap // 3 - 1), x + (tap % 3 - 1)
        inside = live & within(ny, nx, height, width)
        at = corner + (tap // 3) * HALO_W + tap % 3
        value = load_part(addresses(x_ptr, ny, nx, stride_y, stride_x, ALIGN), inside, part, C, BLOCK_C).to(tl.float32)
        n = value * tl.gather(scale, at, 0)[:, None] + tl.gather(offset, at, 0)[:, None]
        total += n * tl.load(taps_ptr + tap * C + c, mask=exists, other=0.0)[None, :]
    if border:
        for tap in range(9):
            inside = within(y + (tap // 3 - 1), x + (tap % 3 - 1), height, width)
            shift = tl.load(shifts_ptr + tap * C + c, mask=exists, other=0.0)
            total -= tl.where(inside[:, None], 0.0, shift[None, :])
    return gelu(total)
