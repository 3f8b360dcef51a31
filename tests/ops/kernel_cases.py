"""One case for each kernel: random weights and features, the kernel into NaN-filled outputs, plain float64 beside it.

Shared by the tests, which run the kernels through Triton's interpreter, and by the GPU programme, which runs them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from vsfdat.ops.interface import ChannelWeights, FfnWeights, NetworkShape, Norm, SpatialWeights


@dataclass(frozen=True)
class CaseShape:
    """The hyper-parameters that the kernels see."""

    channels: int
    heads: int
    hidden: int
    window: int = 8
    qkv_bias: bool = False

    @property
    def network(self) -> NetworkShape:
        """What a backend is asked about."""
        return NetworkShape(self.channels, self.heads, self.hidden, self.window)


SHAPES = {
    "fdat_tiny": CaseShape(96, 3, 144),
    "fdat_light": CaseShape(108, 4, 216),
    "fdat_medium": CaseShape(120, 4, 240),
    "fdat_medium_aligned": CaseShape(128, 4, 256),
    "fdat_large": CaseShape(180, 6, 360),
}


@dataclass(frozen=True)
class Case:
    """Where and on what a kernel runs; `rows` are those it shall write, features are `spread` wide around `level`."""

    shape: CaseShape
    height: int
    width: int
    rows: tuple[int, int]
    dtype: torch.dtype
    device: torch.device
    padding: int = 0
    seed: int = 0
    eps: float = 1e-5
    level: float = 3.0
    spread: float = 2.0

    def random(self, *size: int, scale: float = 1.0) -> Tensor:
        """Numbers in the case's dtype; a fresh generator a call would repeat them, so one is kept by size and seed."""
        generator = torch.Generator().manual_seed(hash((self.seed, size)) % 2**31)
        return (torch.randn(size, generator=generator) * scale).to(self.device, self.dtype)

    def features(self) -> Tensor:
        """A feature map with channels far from zero mean, which LayerNorm must survive; a cut of a larger map."""
        pad = self.padding
        whole = self.random(self.height + pad, self.width + pad, self.shape.channels + pad) * self.spread + self.level
        return whole[: self.height, : self.width, : self.shape.channels]

    def output(self, channels: int | None = None) -> Tensor:
        """A map full of NaN, its strides unlike the input's."""
        size = (self.height, self.width + self.padding, channels or self.shape.channels)
        whole = torch.full(size, float("nan"), dtype=self.dtype, device=self.device)
        return whole[:, : self.width]


# What LayerNorm adds to variances, and features of a variance of 4e-6, which tell them apart.
EPSILONS, FAINT = (1e-5, 1e-6), {"level": 0.0, "spread": 2e-3}


@dataclass(frozen=True)
class Outcome:
    """What came of one case: `error` is ‖out − truth‖ / ‖truth‖, NaN where something stayed unwritten."""

    error: float
    untouched: bool


def _outcome(case: Case, out: Tensor, truth: Tensor) -> Outcome:
    start, stop = case.rows
    difference = out[start:stop].double() - truth[start:stop]
    others = torch.cat([out[:start], out[stop:]])
    return Outcome(float(difference.norm() / truth[start:stop].norm()), bool(others.isnan().all()))


def _error(out: Tensor, truth: Tensor) -> Outcome:
    return Outcome(float((out.double() - truth).norm() / truth.norm()), untouched=True)


def norm_weights(case: Case) -> Norm:
    c = case.shape.channels
    return Norm(case.random(c, scale=0.3) + 1, case.random(c + 1, scale=0.3)[:c], case.eps)


def spatial_weights(case: Case) -> SpatialWeights:
    c, tokens = case.shape.channels, case.shape.window**2
    return SpatialWeights(
        norm=norm_weights(case),
        qkv=case.random(3 * c, c, scale=2 / sqrt(c)),
        qkv_bias=case.random(3 * c) if case.shape.qkv_bias else None,
        bias=case.random(case.shape.heads, tokens, tokens),
        conv=case.random(c, 3, 3, scale=0.4),
        window=case.shape.window,
    )


def channel_weights(case: Case) -> ChannelWeights:
    c = case.shape.channels
    return ChannelWeights(norm_weights(case), case.random(c, 3, 3, scale=0.4), case.random(c, scale=2 / sqrt(c)))


def ffn_weights(case: Case) -> FfnWeights:
    c, d = case.shape.channels, case.shape.hidden
    return FfnWeights(
        norm=norm_weights(case),
        fc1=case.random(d, c, scale=1 / sqrt(c)),
        conv=case.random(d, 3, 3, scale=0.4),
        fc2=case.random(c, d, scale=1 / sqrt(d)),
    )


# Plain float64: [H, W, C] maps, one line a step.


def _layer_norm(x: Tensor, norm: Norm) -> Tensor:
    return F.layer_norm(x.double(), x.shape[-1:], norm.weight.double(), norm.bias.double(), norm.eps)


def _depthwise(x: Tensor, conv: Tensor) -> Tensor:
    maps = F.conv2d(x.permute(2, 0, 1)[None], conv.double()[:, None], padding=1, groups=x.shape[2])
    return maps[0].permute(1, 2, 0)


def _branch(x: Tensor, norm: Norm, conv: Tensor) -> Tensor:
    return F.gelu(_depthwise(_layer_norm(x, norm), conv))


def _window_attention(n: Tensor, weights: SpatialWeights) -> Tensor:
    (h, w, c), side = n.shape, weights.window
    n = F.pad(n, (0, 0, 0, -w % side, 0, -h % side))
    rows, columns = n.shape[0] // side, n.shape[1] // side
    n = n.view(rows, side, columns, side, c).transpose(1, 2).reshape(rows * columns, side**2, c)
    bias = None if weights.qkv_bias is None else weights.qkv_bias.double()
    qkv = F.linear(n, weights.qkv.double(), bias)
    q, k, v = qkv.unflatten(-1, (3, weights.bias.shape[0], -1)).permute(2, 0, 3, 1, 4)
    attended = ((q @ k.mT + weights.bias.double()).softmax(-1) @ v).transpose(1, 2).flatten(2)
    attended = attended.view(rows, columns, side, side, c).transpose(1, 2).reshape(rows * side, columns * side, c)
    return attended[:h, :w]


# Each case: run the kernel under `ops`, compare.


def spatial_reduce(case: Case, ops: object) -> Outcome:
    x, weights, (start, stop) = case.features(), spatial_weights(case), case.rows
    sums = ops.spatial_reduce(x, ops.pack_spatial(weights), case.rows)
    return _error(sums, _branch(x, weights.norm, weights.conv)[start:stop].sum((0, 1)))


def spatial_apply(case: Case, ops: object) -> Outcome:
    x, out, weights, c = case.features(), case.output(), spatial_weights(case), case.shape.channels
    projection, bias = case.random(c, c, scale=1 / sqrt(c)), case.random(c, scale=0.5)
    ops.spatial_apply(x, out, ops.pack_spatial(weights), projection, bias, case.rows)
    attended = _window_attention(_layer_norm(x, weights.norm), weights) @ projection.double().T + bias.double()
    return _outcome(case, out, x.double() + attended + _branch(x, weights.norm, weights.conv))


def channel_reduce(case: Case, ops: object) -> Outcome:
    x, weights, (start, stop) = case.features(), channel_weights(case), case.rows
    gram, sums = ops.channel_reduce(x, ops.pack_channel(weights), case.rows)
    n = _layer_norm(x, weights.norm)[start:stop].flatten(0, 1)
    return max(_error(gram, n.T @ n), _error(sums, n.sum(0)), key=lambda outcome: outcome.error)


def channel_apply(case: Case, ops: object) -> Outcome:
    x, out, weights, c = case.features(), case.output(), channel_weights(case), case.shape.channels
    matrix, bias = case.random(c, c, scale=1 / sqrt(c)), case.random(c, scale=0.5)
    ops.channel_apply(x, out, ops.pack_channel(weights), matrix, bias, case.rows)
    a = _layer_norm(x, weights.norm) @ matrix.double().T + bias.double()
    gate = (a @ weights.gate.double()).sigmoid()[..., None]
    return _outcome(case, out, x.double() + a + _branch(x, weights.norm, weights.conv) * gate)


def ffn(case: Case, ops: object) -> Outcome:
    x, out, weights = case.features(), case.output(), ffn_weights(case)
    ops.ffn(x, out, ops.pack_ffn(weights), case.rows)
    hidden = _depthwise(F.gelu(_layer_norm(x, weights.norm) @ weights.fc1.double().T), weights.conv)
    return _outcome(case, out, x.double() + hidden @ weights.fc2.double().T)


def conv3x3(case: Case, ops: object) -> Outcome:
    c = case.shape.channels
    x, out, made = case.features(), case.output(c // 2), c // 2
    weight, bias = case.random(made, c, 3, 3, scale=1 / sqrt(9 * c)), case.random(made)
    residual = case.random(case.height, case.width, made)
    ops.conv3x3(x, out, ops.pack_conv(weight, bias), residual, case.rows)
    maps = F.conv2d(x.double().permute(2, 0, 1)[None], weight.double(), bias.double(), padding=1)
    return _outcome(case, out, maps[0].permute(1, 2, 0) + residual.double())


KERNELS: dict[str, Callable[[Case, object], Outcome]] = {
    "spatial_reduce": spatial_reduce,
    "spatial_apply": spatial_apply,
    "channel_reduce": channel_reduce,
    "channel_apply": channel_apply,
    "ffn": ffn,
    "conv3x3": conv3x3,
}


def kernels_of(ops: object) -> list[str]:
    """Name the cases that a backend has kernels for; in the place of others the engine takes plain torch's."""
    return [name for name in KERNELS if hasattr(ops, name)]


# A result rounded once is 2⁻¹² (fp16) or 2⁻⁹ (bf16) off on average at most; operands of products are rounded as well.
# fp32 stays far under 1e-5 where no tf32 product slipped in: one would show as 3e-4.
TOLERANCES = {torch.float32: 1e-5, torch.float16: 1.5e-3, torch.bfloat16: 1.2e-2}
