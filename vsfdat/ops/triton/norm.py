"""LayerNorm and the depthwise convolution behind it, as the kernels read them."""

from dataclasses import dataclass

from torch import Tensor, cat

from ..interface import Norm


@dataclass(frozen=True)
class PackedNorm:
    """A LayerNorm and a depthwise 3×3 of its result, tap by tap, in fp32.

    Args:
        weight: The norm's, [C].
        bias: The norm's, [C].
        plain_taps: The convolution's, [9, C]: channels side by side, as the maps have them.
        taps: tap·weight, [9, C].
        shifts: tap·bias, [9, C], and their sum in a tenth row.
        eps: What is added to the variance.
    """

    weight: Tensor
    bias: Tensor
    plain_taps: Tensor
    taps: Tensor
    shifts: Tensor
    eps: float


def pack_taps(conv: Tensor) -> Tensor:
    """Lay a depthwise convolution [C, 3, 3] out tap by tap: [9, C] fp32."""
    return conv.float().flatten(1).T.contiguous()


def pack_norm(norm: Norm, conv: Tensor) -> PackedNorm:
    """Fold a LayerNorm's weight and bias into the depthwise convolution [C, 3, 3] behind it."""
    weight, bias, plain = norm.weight.float().contiguous(), norm.bias.float().contiguous(), pack_taps(conv)
    shifts = plain * bias
    return PackedNorm(weight, bias, plain, plain * weight, cat([shifts, shifts.sum(0, keepdim=True)]), norm.eps)
