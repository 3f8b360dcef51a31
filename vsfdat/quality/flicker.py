"""Whether an upscaler makes a video's noise dance: how much a still picture changes from frame to frame."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsfdat.errors import TrainingError

from .clips import read_frames
from .downscale import downscale
from .interpolate import ClipUpscaler
from .metrics import luma
from .pictures import Picture
from .tables import table_head, table_row

_FRAMES = 8
_CROP = (180, 320)  # rows and columns of the centre
STILL = 2.0  # steps of 8-bit luma: a pixel that changes less from frame to frame shows a still thing


def flicker_table(upscalers: Mapping[str, ClipUpscaler], video: Path, scale: int) -> Iterator[str]:
    """Measure how much still things change from frame to frame, against the first upscaler and the video itself.

    Args:
        upscalers: What to measure, by the name to show.
        video: A video from a camera that stands still.
        scale: Scale of all upscalers.

    Yields:
        The lines of a Markdown table: the video upscaled as it is; and made small first, so that it can be seen how
        much its own frames change at the size of the results.
    """
    yield from table_head(f"Change of still pixels, {scale}x", [*upscalers, "original"])
    frames = read_frames(video, count=_FRAMES, crop=_CROP)
    yield _row(video.name, [_difference(frames, upscale) for upscale in upscalers.values()]) + " |"
    small = [downscale(frame, scale, "bicubic") for frame in frames]
    differences = [_difference(small, upscale) for upscale in upscalers.values()]
    yield _row(f"{video.name}, made small first", [*differences, temporal_difference(small, frames)])


def temporal_difference(frames: Sequence[Picture], results: Sequence[Picture]) -> float:
    """Average how much the luma of still pixels changes from one upscaled frame to the next.

    Args:
        frames: A video before upscaling; what moves in it is left out, as a sharper picture must change more there.
        results: The same frames upscaled, each as many times as high and wide.

    Returns:
        Mean absolute difference, in 8-bit steps.

    Raises:
        TrainingError: Nothing in the video is still.
    """
    lumas, scale = [luma(result) for result in results], results[0].shape[0] // frames[0].shape[0]
    differences = [
        np.abs(lumas[n + 1] - lumas[n])[_still(frames[n], frames[n + 1], scale)] for n in range(len(frames) - 1)
    ]
    still = np.concatenate(differences)
    if still.size == 0:
        raise TrainingError("nothing in the video is still, so there is no flicker to measure")
    return float(still.mean())


def _difference(frames: Sequence[Picture], upscale: ClipUpscaler) -> float:
    return temporal_difference(frames, [upscale(frames, n) for n in range(len(frames))])


def _row(name: str, differences: Sequence[float]) -> str:
    cells = [f"{difference:.4f} ({difference / differences[0]:.3f})" for difference in differences]
    return table_row(name, *cells)


def _still(first: Picture, second: Picture, scale: int) -> NDArray[np.bool_]:
    """[H, W, 3] twice -> [H·scale, W·scale]: where neither a pixel nor its neighbours move."""
    moving = np.pad(np.abs(luma(second) - luma(first)) >= STILL, 2, mode="edge")
    rows, columns = first.shape[:2]
    near = [moving[y : y + rows, x : x + columns] for y in range(5) for x in range(5)]
    still: NDArray[np.bool_] = ~np.any(near, axis=0)
    return still.repeat(scale, axis=0).repeat(scale, axis=1)
