"""What an upscaler is, and classic ones to compare with."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .pictures import Picture

Upscaler = Callable[[Picture], Picture]
ClipUpscaler = Callable[[Sequence[Picture], int], Picture]  # of all frames of a clip, the one of that number
_Kernel = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def frame_by_frame(upscale: Upscaler) -> ClipUpscaler:
    """Make an upscaler of pictures one of clips, which looks at no other frame."""
    return lambda frames, n: upscale(frames[n])


def on_pictures(upscale: ClipUpscaler) -> Upscaler:
    """Make an upscaler of clips one of pictures: each is a clip of one frame."""
    return lambda picture: upscale([picture], 0)


def classic_upscalers(scale: int) -> dict[str, Upscaler]:
    """Give the upscalers that video players and editors use, by their names in tables; at 1x, what was given."""
    if scale == 1:
        return {"source": lambda picture: picture}
    return {
        "bicubic": _separable(scale, _catmull_rom, 2),
        "Lanczos": _separable(scale, _lanczos3, 3),
        "spline36": _separable(scale, _spline36, 3),
    }


def _separable(scale: int, kernel: _Kernel, support: int) -> Upscaler:
    def upscale(picture: Picture) -> Picture:
        rows = _weights(picture.shape[0], scale, kernel, support)
        columns = _weights(picture.shape[1], scale, kernel, support)
        planes = [rows @ plane @ columns.T for plane in np.moveaxis(picture.astype(np.float64), 2, 0)]
        return np.stack(planes, axis=2).round().clip(0, 255).astype(np.uint8)

    return upscale


def _weights(length: int, scale: int, kernel: _Kernel, support: int) -> NDArray[np.float64]:
    """[length·scale, length]: each input pixel's part in each output pixel; none comes from beyond the border."""
    centres = (np.arange(length * scale) + 0.5) / scale - 0.5
    distance = np.abs(centres[:, None] - np.arange(length))
    weights = np.where(distance < support, kernel(distance), 0.0)
    normalised: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def _catmull_rom(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(x < 1, (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)


def _lanczos3(x: NDArray[np.float64]) -> NDArray[np.float64]:
    lanczos: NDArray[np.float64] = np.sinc(x) * np.sinc(x / 3)
    return lanczos


def _spline36(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """A cubic spline through 6 points; each piece in its own distance from the pixel before.

    Source:
        Panorama Tools, H. Dersch; VapourSynth's resize.Spline36
    """
    near = ((13 / 11 * x - 453 / 209) * x - 3 / 209) * x + 1
    y = x - 1
    middle = ((-6 / 11 * y + 270 / 209) * y - 156 / 209) * y
    z = x - 2
    far = ((1 / 11 * z - 45 / 209) * z + 26 / 209) * z
    return np.where(x < 1, near, np.where(x < 2, middle, far))
