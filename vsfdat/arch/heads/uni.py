"""FDAT's heads: how each is built, how it is recognised, and its record.

Source: UniUpsampleV3 as traiNNer-redux and spandrel carry it; positions in its `Sequential` are parameter names.
"""

import math

from torch import Tensor, nn

from vsfdat.arch.head_layers import LDA_AQU, PA, conv3, doubled, leaky

from .facts import Head, HeadFacts, HeadSize, UpsamplerType, Weights

DYSAMPLE_GROUPS = 4
# What to assume for heads that only repeat pixels between their layers, so that no tensor tells by how much.
GUESSED_SCALE = 2


def _steps(scale: int) -> list[int]:
    """The factors by which the stepwise heads grow: 3 at once, powers of two by doubling."""
    return [3] if scale == 3 else [2] * (scale.bit_length() - 1)


def _into_mid(size: HeadSize) -> list[nn.Module]:
    if size.mid_dim == size.in_dim:
        return []
    return [conv3(size.in_dim, size.mid_dim), nn.LeakyReLU(inplace=True)]


def _one_convolution(weights: Weights) -> int | None:
    """Channels of a head's only convolution; None where it has others."""
    return next(iter(weights.values())).shape[0] if len(weights) == 1 else None


def _repeating(upsampler_type: UpsamplerType, steps: int, last: Tensor) -> HeadFacts:
    """One step may double or triple; more than one can only double."""
    return HeadFacts(upsampler_type, 2**steps, last.shape[0], last.shape[1], scale_is_a_guess=steps == 1)


def _last(weights: Weights) -> Tensor:
    return list(weights.values())[-1]


# conv


def _build_conv(size: HeadSize) -> list[nn.Module]:
    return [conv3(size.in_dim, size.out_dim)]


def _recognise_conv(weights: Weights, num_in_ch: int | None) -> HeadFacts | None:
    channels = _one_convolution(weights)
    if channels is None or num_in_ch is None:
        return None
    return HeadFacts("conv", 1, channels)


# pixelshuffledirect


def _build_direct(size: HeadSize) -> list[nn.Module]:
    return [conv3(size.in_dim, size.picture), nn.PixelShuffle(size.scale)]


def _recognise_direct(weights: Weights, num_in_ch: int | None) -> HeadFacts | None:
    channels = _one_convolution(weights)
    if channels is None:
        return None
    if num_in_ch is None:
        return HeadFacts("pixelshuffledirect", 4, channels // 16)
    scale = math.isqrt(channels // num_in_ch)
    if scale < 2 or scale**2 * num_in_ch != channels:
        return None
    return HeadFacts("pixelshuffledirect", scale, num_in_ch)


# pixelshuffle


def _build_shuffle(size: HeadSize) -> list[nn.Module]:
    mid = size.mid_dim
    grow = [layer for s in _steps(size.scale) for layer in (conv3(mid, s**2 * mid), nn.PixelShuffle(s))]
    return [conv3(size.in_dim, mid), nn.LeakyReLU(inplace=True), *grow, conv3(mid, size.out_dim)]


def _recognise_shuffle(weights: Weights, num_in_ch: int | None) -> HeadFacts | None:  # noqa: ARG001
    first, *grow, last = weights.values()
    # A shuffle needs 4 or 9 times the channels, a repetition keeps them.
    growth = [tensor.shape[0] // tensor.shape[1] for tensor in grow]
    if growth[0] < 2:
        return None
    return HeadFacts("pixelshuffle", math.prod(map(math.isqrt, growth)), last.shape[0], first.shape[0])


# nearest+conv


def _build_nearest(size: HeadSize) -> list[nn.Module]:
    dim = size.in_dim
    steps = _steps(size.scale)
    grow = [layer for s in steps for layer in (conv3(dim, dim), nn.Upsample(scale_factor=s), leaky())]
    return [*grow, conv3(dim, dim), leaky(), conv3(dim, size.out_dim)]


def _recognise_nearest(weights: Weights, num_in_ch: int | None) -> HeadFacts | None:  # noqa: ARG001
    return _repeating("nearest+conv", len(weights) - 2, _last(weights))


# dysample


def _build_dysample(size: HeadSize) -> list[nn.Module]:
    # Here, because spandrel brings fifty networks and torchvision along: seconds, for a head that few files have.
    from spandrel.architectures.__arch_helpers.dysample import DySample

    return [*_into_mid(size), DySample(size.mid_dim, size.out_dim, size.scale, DYSAMPLE_GROUPS)]


def _recognise_dysample(weights: Weights, num_in_ch: int | None) -> HeadFacts | None:  # noqa: ARG001
    offset = next((tensor for name, tensor in weights.items() if name.endswith(".offset")), None)
    if offset is None:
        return None
    end = next((tensor for name, tensor in weights.items() if name.endswith(".end_conv")), None)
    if end is None:
        raise ValueError("a dysample upsampler without end_conv")
    return HeadFacts("dysample", math.isqrt(offset.shape[0] // (2 * DYSAMPLE_GROUPS)), end.shape[0], end.shape[1])


# transpose+conv


def _build_transpose(size: HeadSize) -> list[nn.Module]:
    dim, out = size.in_dim, size.out_dim
    grow: dict[int, list[nn.Module]] = {
        2: [doubled(dim, out)],
        3: [nn.ConvTranspose2d(dim, out, 3, stride=3)],
        4: [doubled(dim, dim), nn.GELU(), doubled(dim, out)],
    }
    return [*grow[size.scale], conv3(out, out)]


def _recognise_transpose(weights: Weights, num_in_ch: int | None) -> HeadFacts | None:  # noqa: ARG001
    doublings = sum(tensor.shape[-1] == 4 for tensor in weights.values())
    if doublings:
        return HeadFacts("transpose+conv", 2 * doublings, _last(weights).shape[0])
    return HeadFacts("transpose+conv", 3, _last(weights).shape[0]) if len(weights) == 2 else None


# lda


def _build_lda(size: HeadSize) -> list[nn.Module]:
    return [*_into_mid(size), LDA_AQU(size.mid_dim, size.scale), conv3(size.mid_dim, size.out_dim)]


def _recognise_lda(weights: Weights, num_in_ch: int | None) -> HeadFacts | None:
    if not any("conv_offset" in name for name in weights):
        return None
    last, is_guess = _last(weights), num_in_ch is not None
    return HeadFacts("lda", GUESSED_SCALE if is_guess else 4, last.shape[0], last.shape[1], scale_is_a_guess=is_guess)


# pa_up


def _build_pa(size: HeadSize) -> list[nn.Module]:
    layers: list[nn.Module] = []
    in_dim, mid = size.in_dim, size.mid_dim
    for step in _steps(size.scale):
        layers += [nn.Upsample(scale_factor=step), conv3(in_dim, mid), PA(mid), leaky(), conv3(mid, mid), leaky()]
        in_dim = mid
    return [*layers, conv3(mid, size.out_dim)]


def _recognise_pa(weights: Weights, num_in_ch: int | None) -> HeadFacts | None:  # noqa: ARG001
    attentions = sum(name.endswith(".conv.0") for name in weights)
    return _repeating("pa_up", attentions, _last(weights)) if attentions else None


def _last_two_maps(size: HeadSize) -> int:
    return 2 * size.mid_dim * size.scale**2  # at most the last but one resolution, in and out


def _shuffled_twice(size: HeadSize) -> int:
    return 2 * size.picture  # the convolution's result, and in another order


def _widest_transpose(size: HeadSize) -> int:
    if size.scale == 2:
        return _shuffled_twice(size)
    return 12 * size.in_dim if size.scale == 4 else 0  # a doubled map, made, in another order, GELU'd


_POWERS_AND_THREE = (1, 2, 3, 4, 8)
UNI_HEADS: dict[UpsamplerType, Head] = {
    "conv": Head((1,), _build_conv, _recognise_conv, _shuffled_twice, first=lambda size: size.picture),
    "pixelshuffledirect": Head(
        _POWERS_AND_THREE, _build_direct, _recognise_direct, _shuffled_twice, first=lambda size: size.picture
    ),
    "pixelshuffle": Head(_POWERS_AND_THREE, _build_shuffle, _recognise_shuffle, _last_two_maps),
    "nearest+conv": Head(_POWERS_AND_THREE, _build_nearest, _recognise_nearest, _last_two_maps),
    "dysample": Head(
        _POWERS_AND_THREE, _build_dysample, _recognise_dysample, _last_two_maps, in_strips=False, needs_spandrel=True
    ),
    "transpose+conv": Head(
        (1, 2, 3, 4), _build_transpose, _recognise_transpose, _widest_transpose,
        first=lambda size: size.picture if size.scale == 2 else 0,
    ),
    # Nine samples of the values, as they are sampled and in another order.
    "lda": Head(_POWERS_AND_THREE, _build_lda, _recognise_lda, lambda size: 9 * _last_two_maps(size), in_strips=False),
    "pa_up": Head(_POWERS_AND_THREE, _build_pa, _recognise_pa, _last_two_maps),
}  # fmt: skip
