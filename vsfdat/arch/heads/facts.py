"""What is known of a head of any kind: the vocabulary of the records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

# FDAT's in the order of the type index that `upsampler.MetaUpsample` stores, then LHAN's, which have no such thing.
UpsamplerType = Literal[
    "conv", "pixelshuffledirect", "pixelshuffle", "nearest+conv", "dysample", "transpose+conv", "lda", "pa_up",
    "lhan_pixelshuffle", "lhan_nearest", "lhan_transpose",
]  # fmt: skip


@dataclass(frozen=True)
class HeadSize:
    """The numbers of a head: its scale, and the channels of features, picture, and between where it has any."""

    scale: int
    in_dim: int
    out_dim: int
    mid_dim: int

    @property
    def picture(self) -> int:
        """Values of the picture for one pixel of the feature map."""
        return self.out_dim * self.scale**2


@dataclass(frozen=True)
class HeadFacts:
    """What a state dict shows of a head; `scale` is from feature map to picture, so 4 for every unshuffle model."""

    upsampler_type: UpsamplerType
    scale: int
    num_out_ch: int
    mid_dim: int = 64
    scale_is_a_guess: bool = False


# A head's layers: by their places where a list, else by their names.
type Layers = list[nn.Module] | dict[str, nn.Module]
# Weights of four dimensions by name, in the layers' order.
type Weights = Mapping[str, Tensor]
# The weights, and the channels of the network's input: None for unshuffle models, whose head always scales by 4.
type Recognise = Callable[[Weights, int | None], HeadFacts | None]


@dataclass(frozen=True)
class Head:
    """One kind of head.

    Args:
        scales: What it can do.
        build: Makes its layers, all but at scale 1, where every head is one convolution.
        recognise: Tells by its weights whether a file without `MetaUpsample` has it. Asked in the order of
            `BY_WEIGHTS`, so that each may rely on those before it having said no.
        widest: Values that its widest layers hold at once for one pixel of the feature map, outputs beside inputs.
        first: Values of its first layer's result for one pixel of the feature map where that layer makes the picture's
            pixels, so that it can run on the whole map; 0 elsewhere.
        in_strips: Whether each row of the picture depends on few rows of features; else it looks where they tell it.
        needs_spandrel: Its layers are spandrel's, which takes seconds to import.
        lhan: It is one of LHAN's, FDAT's forerunner: its layers have names, and no file describes it in `MetaUpsample`.
    """

    scales: tuple[int, ...]
    build: Callable[[HeadSize], Layers]
    recognise: Recognise
    widest: Callable[[HeadSize], int]
    first: Callable[[HeadSize], int] = lambda size: 0  # noqa: ARG005
    in_strips: bool = True
    needs_spandrel: bool = False
    lhan: bool = False
