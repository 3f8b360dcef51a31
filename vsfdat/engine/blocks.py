"""The two kinds of block on folded weights: a reduce pass over strips gathers a sum, an apply pass uses it.

And the convolution between them, strip by strip as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vsfdat.arch.fdat import FastChannelAttention, FastSpatialWindowAttention, SimplifiedDATBlock
from vsfdat.ops import Ops, PackingOps
from vsfdat.ops.interface import ChannelWeights, FfnWeights, Norm, Rows, SpatialWeights

from . import fold


@dataclass(frozen=True)
class SpatialBlock:
    """A spatial block's first half: its convolution branch's mean gates the attention's projection."""

    weights: Any
    squeeze: Tensor
    excite: Tensor
    projection: Tensor
    projection_bias: Tensor

    def __call__(self, ops: Ops, x: Tensor, out: Tensor, strips: Sequence[Rows]) -> None:
        """Two maps [H, W, C]; `out` is written."""
        exact = self.projection.dtype
        total = _total([ops.spatial_reduce(x, self.weights, rows) for rows in strips], exact)
        gate = fold.channel_gate(total / (x.shape[0] * x.shape[1]), self.squeeze, self.excite)
        weight, bias = fold.gate_into_projection(gate, self.projection, self.projection_bias)
        weight, bias = weight.to(x.dtype), bias.to(x.dtype)
        for rows in strips:
            ops.spatial_apply(x, out, self.weights, weight, bias, rows)


@dataclass(frozen=True)
class ChannelBlock:
    """A channel block's first half: its attention over the frame is one matrix, known after the reduce pass."""

    weights: Any
    qkv: Tensor
    qkv_bias: Tensor | None
    temperature: Tensor
    projection: Tensor
    projection_bias: Tensor

    def __call__(self, ops: Ops, x: Tensor, out: Tensor, strips: Sequence[Rows]) -> None:
        """Two maps [H, W, C]; `out` is written."""
        exact = self.projection.dtype
        grams, sums = zip(*(ops.channel_reduce(x, self.weights, rows) for rows in strips), strict=True)
        matrix, bias = fold.channel_attention_into_matrix(
            _total(grams, exact), _total(sums, exact), x.shape[0] * x.shape[1],
            self.qkv, self.qkv_bias, self.temperature, self.projection, self.projection_bias, ops.product,
        )  # fmt: skip
        matrix, bias = matrix.to(x.dtype), bias.to(x.dtype)
        for rows in strips:
            ops.channel_apply(x, out, self.weights, matrix, bias, rows)


@dataclass(frozen=True)
class Block:
    """A whole block: attention and convolution, then the FFN."""

    attend: SpatialBlock | ChannelBlock
    ffn: Any

    def feed_forward(self, ops: Ops, x: Tensor, out: Tensor, strips: Sequence[Rows]) -> None:
        """Two maps [H, W, C]; `out` is written."""
        for rows in strips:
            ops.ffn(x, out, self.ffn, rows)


def convolve(ops: Ops, x: Tensor, out: Tensor, weights: Any, residual: Tensor | None, strips: Sequence[Rows]) -> None:
    """Two maps [H, W, C]; `out` is written, and may be the residual."""
    for rows in strips:
        ops.conv3x3(x, out, weights, residual, rows)


def _total(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    return torch.stack(tuple(parts)).sum(dim=0, dtype=dtype)


_Cast = Callable[[Tensor], Tensor]


def fold_block(block: SimplifiedDATBlock, ops: PackingOps, device: torch.device, dtype: torch.dtype) -> Block:
    """Fold and pack a block's weights, once a model.

    Args:
        block: In fp32 on the CPU; it is not changed.
        ops: The backend's that will run it.
        device: Where the maps will be.
        dtype: What maps are made of. What is folded anew for each frame stays in float64, where the device has it.
    """
    exact_dtype = torch.float32 if device.type == "mps" else torch.float64

    def cast(tensor: Tensor) -> Tensor:
        return tensor.detach().to(device, dtype)

    def exact(tensor: Tensor) -> Tensor:
        return tensor.detach().to(device, exact_dtype)

    fold_attention = _fold_spatial if block.block_type == "spatial" else _fold_channel
    ffn = FfnWeights(
        norm=_norm(block.n2, cast),
        fc1=cast(block.ffn.fc1.weight),
        conv=cast(block.ffn.smix.weight.squeeze(1)),
        fc2=cast(block.ffn.fc2.weight),
    )
    return Block(fold_attention(block, ops, cast, exact), ops.pack_ffn(ffn))


def _norm(layer: nn.LayerNorm, cast: _Cast) -> Norm:
    return Norm(cast(layer.weight), cast(layer.bias), layer.eps)


def _fold_spatial(block: SimplifiedDATBlock, ops: PackingOps, cast: _Cast, exact: _Cast) -> SpatialBlock:
    attention = block.attn
    assert isinstance(attention, FastSpatialWindowAttention)
    head_dim = attention.qkv.in_features // attention.num_heads
    qkv_bias = attention.qkv.bias
    weights = SpatialWeights(
        norm=_norm(block.n1, cast),
        qkv=cast(fold.scale_into_q(attention.qkv.weight, head_dim)),
        qkv_bias=None if qkv_bias is None else cast(fold.scale_into_q(qkv_bias, head_dim)),
        bias=cast(attention.bias),
        conv=cast(block.get_parameter("conv.0.weight").squeeze(1)),
        window=attention.window_size,
    )
    return SpatialBlock(
        ops.pack_spatial(weights),
        squeeze=exact(block.get_parameter("inter.cg.1.weight").flatten(1)),
        excite=exact(block.get_parameter("inter.cg.3.weight").flatten(1)),
        projection=exact(attention.proj.weight),
        projection_bias=exact(attention.proj.bias),
    )


def _fold_channel(block: SimplifiedDATBlock, ops: PackingOps, cast: _Cast, exact: _Cast) -> ChannelBlock:
    attention = block.attn
    assert isinstance(attention, FastChannelAttention)
    weights = ChannelWeights(
        norm=_norm(block.n1, cast),
        conv=cast(block.get_parameter("conv.0.weight").squeeze(1)),
        gate=cast(block.get_parameter("inter.sg.0.weight").flatten()),
    )
    qkv_bias = attention.qkv.bias
    return ChannelBlock(
        ops.pack_channel(weights),
        qkv=exact(attention.qkv.weight),
        qkv_bias=None if qkv_bias is None else exact(qkv_bias),
        temperature=exact(attention.temp.flatten()),
        projection=exact(attention.proj.weight),
        projection_bias=exact(attention.proj.bias),
    )
