"""The ops in CUDA C++ for NVIDIA GPUs in half precision, under the names and signatures of `ops.reference`.

They keep a tile of 8×16 pixels with its ring in shared memory, which Triton cannot, and multiply by the matrix
instructions that every GPU since Ampere has. Maps are contiguous; windows are 8×8, heads have at most 32 channels.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import reference, triton
from ..weights import ChannelWeights, FfnWeights, Norm, Rows, Shape, SpatialWeights
from . import build
from .build import KernelError, Program

__all__ = [
    "RECORDABLE",
    "KernelError",
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

# The small products in float64 are Triton's, where that is installed, or cuBLAS's, which no graph may hold.
RECORDABLE = find_spec("triton") is not None

_TILE_H, _TILE_W = 8, 16
_HALO = (_TILE_H + 2) * (_TILE_W + 2)
_HEAD = 32  # a head's channels, padded
_WINDOW = 8
_TAPS = 12  # pairs that two channels' depthwise taps take
_SPAN = 128  # pixels of the Gram matrix's spans


_OLDEST_CAPABILITY = (8, 0)
_MOST_CHANNELS = 512  # the Gram matrix takes two threads a channel


@dataclass(frozen=True)
class PackedNorm:
    """LayerNorm and the depthwise taps behind it: `weight` and `bias` [C8], `taps` [C8/2, 12 pairs], zeros beyond C."""

    weight: Tensor
    bias: Tensor
    taps: Tensor


@dataclass(frozen=True)
class PackedSpatial:
    """`SpatialWeights` as the kernels read them.

    Args:
        program: Compiled for this shape.
        norm: Packed.
        qkv: [heads, 96, C8]: 32 rows each of q, k and v.
        qkv_bias: [heads, 96] fp32.
        position: [heads, 4, 4, 32, 8]: of 16 queries, what each lane of a warp adds to its scores.
        warps: A program of spatial_apply.
    """

    program: Program
    norm: PackedNorm
    qkv: Tensor
    qkv_bias: Tensor
    position: Tensor
    warps: int


@dataclass(frozen=True)
class PackedChannel:
    """`ChannelWeights` as the kernels read them; `gate` [C8] fp32."""

    program: Program
    norm: PackedNorm
    gate: Tensor
    warps: int


@dataclass(frozen=True)
class PackedFfn:
    """`FfnWeights` as the kernel reads them, the hidden channels in steps.

    Args:
        program: Compiled for this shape.
        norm: Its taps are the hidden channels': [steps, step/2, 12 pairs].
        fc1: [steps, step, C8].
        fc2: [steps, C8, step].
        warps: A program.
    """

    program: Program
    norm: PackedNorm
    fc1: Tensor
    fc2: Tensor
    warps: int


@dataclass(frozen=True)
class PackedConv:
    """A 3×3 convolution: `taps` [9, columns, C8], `bias` [columns] fp32, `made` the channels that it makes.

    `stages` of the nine taps' weights are in shared memory at a time.
    """

    program: Program
    taps: Tensor
    bias: Tensor
    made: int
    stages: int
    warps: int


def why_not(device: torch.device, dtype: torch.dtype, shape: Shape) -> str | None:
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
    c, heads = shape.channels, shape.heads
    if shape.window != _WINDOW or c // heads > _HEAD or c % 4 or c > _MOST_CHANNELS:
        return (
            f"they are for windows of {_WINDOW}, heads of at most {_HEAD} channels and at most {_MOST_CHANNELS} "
            f"channels, a multiple of 4; this network has {shape}"
        )
    there = _most_shared(device)
    needed = max(
        _shared_by_ffn(c, _hidden_step(c, shape.hidden, there)), _shared_by_spatial_apply(c, heads),
        _shared_by_channel_apply(c), _shared_by_conv(c, c, 1),
    )  # fmt: skip
    if needed > there:
        return f"they need {needed >> 10} KiB of shared memory for {c} channels, {device} has {there >> 10}"
    try:
        build.program("conv", (("C", 8), ("MADE", 8), ("WARPS", 8), ("STAGES", 1), ("PROGRAMS", 1)), device)
    except KernelError as error:
        return str(error)
    return None


def pack_spatial(weights: SpatialWeights, *, warps: int = 8) -> PackedSpatial:
    """Lay the weights out for the kernels, and compile those; once a model."""
    c, heads = weights.qkv.shape[1], weights.bias.shape[0]
    head = c // heads
    qkv = weights.qkv.view(3, heads, head, c).transpose(0, 1)
    qkv_bias = weights.qkv.new_zeros(3 * c) if weights.qkv_bias is None else weights.qkv_bias
    qkv_bias = qkv_bias.view(3, heads, head).transpose(0, 1)
    shared = _shared_by_spatial_apply(c, heads)
    return PackedSpatial(
        program=_program("spatial", weights.qkv, C=c, HEADS=heads, WARPS=warps, PROGRAMS=_programs(shared, weights.qkv.device)),
        norm=_pack_norm(weights.norm, weights.conv),
        qkv=F.pad(qkv, (0, _eighths(c) - c, 0, _HEAD - head)).contiguous(),
        qkv_bias=F.pad(qkv_bias, (0, _HEAD - head)).float().contiguous(),
        position=_by_lane(weights.bias),
        warps=warps,
    )


def pack_channel(weights: ChannelWeights, *, warps: int = 8) -> PackedChannel:
    """Lay the weights out for the kernels, and compile those; once a model."""
    c = weights.gate.shape[0]
    programs = _programs(_shared_by_channel_apply(c), weights.gate.device)
    return PackedChannel(
        program=_program("channel", weights.conv, C=c, WARPS=warps, PROGRAMS=programs),
        norm=_pack_norm(weights.norm, weights.conv),
        gate=_padded(weights.gate.float(), _eighths(c)),
        warps=warps,
    )


def pack_ffn(weights: FfnWeights, *, warps: int = 4, step: int | None = None) -> PackedFfn:
    """Lay the weights out for the kernel, and compile that; once a model."""
    d, c = weights.fc1.shape
    step = step or _hidden_step(c, d, _most_shared(weights.fc1.device))
    steps = -(-d // step)
    fc1 = F.pad(weights.fc1, (0, _eighths(c) - c, 0, steps * step - d))
    fc2 = F.pad(weights.fc2, (0, steps * step - d, 0, _eighths(c) - c))
    programs = _programs(_shared_by_ffn(c, step), weights.fc1.device)
    norm = weights.norm
    return PackedFfn(
        program=_program("ffn", weights.fc1, C=c, D=steps * step, D_STEP=step, WARPS=warps, PROGRAMS=programs),
        norm=PackedNorm(
            weight=_padded(norm.weight, _eighths(c)),
            bias=_padded(norm.bias, _eighths(c)),
            taps=_pack_taps(weights.conv, steps * step),
        ),
        fc1=fc1.view(steps, step, -1).contiguous(),
        fc2=fc2.view(-1, steps, step).transpose(0, 1).contiguous(),
        warps=warps,
    )


def pack_conv(weight: Tensor, bias: Tensor | None, *, warps: int = 8) -> PackedConv:
    """Lay the weights [C_out, C_in, 3, 3] out for the kernel, and compile that; once a model."""
    made, c = weight.shape[:2]
    columns = _columns(made)
    taps = F.pad(weight.permute(2, 3, 0, 1).flatten(0, 1), (0, _eighths(c) - c, 0, columns - made))
    stages = 2 if _shared_by_conv(c, made, 2) <= _most_shared(weight.device) else 1
    programs = _programs(_shared_by_conv(c, made, stages), weight.device)
    return PackedConv(
        program=_program("conv", weight, C=c, MADE=made, WARPS=warps, STAGES=stages, PROGRAMS=programs),
        taps=taps.contiguous(),
        bias=_padded(weight.new_zeros(made) if bias is None else bias, columns).float(),
        made=made,
        stages=stages,
        warps=warps,
    )


def spatial_reduce(x: Tensor, weights: PackedSpatial, rows: Rows) -> Tensor:
    """Sum GELU(depthwise3×3(LN(x))) over the rows' pixels: [C] fp32, the same bits on every call of one GPU."""
    c, norm = x.shape[2], weights.norm
    programs = min(2 * _processors(x), _tiles(x, rows))
    sums = x.new_empty((programs, c), dtype=torch.float32)
    shared = 2 * (_HALO * _odd(c) + _TAPS * _eighths(c)) + 8 * _eighths(c)
    arguments = [x, sums, norm.weight, norm.bias, norm.taps, *_frame(x, rows)]
    weights.program.launch("spatial_reduce", (programs, 1), 256, shared, arguments)
    return sums.sum(0, dtype=torch.float64).float()


def spatial_apply(
    x: Tensor, out: Tensor, weights: PackedSpatial, projection: Tensor, projection_bias: Tensor, rows: Rows
) -> None:
    """Write x + window_attention(LN(x))·projectionᵀ + projection_bias + GELU(depthwise3×3(LN(x))).

    Two windows a program: x is read and out written once. Multiply-adds a pixel: 4·C² for the linear layers,
    2·window²·C for the attention.
    """
    c, norm, heads = x.shape[2], weights.norm, weights.position.shape[0]
    beyond = _eighths(c) - c
    matrix = F.pad(projection.to(x.dtype).view(c, heads, c // heads), (0, _HEAD - c // heads, 0, 0, 0, beyond))
    arguments = [
        x, out, norm.weight, norm.bias, weights.qkv, weights.qkv_bias, weights.position, norm.taps, matrix,
        _padded(projection_bias.float(), _eighths(c)), *_frame(x, rows, out),
    ]  # fmt: skip
    shared = _shared_by_spatial_apply(c, heads)
    weights.program.launch("spatial_apply", _grid(x, rows), weights.warps * 32, shared, arguments)


def channel_reduce(x: Tensor, weights: PackedChannel, rows: Rows) -> tuple[Tensor, Tensor]:
    """Sum nᵀn and n over the rows' pixels, n = LN(x): [C, C] and [C] fp32, the same bits on every call of one GPU."""
    c, norm = x.shape[2], weights.norm
    c8 = _eighths(c)
    pixels = (rows[1] - rows[0]) * x.shape[1]
    programs = min(2 * _processors(x), -(-pixels // _SPAN))
    gram = x.new_empty((programs, c8, c8), dtype=torch.float32)
    sums = x.new_empty((programs, c), dtype=torch.float32)
    arguments = [x, gram, sums, norm.weight, norm.bias, *_frame(x, rows)]
    threads, shared = -(-c8 // 16) * 32, 2 * (_SPAN * _odd(c) + 8)
    weights.program.launch("channel_reduce", (programs, 1), threads, shared, arguments)
    total = gram.sum(0, dtype=torch.float64).float()
    return total[:c, :c], sums.sum(0, dtype=torch.float64).float()


def channel_apply(x: Tensor, out: Tensor, weights: PackedChannel, matrix: Tensor, bias: Tensor, rows: Rows) -> None:
    """Write x + a + GELU(depthwise3×3(LN(x)))·sigmoid(a·gate), a = LN(x)·matrixᵀ + bias; C² multiply-adds a pixel."""
    c, norm = x.shape[2], weights.norm
    beyond = _eighths(c) - c
    arguments = [
        x, out, norm.weight, norm.bias, norm.taps, weights.gate, F.pad(matrix.to(x.dtype), (0, beyond, 0, beyond)),
        _padded(bias.float(), _eighths(c)), *_frame(x, rows, out),
    ]  # fmt: skip
    weights.program.launch("channel_apply", _grid(x, rows), weights.warps * 32, _shared_by_channel_apply(c), arguments)


def ffn(x: Tensor, out: Tensor, weights: PackedFfn, rows: Rows) -> None:
    """Write x + fc2(depthwise3×3(GELU(fc1(LN(x))))).

    x is read and out written once; the hidden channels exist in shared memory alone, and fc1 is computed 1.5 times for
    the ring around a tile.
    """
    c, norm, step = x.shape[2], weights.norm, weights.fc1.shape[1]
    arguments = [
        x, out, norm.weight, norm.bias, weights.fc1, norm.taps, weights.fc2, *_frame(x, rows, out)
    ]  # fmt: skip
    weights.program.launch("ffn", _grid(x, rows), weights.warps * 32, _shared_by_ffn(c, step), arguments)


def conv3x3(x: Tensor, out: Tensor, weights: PackedConv, residual: Tensor | None, rows: Rows) -> None:
    """Write the zero-padded convolution of x, plus a residual map; `out` may be the residual itself."""
    arguments = [x, out, residual, weights.taps, weights.bias, *_frame(x, rows, out)]
    shared = _shared_by_conv(x.shape[2], weights.made, weights.stages)
    weights.program.launch("conv3x3", _grid(x, rows), weights.warps * 32, shared, arguments)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply small matrices, of what is folded anew for each frame: [..., M, K] · [..., K, N] -> [..., M, N]."""
    return triton.product(a, b) if RECORDABLE else reference.product(a, b)


def _pack_norm(norm: Norm, conv: Tensor) -> PackedNorm:
    c8 = _eighths(conv.shape[0])
    return PackedNorm(_padded(norm.weight, c8), _padded(norm.bias, c8), _pack_taps(conv, c8))


def _pack_taps(conv: Tensor, channels: int) -> Tensor:
    """[C, 3, 3] -> [channels/2, 12, 2]: two channels' taps, column by column, and zeros."""
    taps = F.pad(conv.transpose(1, 2).flatten(1), (0, _TAPS - 9, 0, channels - conv.shape[0]))
    return taps.view(channels // 2, 2, _TAPS).transpose(1, 2).contiguous()


def _program(source: str, weight: Tensor, **facts: int) -> Program:
    if weight.dtype == torch.bfloat16:
        facts["FDAT_BF16"] = 1
    return build.program(source, tuple(facts.items()), weight.device)


def _by_lane(position: Tensor) -> Tensor:
    """[heads, 64, 64] -> [heads, 16 queries', 16 keys', lane, of 2 tiles' 2 query rows' 2 keys]."""
    heads = position.shape[0]
    # query = tile, row, g; key = tiles, tile, t, key
    parts = position.view(heads, 4, 2, 8, 4, 2, 4, 2).permute(0, 1, 4, 3, 6, 5, 2, 7)
    return parts.reshape(heads, 4, 4, 32, 8).contiguous()


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
    return -(-x.shape[1] // _TILE_W), -(-(rows[1] - rows[0]) // _TILE_H)


def _tiles(x: Tensor, rows: Rows) -> int:
    across, down = _grid(x, rows)
    return across * down


def _padded(tensor: Tensor, length: int) -> Tensor:
    return F.pad(tensor, (0, length - tensor.shape[-1])).contiguous()


# The sizes below are those that the kernels reckon with: csrc/tile.cuh and each source's head.


def _eighths(c: int) -> int:
    return -(-c // 8) * 8


def _odd(c: int) -> int:
    """Numbers a pixel of C channels takes in shared memory: an odd number of eighths."""
    eighths = -(-c // 8)
    return (eighths | 1) * 8


def _hidden_step(c: int, d: int, most: int) -> int:
    """Choose the step that pads the hidden channels least, of those that shared memory has room for, the larger of two."""
    steps = [step for step in range(64, 24, -8) if _shared_by_ffn(c, step) <= most] or [32]
    return min(steps, key=lambda step: -(-d // step) * step)


def _columns(made: int) -> int:
    across = 2 if made > 32 else 1
    return -(-(-(-made // 8)) // across) * 8 * across


def _shared_by_ffn(c: int, step: int) -> int:
    rows = -(-_HALO // 16) * 16
    return 2 * (rows * _odd(c) + rows * _odd(step) + step * _odd(c) + _eighths(c) * _odd(step) + _TAPS * step)


def _shared_by_spatial_apply(c: int, heads: int) -> int:
    arena = 3 * _HEAD * _odd(c) + 4 * _WINDOW**2 * (_HEAD + 8)
    return 2 * (_HALO * _odd(c) + _TAPS * _eighths(c) + arena)


def _shared_by_channel_apply(c: int) -> int:
    return 2 * (_HALO * _odd(c) + _TAPS * _eighths(c) + _eighths(c) * _odd(c))


def _shared_by_conv(c: int, made: int, stages: int) -> int:
    return 2 * max(_HALO * _odd(c) + stages * _columns(made) * _odd(c), _TILE_H * _TILE_W * _odd(_columns(made)))


def _most_shared(device: torch.device) -> int:
    """Bytes of shared memory that a program can have; without a GPU as much as Hopper gives."""
    if device.type != "cuda":
        return 227 << 10
    return torch.cuda.get_device_properties(device).shared_memory_per_block_optin


def _programs(shared: int, device: torch.device) -> int:
    """Count the programs that a multiprocessor's shared memory holds, two at most: each then has registers enough."""
    if device.type != "cuda":
        return 1
    return max(1, min(2, torch.cuda.get_device_properties(device).shared_memory_per_multiprocessor // (shared + 1024)))


def _processors(x: Tensor) -> int:
    return torch.cuda.get_device_properties(x.device).multi_processor_count if x.is_cuda else 2
