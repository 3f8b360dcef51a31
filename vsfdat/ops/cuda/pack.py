"""Weights as the kernels read them, padded with zeros; and the kernels compiled for their shape."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..weights import ChannelWeights, FfnWeights, Norm, SpatialWeights
from . import build, shape
from .build import Program
from .shape import HEAD, TAPS, eighths


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
    """`ChannelWeights` as the kernels read them; `gate` [C8] fp32, `warps` a program of channel_apply."""

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
    """A 3×3 convolution as the kernel reads it.

    Args:
        program: Compiled for this shape.
        taps: [9, columns, C8].
        bias: [columns] fp32.
        made: Channels that it makes.
        stages: Taps in shared memory at a time.
        warps: A program.
    """

    program: Program
    taps: Tensor
    bias: Tensor
    made: int
    stages: int
    warps: int


def pack_spatial(weights: SpatialWeights, *, warps: int = 8) -> PackedSpatial:
    """Lay the weights out for the kernels, and compile those; once a model."""
    c, heads, device = weights.qkv.shape[1], weights.bias.shape[0], weights.qkv.device
    beyond = HEAD - c // heads
    qkv = weights.qkv.view(3, heads, c // heads, c).transpose(0, 1)
    flat_bias = weights.qkv.new_zeros(3 * c) if weights.qkv_bias is None else weights.qkv_bias
    qkv_bias = flat_bias.view(3, heads, c // heads).transpose(0, 1)
    programs = shape.programs(shape.spatial_apply_bytes(c), device)
    return PackedSpatial(
        program=_program("spatial", weights.qkv, C=c, HEADS=heads, WARPS=warps, PROGRAMS=programs),
        norm=_pack_norm(weights.norm, weights.conv),
        qkv=F.pad(qkv, (0, eighths(c) - c, 0, beyond)).contiguous(),
        qkv_bias=F.pad(qkv_bias, (0, beyond)).float().contiguous(),
        position=_by_lane(weights.bias),
        warps=warps,
    )


def pack_channel(weights: ChannelWeights, *, warps: int = 8) -> PackedChannel:
    """Lay the weights out for the kernels, and compile those; once a model."""
    c = weights.gate.shape[0]
    programs = shape.programs(shape.channel_apply_bytes(c), weights.gate.device)
    return PackedChannel(
        program=_program("channel", weights.conv, C=c, WARPS=warps, PROGRAMS=programs),
        norm=_pack_norm(weights.norm, weights.conv),
        gate=padded(weights.gate.float(), eighths(c)),
        warps=warps,
    )


def pack_ffn(weights: FfnWeights, *, warps: int | None = None, step: int | None = None) -> PackedFfn:
    """Lay the weights out for the kernel, and compile that; once a model.

    Four warps a program are faster than eight where a multiprocessor holds two programs; where it holds one, that needs
    eight.
    """
    (d, c), device, norm = weights.fc1.shape, weights.fc1.device, weights.norm
    step = step or shape.hidden_step(c, d, shape.most_bytes(device))
    steps = -(-d // step)
    fc1 = F.pad(weights.fc1, (0, eighths(c) - c, 0, steps * step - d))
    fc2 = F.pad(weights.fc2, (0, steps * step - d, 0, eighths(c) - c))
    programs = shape.programs(shape.ffn_bytes(c, step), device)
    warps = warps or (4 if programs == 2 else 8)
    return PackedFfn(
        program=_program("ffn", weights.fc1, C=c, D=steps * step, D_STEP=step, WARPS=warps, PROGRAMS=programs),
        norm=PackedNorm(
            weight=padded(norm.weight, eighths(c)),
            bias=padded(norm.bias, eighths(c)),
            taps=_pack_taps(weights.conv, steps * step),
        ),
        fc1=fc1.view(steps, step, -1).contiguous(),
        fc2=fc2.view(-1, steps, step).transpose(0, 1).contiguous(),
        warps=warps,
    )


def pack_conv(weight: Tensor, bias: Tensor | None, *, warps: int = 8) -> PackedConv:
    """Lay the weights [C_out, C_in, 3, 3] and bias [C_out] out for the kernel, and compile that; once a model."""
    (made, c), device = weight.shape[:2], weight.device
    columns = shape.columns(made)
    taps = F.pad(weight.permute(2, 3, 0, 1).flatten(0, 1), (0, eighths(c) - c, 0, columns - made))
    stages = 2 if shape.conv_bytes(c, made, 2) <= shape.most_bytes(device) else 1
    programs = shape.programs(shape.conv_bytes(c, made, stages), device)
    return PackedConv(
        program=_program("conv", weight, C=c, MADE=made, WARPS=warps, STAGES=stages, PROGRAMS=programs),
        taps=taps.contiguous(),
        bias=padded(weight.new_zeros(made) if bias is None else bias, columns).float(),
        made=made,
        stages=stages,
        warps=warps,
    )


def padded(tensor: Tensor, length: int) -> Tensor:
    """Zeros at the end of the last axis, up to a length."""
    return F.pad(tensor, (0, length - tensor.shape[-1])).contiguous()


def _program(source: str, weight: Tensor, **facts: int) -> Program:
    if weight.dtype == torch.bfloat16:
        facts["FDAT_BF16"] = 1
    return build.program(source, tuple(facts.items()), weight.device)


def _pack_norm(norm: Norm, conv: Tensor) -> PackedNorm:
    c8 = eighths(conv.shape[0])
    return PackedNorm(padded(norm.weight, c8), padded(norm.bias, c8), _pack_taps(conv, c8))


def _pack_taps(conv: Tensor, channels: int) -> Tensor:
    """[C, 3, 3] -> [channels/2, 12, 2]: two channels' taps, column by column, and zeros."""
    taps = F.pad(conv.transpose(1, 2).flatten(1), (0, TAPS - 9, 0, channels - conv.shape[0]))
    return taps.view(channels // 2, 2, TAPS).transpose(1, 2).contiguous()


def _by_lane(position: Tensor) -> Tensor:
    """[heads, 64, 64] -> [heads, 16 queries', 16 keys', lane, of 2 tiles' 2 query rows' 2 keys]."""
    heads = position.shape[0]
    # query = tile, row, g; key = tiles, tile, t, key
    parts = position.view(heads, 4, 2, 8, 4, 2, 4, 2).permute(0, 1, 4, 3, 6, 5, 2, 7)
    return parts.reshape(heads, 4, 4, 32, 8).contiguous()
