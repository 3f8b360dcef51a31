"""Single frames of a film, by each model and plainly resized, as pictures of one size."""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsfdat import color, plugin
from vsfdat.encode.output.picture import settle_matrix
from vsfdat.encode.work import Work
from vsfdat.frames import planes
from vsfdat.options import UpscaleOptions

PLAIN = "bicubic"


@dataclass(frozen=True)
class Shown:
    """One way to make a film larger: `clip` is RGBS, all of one film have one size."""

    name: str
    clip: vs.VideoNode


@dataclass(frozen=True)
class Still:
    """A frame that was made: a clip of it alone, RGBS, and the seconds that it took."""

    clip: vs.VideoNode
    seconds: float

    def pixels(self) -> NDArray[np.uint8]:
        """Give the picture, [H, W, 3]."""
        with self.clip.resize.Point(format=vs.RGB24, dither_type="ordered").get_frame(0) as frame:
            return np.stack(planes(frame), -1)


def show_all(work: Work, networks: Mapping[str, Any], options: UpscaleOptions) -> list[Shown]:
    """Make a clip of each model, and first the plain one.

    Args:
        work: The film.
        networks: What `load_model` gave, by name.
        options: For all of them. Where these ask for no size, it is the largest that one of the models gives.

    Raises:
        vapoursynth.Error: A network cannot be run on the film.
    """
    clip = settle_matrix(work.source.clip, work.video.picture)
    wanted = vars(options)
    if options.height is None and options.scale is None:
        wanted = wanted | {"height": clip.height * max(network.config.scale for network in networks.values())}
    clips = {name: plugin.upscale(clip, **wanted | {"model": network}) for name, network in networks.items()}
    first = next(iter(clips.values()))
    width, height = first.width, first.height
    shown = [Shown(PLAIN, to_rgb(clip).resize.Bicubic(width, height))]
    # One-pixel differences come of odd sizes.
    return shown + [Shown(name, made.resize.Bicubic(width, height, format=vs.RGBS)) for name, made in clips.items()]


def to_rgb(clip: vs.VideoNode) -> vs.VideoNode:
    """Convert a film's frames to RGBS by what they say of themselves, as the network sees them."""
    sort_out = color.sort_out()
    sorted_out = clip.std.ModifyFrame(clip, lambda n, f: sort_out(f))  # noqa: ARG005
    return sorted_out.resize.Bicubic(format=vs.RGBS)


def make_stills(work: Work, shown: Sequence[Shown], number: int) -> dict[str, Still]:
    """Make one frame in every way, by name."""
    retry = work.source.mending.retry
    return {way.name: retry(functools.partial(_make, way.clip, number)) for way in shown}


def _make(clip: vs.VideoNode, number: int) -> Still:
    began = time.monotonic()
    frame = clip.get_frame(number)
    seconds = time.monotonic() - began
    blank = clip.std.BlankClip(length=1, keep=True)
    return Still(blank.std.ModifyFrame(blank, lambda n, f: frame), seconds)  # noqa: ARG005


def seconds_a_frame(stills: Sequence[Mapping[str, Still]]) -> dict[str, float]:
    """Give the mean time of each way, without the first frame, for which kernels are compiled."""
    counted = stills[1:] or stills
    return {name: float(np.mean([made[name].seconds for made in counted])) for name in stills[0]}


def find_detail(picture: NDArray[np.uint8], width: int, height: int) -> tuple[int, int]:
    """Find where a picture has most detail.

    Args:
        picture: [H, W, 3].
        width: Of the part to find, in pixels; at most the picture's.
        height: Likewise.

    Returns:
        Its left and top, in pixels.
    """
    luma = picture.astype(np.float32) @ np.array((0.2126, 0.7152, 0.0722), np.float32)
    steps = np.zeros_like(luma)
    steps[:, 1:] += np.abs(np.diff(luma, axis=1))
    steps[1:] += np.abs(np.diff(luma, axis=0))
    # Roots, that one hard edge does not outweigh all of a texture.
    sums = np.pad(np.sqrt(steps).cumsum(0, np.float64).cumsum(1), ((1, 0), (1, 0)))
    parts = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(parts.argmax()), parts.shape)
    return int(left), int(top)
