"""The ops in CUDA C++ for NVIDIA GPUs in half precision, under the names and signatures of `ops.reference`.

They keep a tile of 8×16 pixels with its ring in shared memory, which Triton cannot, and multiply by the matrix
instructions that every GPU since Ampere has. Maps are contiguous; windows are 8×8, heads have at most 32 channels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..weights import Rows, Shape
from . import build, shape
from .build import Argument, KernelError, Program
from .matrix import product
from .pack import (
    PackedChannel,
    PackedConv,
    PackedFfn,
    PackedSpatial,
    pack_channel,
    pack_conv,
    pack_ffn,
    pack_spatial,
    padded,
)
from .shape import HEAD, TILE_H, TILE_W, WINDOW, eighths

__all__ = [
    "channel_apply",
    "channel_reduce",
    "conv3x3",
    "ffn",
    "pack_channel",
    "pack_conv",
    "pack_ffn",
    "pack_spatial",
    "product",
    "spatial_apply",
    "spatial_reduce",
    "why_not",
]

_OLDEST_CAPABILITY = (8, 0)
_MOST_CHANNELS = 512  # the Gram matrix takes two threads a channel
_THREADS = 256  # of spatial_reduce


def why_not(device: torch.device, dtype: torch.dtype, network: Shape) -> str | None:
    """Say why a network cannot run here, or None; the first call for a device compiles a kernel to see that it can."""
    if device.type != "cuda":
        return f"they are for CUDA devices, this is {device}"
    if torch.version.hip is not None:
        return "they are for NVIDIA GPUs, this torch is built for ROCm"
    if dtype not in (torch.float16, torch.bfloat16):
        return f"they compute in half precision, not in {dtype}"
    capability = torch.cuda.get_device_capability(device)
    if capability < _OLDEST_CAPABILITY:
        return "they need compute capability 8.0 or newer, {} has {}.{}".format(device, *capability)
    c = network.channels
    if network.window != WINDOW or c // network.heads > HEAD or c % 4 or c > _MOST_CHANNELS:
        return (
            f"they are for windows of {WINDOW}, heads of at most {HEAD} channels and at most {_MOST_CHANNELS} channels "
            f"in fours; this network has {network}"
        )
    there = shape.most_bytes(device)
    step = shape.hidden_step(c, network.hidden, there)
    needed = max(
        shape.ffn_bytes(c, step), shape.spatial_apply_bytes(c), shape.channel_apply_bytes(c), shape.conv_bytes(c, c, 1)
    )
    if needed > there:
        return f"they need {needed >> 10} KiB of shared memory for {c} channels, {device} has {there >> 10}"
    try:
        build.program("matrix", (), device)
    except KernelError as error:
        return str(error)
    return None


def spatial_reduce(x: Tensor, weights: PackedSpatial, rows: Rows) -> Tensor:
    """Sum GELU(depthwise3×3(LN(x))) over the rows' pixels: [C] fp32, the same bits on every call of one GPU."""
    c, norm = x.shape[2], weights.norm
    across, down = _grid(x, rows)
    programs = min(2 * shape.processors(x.device), across * down)
    sums = x.new_empty((programs, c), dtype=torch.float32)
    arguments: list[Argument] = [x, sums, norm.weight, norm.bias, norm.taps, *_frame(x, rows)]
    weights.program.launch("spatial_reduce", (programs, 1), _THREADS, shape.spatial_reduce_bytes(c), arguments)
    return sums.sum(0, dtype=torch.float64).float()


def spatial_apply(
    x: Tensor, out: Tensor, weights: PackedSpatial, projection: Tensor, projection_bias: Tensor, rows: Rows
) -> None:
    """Write x + window_attention(LN(x))·projectionᵀ + projection_bias + GELU(depthwise3×3(LN(x))).

    Two windows a program: x is read and out written once. Multiply-adds a pixel: 4·C² for the linear layers,
    2·window²·C for the attention.
    """
    c, norm, heads = x.shape[2], weights.norm, weights.position.shape[0]
    beyond = HEAD - c // heads
    matrix = F.pad(projection.to(x.dtype).view(c, heads, c // heads), (0, beyond, 0, 0, 0, eighths(c) - c))
    bias = padded(projection_bias.float(), eighths(c))
    arguments = [
        x, out, norm.weight, norm.bias, weights.qkv, weights.qkv_bias, weights.position, norm.taps, matrix, bias
    ]  # fmt: skip
    _over_tiles(weights.program, "spatial_apply", weights.warps, shape.spatial_apply_bytes(c), arguments, x, out, rows)


def channel_reduce(x: Tensor, weights: PackedChannel, rows: Rows) -> tuple[Tensor, Tensor]:
    """Sum nᵀn and n over the rows' pixels, n = LN(x): [C, C] and [C] fp32, the same bits on every call of one GPU."""
    c, norm, c8 = x.shape[2], weights.norm, eighths(x.shape[2])
    pixels = (rows[1] - rows[0]) * x.shape[1]
    programs = min(2 * shape.processors(x.device), -(-pixels // shape.SPAN))
    gram = x.new_empty((programs, c8, c8), dtype=torch.float32)
    sums = x.new_empty((programs, c), dtype=torch.float32)
    arguments: list[Argument] = [x, gram, sums, norm.weight, norm.bias, *_frame(x, rows)]
    threads = -(-c8 // 16) * 32
    weights.program.launch("channel_reduce", (programs, 1), threads, shape.channel_reduce_bytes(c), arguments)
    total = gram.sum(0, dtype=torch.float64).float()
    return total[:c, :c], sums.sum(0, dtype=torch.float64).float()


def channel_apply(x: Tensor, out: Tensor, weights: PackedChannel, matrix: Tensor, bias: Tensor, rows: Rows) -> None:
    """Write x + a + GELU(depthwise3×3(LN(x)))·sigmoid(a·gate), a = LN(x)·matrixᵀ + bias; C² multiply-adds a pixel."""
    c, norm = x.shape[2], weights.norm
    beyond = eighths(c) - c
    square, shift = F.pad(matrix.to(x.dtype), (0, beyond, 0, beyond)), padded(bias.float(), eighths(c))
    arguments = [x, out, norm.weight, norm.bias, norm.taps, weights.gate, square, shift]
    _over_tiles(weights.program, "channel_apply", weights.warps, shape.channel_apply_bytes(c), arguments, x, out, rows)


def ffn(x: Tensor, out: Tensor, weights: PackedFfn, rows: Rows) -> None:
    """Write x + fc2(depthwise3×3(GELU(fc1(LN(x))))).

    x is read and out written once; the hidden channels exist in shared memory alone, and fc1 is computed 1.5 times for
    the ring around a tile.
    """
    norm, shared = weights.norm, shape.ffn_bytes(x.shape[2], weights.fc1.shape[1])
    arguments = [x, out, norm.weight, norm.bias, weights.fc1, norm.taps, weights.fc2]
    _over_tiles(weights.program, "ffn", weights.warps, shared, arguments, x, out, rows)


def conv3x3(x: Tensor, out: Tensor, weights: PackedConv, residual: Tensor | None, rows: Rows) -> None:
    """Write the zero-padded convolution of x, plus a residual map; `out` may be the residual itself."""
    arguments = [x, out, residual, weights.taps, weights.bias]
    shared = shape.conv_bytes(x.shape[2], weights.made, weights.stages)
    _over_tiles(weights.program, "conv3x3", weights.warps, shared, arguments, x, out, rows)


def _over_tiles(
    program: Program, kernel: str, warps: int, shared: int, arguments: Sequence[Argument], x: Tensor, out: Tensor,
    rows: Rows,
) -> None:  # fmt: skip
    """Start one program a tile of the rows."""
    program.launch(kernel, _grid(x, rows), warps * 32, shared, [*arguments, *_frame(x, rows, out)])


def _frame(x: Tensor, rows: Rows, *others: Tensor) -> tuple[int, int, int, int]:
    """What every kernel is told of a map: rows to make, height, width.

    Raises:
        ValueError: A map is not contiguous.
    """
    for tensor in (x, *others):
        if not tensor.is_contiguous():
            raise ValueError(f"the CUDA kernels take contiguous maps, passed strides {tensor.stride()}")
    return *rows, x.shape[0], x.shape[1]


def _grid(x: Tensor, rows: Rows) -> tuple[int, int]:
    return -(-x.shape[1] // TILE_W), -(-(rows[1] - rows[0]) // TILE_H)
