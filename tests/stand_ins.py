"""Stand-ins that tests put in the place of what is slow, rare or not here."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import vapoursynth as vs
from torch import Tensor

from vsfdat.arch import FDAT

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Enlarger:
    """An engine that repeats each pixel, so that colours can be told to the digit; `before` sees each frame first."""

    before: Callable[[Tensor], None] = lambda frame: None
    scale: int = 2
    device: torch.device = CPU

    def __call__(self, frame: Tensor) -> Tensor:
        self.before(frame)
        return frame.repeat_interleave(self.scale, 1).repeat_interleave(self.scale, 2)


class Gathering:
    """Let nobody pass until as many are there as expected: proves that they run at the same time."""

    def __init__(self, expected: int) -> None:
        self._barrier = threading.Barrier(expected)

    def __call__(self, frame: Tensor) -> None:
        self._barrier.wait(timeout=20)


def tiny_fdat(channels: int = 3, **overrides: object) -> FDAT:
    """Build a network so small that only its shape matters, with the same weights each time."""
    torch.manual_seed(0)
    config = {
        "scale": 2, "num_in_ch": channels, "num_out_ch": channels, "embed_dim": 8, "num_heads": 2, "num_groups": 1,
        "depth_per_group": 1, "mid_dim": 8, "upsampler_type": "pixelshuffledirect",
    }  # fmt: skip
    return FDAT(**(config | overrides)).eval()


def picture_clip(picture: np.ndarray, form: int, length: int = 1, **props: int) -> vs.VideoNode:
    """Make a clip of one picture.

    Args:
        picture: [planes, H, W] in the format's own numbers; of subsampled planes the top left corner is taken.
    """
    _, height, width = picture.shape
    blank = vs.core.std.BlankClip(width=width, height=height, format=form, length=1)

    def paint(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in range(frame.format.num_planes):
            target = np.asarray(frame[plane])
            target[:] = picture[plane, : target.shape[0], : target.shape[1]]
        return frame

    clip = blank.std.ModifyFrame(blank, paint) * length
    return clip.std.SetFrameProps(**props) if props else clip


def pixels(frame: vs.VideoFrame) -> np.ndarray:
    """Copy a frame whose planes are equal in size: [planes, H, W]."""
    return np.stack([np.array(frame[plane]) for plane in range(frame.format.num_planes)])


_PQ = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128


def pq_signal(nits: Tensor) -> Tensor:
    """Turn light in [0, 10000] nits into PQ's signal in [0, 1], by SMPTE ST 2084."""
    m1, m2, c1, c2, c3 = _PQ
    light = (nits / 10000).clamp(0, 1) ** m1
    return ((c1 + c2 * light) / (1 + c3 * light)) ** m2


def pq_nits(signal: Tensor) -> Tensor:
    """Turn PQ's signal in [0, 1] into light in [0, 10000] nits."""
    m1, m2, c1, c2, c3 = _PQ
    power = signal.clamp(0, 1) ** (1 / m2)
    return 10000 * ((power - c1).clamp(min=0) / (c2 - c3 * power)) ** (1 / m1)
