"""Whether an upscaler makes a video's noise dance: how much a still picture changes from frame to frame."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vsfdat.errors import TrainingError

from .downscale import Picture
from .interpolate import Upscaler
from .metrics import luma

STILL = 2.0  # steps of 8-bit luma: a pixel that changes less from frame to frame shows a still thing


def temporal_difference(frames: Sequence[Picture], upscale: Upscaler, scale: int) -> float:
    """Average how much the luma of still pixels changes from one upscaled frame to the next.

    Args:
        frames: A video before upscaling; what moves in it is left out, as a sharper picture must change more there.
        upscale: What to measure.
        scale: Its scale.

    Returns:
        Mean absolute difference, in 8-bit steps.

    Raises:
        TrainingError: Nothing in the video is still.
    """
    results = [luma(upscale(frame)) for frame in frames]
    differences = [
        np.abs(results[n + 1] - results[n])[_still(frames[n], frames[n + 1], scale)] for n in range(len(frames) - 1)
    ]
    still = np.concatenate(differences)
    if still.size == 0:
        raise TrainingError("nothing in the video is still, so there is no flicker to measure")
    return float(still.mean())


def _still(first: Picture, second: Picture, scale: int) -> NDArray[np.bool_]:
    """[H, W, 3] twice -> [H·scale, W·scale]: where neither a pixel nor its neighbours move."""
    moving = np.pad(np.abs(luma(second) - luma(first)) >= STILL, 2, mode="edge")
    rows, columns = first.shape[:2]
    near = [moving[y : y + rows, x : x + columns] for y in range(5) for x in range(5)]
    still: NDArray[np.bool_] = ~np.any(near, axis=0)
    return still.repeat(scale, axis=0).repeat(scale, axis=1)
