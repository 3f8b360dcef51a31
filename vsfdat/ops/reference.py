"""The ops in plain torch: the portable path, and what every kernel is held against.

A map is [H, W, C]. An op makes the rows `start..stop` of its result and reads what it needs around them from the whole
map, so that strips put together equal the whole frame.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .interface import ChannelWeights, ConvWeights, FfnWeights, Norm, Rows, SpatialWeights


def pack_spatial(weights: SpatialWeights) -> SpatialWeights:
    """Leave the weights as they are; kernels lay them out anew, once a model."""
    return weights


def pack_channel(weights: ChannelWeights) -> ChannelWeights:
    """Leave the weights as they are."""
    return weights


def pack_ffn(weights: FfnWeights) -> FfnWeights:
    """Leave the weights as they are."""
    return weights


def pack_conv(weight: Tensor, bias: Tensor | None) -> ConvWeights:
    """Put a convolution's weights [C_out, C_in, 3, 3] and bias [C_out] into their record."""
    return ConvWeights(weight, bias)


def spatial_reduce(x: Tensor, weights: SpatialWeights, rows: Rows) -> Tensor:
    """Sum a spatial block's convolution branch over the pixels of some rows: [C] fp32."""
    normalised, inner = _normalise_with_halo(x, weights.norm, rows)
    return _branch(normalised, weights.conv, inner).sum(dim=(0, 1), dtype=torch.float32)


def spatial_apply(
    x: Tensor, out: Tensor, weights: SpatialWeights, projection: Tensor, projection_bias: Tensor, rows: Rows
) -> None:
    """Write x + window attention + convolution branch; the projection [C, C] and its bias carry the channel gate."""
    normalised, inner = _normalise_with_halo(x, weights.norm, rows)
    attended = _window_attention(normalised[inner], weights)
    start, stop = rows
    fused = _linear(attended, projection, projection_bias) + _branch(normalised, weights.conv, inner)
    torch.add(x[start:stop], fused, out=out[start:stop])


def channel_reduce(x: Tensor, weights: ChannelWeights, rows: Rows) -> tuple[Tensor, Tensor]:
    """Sum nᵀn and n over the pixels of some rows, n the normalised features: [C, C] and [C], fp32."""
    start, stop = rows
    pixels = _normalise(x[start:stop], weights.norm).flatten(0, 1).float()
    return pixels.T @ pixels, pixels.sum(dim=0)


def channel_apply(x: Tensor, out: Tensor, weights: ChannelWeights, matrix: Tensor, bias: Tensor, rows: Rows) -> None:
    """Write x + a + convolution branch · σ(a·gate), a the channel attention folded into a matrix [C, C] and a bias."""
    normalised, inner = _normalise_with_halo(x, weights.norm, rows)
    attended = _linear(normalised[inner], matrix, bias)
    gate = (attended @ weights.gate).sigmoid().unsqueeze(-1)
    start, stop = rows
    fused = attended + _branch(normalised, weights.conv, inner) * gate
    torch.add(x[start:stop], fused, out=out[start:stop])


def ffn(x: Tensor, out: Tensor, weights: FfnWeights, rows: Rows) -> None:
    """Write x + the FFN of x."""
    normalised, inner = _normalise_with_halo(x, weights.norm, rows)
    hidden = F.gelu(_linear(normalised, weights.fc1))
    start, stop = rows
    torch.add(x[start:stop], _linear(_depthwise(hidden, weights.conv)[inner], weights.fc2), out=out[start:stop])


def conv3x3(x: Tensor, out: Tensor, weights: ConvWeights, residual: Tensor | None, rows: Rows) -> None:
    """Write the zero-padded convolution of x, plus a residual map; `out` may be the residual itself."""
    outer, inner = _with_halo(rows, x.shape[0])
    convolved = _channels_last(F.conv2d(_channels_first(x[outer]), weights.weight, weights.bias, padding=1))[inner]
    start, stop = rows
    if residual is None:
        out[start:stop] = convolved
    else:
        torch.add(residual[start:stop], convolved, out=out[start:stop])


def product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply small matrices, of what is folded anew for each frame: [..., M, K] · [..., K, N] -> [..., M, N]."""
    return a @ b


def _with_halo(rows: Rows, height: int) -> tuple[slice, slice]:
    """Widen rows by one on each side where the frame goes on; and say where the rows lie in the widened piece."""
    start, stop = rows
    top = max(start - 1, 0)
    return slice(top, min(stop + 1, height)), slice(start - top, stop - top)


def _normalise_with_halo(x: Tensor, norm: Norm, rows: Rows) -> tuple[Tensor, slice]:
    outer, inner = _with_halo(rows, x.shape[0])
    return _normalise(x[outer], norm), inner


def _normalise(x: Tensor, norm: Norm) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps)


def _branch(normalised: Tensor, conv: Tensor, inner: slice) -> Tensor:
    return F.gelu(_depthwise(normalised, conv)[inner])


def _depthwise(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve each channel with its own 3×3; of a widened piece, the rows widened by come out wrong."""
    return _channels_last(F.conv2d(_channels_first(x), weight.unsqueeze(1), padding=1, groups=weight.shape[0]))


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if x.device.type != "cpu":
        return F.linear(x, weight, bias)
    # oneDNN, which torch uses for convolutions, runs twice as fast as its matrix product on processors that are not
    # Intel's, and as fast on those.
    return _channels_last(F.conv2d(_channels_first(x), weight[:, :, None, None], bias))


def _channels_first(x: Tensor) -> Tensor:
    """[H, W, C] -> [1, C, H, W], a view in torch's channels_last format."""
    return x.permute(2, 0, 1).unsqueeze(0)


def _channels_last(x: Tensor) -> Tensor:
    """[1, C, H, W] -> [H, W, C]."""
    return x.squeeze(0).permute(1, 2, 0)


def _window_attention(normalised: Tensor, weights: SpatialWeights) -> Tensor:
    """Attend within windows: [rows, W, C] -> [rows, W, C], ahead of the projection."""
    height, width, channels = normalised.shape
    side, heads = weights.window, weights.bias.shape[0]
    padded = F.pad(normalised, (0, 0, 0, -width % side, 0, -height % side))
    down, across = padded.shape[0] // side, padded.shape[1] // side

    # [down·side, across·side, 3·C] -> q, k, v: [windows, heads, side², head_dim]
    qkv = _linear(padded, weights.qkv, weights.qkv_bias)
    qkv = qkv.reshape(down, side, across, side, 3, heads, channels // heads).permute(4, 0, 2, 5, 1, 3, 6)
    q, k, v = qkv.reshape(3, down * across, heads, side**2, channels // heads)
    attended: Tensor = (q @ k.transpose(-2, -1) + weights.bias).softmax(dim=-1) @ v

    attended = attended.view(down, across, heads, side, side, channels // heads).permute(0, 3, 1, 4, 2, 5)
    return attended.reshape(down * side, across * side, channels)[:height, :width]
