"""LayerNorm and the depthwise convolution behind it, as the kernels read them: padded with zeros."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ..interface import Norm
from .sizes import TAPS, eighths


@dataclass(frozen=True)
class PackedNorm:
    """LayerNorm and the depthwise taps behind it: `weight` and `bias` [C8], `taps` [C8/2, 12 pairs], zeros beyond C."""

    weight: Tensor
    bias: Tensor
    taps: Tensor


def pack_norm(norm: Norm, conv: Tensor) -> PackedNorm:
    """Lay out a LayerNorm and the depthwise convolution [C, 3, 3] of its result."""
    c8 = eighths(conv.shape[0])
    return PackedNorm(padded(norm.weight, c8), padded(norm.bias, c8), pack_taps(conv, c8))


def pack_taps(conv: Tensor, channels: int) -> Tensor:
    """[C, 3, 3] -> [channels/2, 12, 2]: two channels' taps, column by column, and zeros."""
    taps = F.pad(conv.transpose(1, 2).flatten(1), (0, TAPS - 9, 0, channels - conv.shape[0]))
    return taps.view(channels // 2, 2, TAPS).transpose(1, 2).contiguous()


def padded(tensor: Tensor, length: int) -> Tensor:
    """Zeros at the end of the last axis, up to a length."""
    return F.pad(tensor, (0, length - tensor.shape[-1])).contiguous()
