"""LHAN's heads: how each is built, how it is recognised, and its record. Their layers have names of their own.

Source: https://github.com/stinkybread/FDAT (MIT), its history of June 2025.
"""

import math
from collections.abc import Callable

from torch import nn

from vsfdat.arch.head_layers import conv3, doubled

from .facts import Head, HeadFacts, HeadSize, Layers, Recognise, UpsamplerType, Weights
from .uni import GUESSED_SCALE


def _build_shuffle(size: HeadSize) -> Layers:
    out = size.out_dim
    return {
        "conv_pre": conv3(size.in_dim, size.picture),
        "shuffle": nn.PixelShuffle(size.scale),
        "conv_post": conv3(out, out),
    }


def _recognise_shuffle(weights: Weights) -> HeadFacts:
    out = weights["conv_post"].shape[0]
    return HeadFacts("lhan_pixelshuffle", math.isqrt(weights["conv_pre"].shape[0] // out), out)


def _build_nearest(size: HeadSize) -> Layers:
    layers = conv3(size.in_dim, size.in_dim), nn.GELU(), conv3(size.in_dim, size.out_dim)
    return {"enlarge": nn.Upsample(scale_factor=size.scale), "conv": nn.Sequential(*layers)}


def _recognise_nearest(weights: Weights) -> HeadFacts:
    return HeadFacts("lhan_nearest", GUESSED_SCALE, weights["conv.2"].shape[0], scale_is_a_guess=True)


def _build_transpose(size: HeadSize) -> Layers:
    dim, out = size.in_dim, size.out_dim
    up: dict[int, Callable[[], nn.Module]] = {
        2: lambda: doubled(dim, out),
        3: lambda: nn.ConvTranspose2d(dim, out, 3, stride=3),
        4: lambda: nn.Sequential(doubled(dim, dim), nn.GELU(), doubled(dim, out)),
    }
    return {"up": up[size.scale](), "refine": conv3(out, out)}


def _recognise_transpose(weights: Weights) -> HeadFacts:
    alone = weights.get("up")
    scale = 4 if alone is None else 3 if alone.shape[-1] == 3 else 2
    return HeadFacts("lhan_transpose", scale, weights["refine"].shape[0])


def _if_named(names: set[str], recognise: Callable[[Weights], HeadFacts]) -> Recognise:
    """Recognise a head by the names of some of its layers."""
    return lambda weights, num_in_ch: recognise(weights) if names <= weights.keys() else None  # noqa: ARG005


def _widest_nearest(size: HeadSize) -> int:
    return 2 * size.in_dim * size.scale**2


def _widest_transpose(size: HeadSize) -> int:
    return 12 * size.in_dim if size.scale == 4 else 2 * size.picture


def _first_if_doubling(size: HeadSize) -> int:
    return size.picture if size.scale == 2 else 0


LHAN_HEADS: dict[UpsamplerType, Head] = {
    "lhan_pixelshuffle": Head(
        (2, 3, 4, 8), _build_shuffle, _if_named({"conv_pre", "conv_post"}, _recognise_shuffle),
        lambda size: 2 * size.picture, lhan=True,
    ),
    "lhan_nearest": Head(
        (2, 3, 4, 8), _build_nearest, _if_named({"conv.0", "conv.2"}, _recognise_nearest), _widest_nearest, lhan=True
    ),
    "lhan_transpose": Head(
        (2, 3, 4), _build_transpose, _if_named({"refine"}, _recognise_transpose), _widest_transpose,
        first=_first_if_doubling, lhan=True,
    ),
}  # fmt: skip
