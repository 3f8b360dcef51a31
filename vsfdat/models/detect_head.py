"""Which reconstruction head a state dict has: from `MetaUpsample` where it is, else from the tensors' shapes."""

import math
import re
from dataclasses import dataclass, replace

from torch import Tensor

from vsfdat.arch.config import UPSAMPLER_TYPES, UpsamplerType

from .checkpoint import StateDict
from .tensors import small_numbers

_DYSAMPLE_GROUPS = 4
_PREFIX = "upsampler."
_META = f"{_PREFIX}MetaUpsample"
_MOST_CONVOLUTIONS = 16  # pa_up has nine at 8x, and one more
# What to assume for heads that only repeat pixels between their layers, so that no tensor tells by how much.
_GUESSED_SCALE = 2


@dataclass(frozen=True)
class Head:
    """A head's hyper-parameters; `scale` is from feature map to picture, so 4 for every unshuffle model."""

    upsampler_type: UpsamplerType
    scale: int
    num_out_ch: int
    mid_dim: int = 64
    scale_is_a_guess: bool = False


def detect_head(state_dict: StateDict, num_in_ch: int | None) -> Head:
    """Read the head's hyper-parameters.

    Args:
        state_dict: The whole network's tensors.
        num_in_ch: Channels of the input picture, to tell one output picture's channels from several shuffled ones';
            None for unshuffle models, whose head always upsamples by 4.

    Raises:
        ValueError: There is no head, or one that FDAT does not have.
    """
    meta = state_dict.get(_META)
    if meta is not None:
        _, index, scale, _, num_out_ch, mid_dim, _ = small_numbers(meta, _META, 7)
        if index >= len(UPSAMPLER_TYPES):
            raise ValueError(f"MetaUpsample names upsampler {index}, and FDAT has {len(UPSAMPLER_TYPES)}")
        return Head(UPSAMPLER_TYPES[index], scale, num_out_ch, mid_dim)
    names = [key for key, tensor in state_dict.items() if key.startswith(_PREFIX) and tensor.ndim == 4]
    if not names:
        raise ValueError("no upsampler")
    if len(names) > _MOST_CONVOLUTIONS:
        raise ValueError(f"an upsampler of {len(names)} convolutions")
    names.sort(key=_position)
    weights = {key.removeprefix(_PREFIX).removesuffix(".weight"): state_dict[key] for key in names}
    return _from_shapes(weights, num_in_ch)


def _position(name: str) -> int:
    """Read a layer's place; files come sorted by name, where 10 is before 3."""
    number = name.removeprefix(_PREFIX).split(".")[0]
    if not re.fullmatch("[0-9]{1,3}", number):
        raise ValueError(f"{name} has no place")
    return int(number)


def _from_shapes(weights: dict[str, Tensor], num_in_ch: int | None) -> Head:
    """Tell the heads apart by what only one of them has."""
    tensors = list(weights.values())
    first, last = tensors[0], tensors[-1]
    guess = Head("lda", _GUESSED_SCALE, last.shape[0], last.shape[1], scale_is_a_guess=True)
    if any(name.endswith(".offset") for name in weights):
        return _dysample(weights)
    if any("conv_offset" in name for name in weights):
        return guess if num_in_ch is not None else replace(guess, scale=4, scale_is_a_guess=False)
    pixel_attentions = sum(name.endswith(".conv.0") for name in weights)
    if pixel_attentions:
        return _repeating("pa_up", pixel_attentions, last)
    if len(tensors) == 1:
        return _one_convolution(first.shape[0], num_in_ch)
    if first.shape[-1] == 4:
        return Head("transpose+conv", 2 * sum(tensor.shape[-1] == 4 for tensor in tensors), last.shape[0])
    if len(tensors) == 2:
        return Head("transpose+conv", 3, last.shape[0])
    # A shuffle needs 4 or 9 times the channels, a repetition keeps them.
    growth = [tensor.shape[0] // tensor.shape[1] for tensor in tensors[1:-1]]
    if growth[0] > 1:
        return Head("pixelshuffle", math.prod(math.isqrt(g) for g in growth), last.shape[0], first.shape[0])
    return _repeating("nearest+conv", len(tensors) - 2, last)


def _dysample(weights: dict[str, Tensor]) -> Head:
    offset = next(tensor for name, tensor in weights.items() if name.endswith(".offset"))
    end = next((tensor for name, tensor in weights.items() if name.endswith(".end_conv")), None)
    if end is None:
        raise ValueError("a dysample upsampler without end_conv")
    return Head("dysample", math.isqrt(offset.shape[0] // (2 * _DYSAMPLE_GROUPS)), end.shape[0], end.shape[1])


def _repeating(upsampler_type: UpsamplerType, steps: int, last: Tensor) -> Head:
    """One step may double or triple; more than one can only double."""
    return Head(upsampler_type, 2**steps, last.shape[0], last.shape[1], scale_is_a_guess=steps == 1)


def _one_convolution(channels: int, num_in_ch: int | None) -> Head:
    if num_in_ch is None:
        return Head("pixelshuffledirect", 4, channels // 16)
    if channels % num_in_ch == 0 and math.isqrt(channels // num_in_ch) ** 2 == channels // num_in_ch:
        scale = math.isqrt(channels // num_in_ch)
        return Head("conv" if scale == 1 else "pixelshuffledirect", scale, num_in_ch)
    return Head("conv", 1, channels)
