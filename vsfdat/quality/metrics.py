"""PSNR and SSIM as the super-resolution literature measures them: on BT.601's luma, borders shaved."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vsfdat.errors import TrainingError

from .pictures import Picture

Luma = NDArray[np.float64]
_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255
_BELL = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
_WINDOW = _BELL / _BELL.sum()
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def check_size(name: str, picture: Picture, border: int) -> None:
    """Refuse a picture that SSIM's window does not fit in.

    Args:
        name: What to call it.
        picture: [H, W, 3], what of it is to be measured.
        border: Pixels to shave off each side.

    Raises:
        TrainingError: It is too small.
    """
    least = _WINDOW.size + 2 * border
    rows, columns = picture.shape[:2]
    if min(rows, columns) < least:
        raise TrainingError(f"{name} leaves {columns}x{rows} pixels to measure, and SSIM takes {least}x{least}")


def luma(picture: Picture) -> Luma:
    """[H, W, 3] RGB -> [H, W], 16 to 235, unrounded."""
    return picture.astype(np.float64) @ _WEIGHTS + 16


def psnr(first: Luma, second: Luma, border: int) -> float:
    """Compute the peak signal-to-noise ratio of two lumas in dB, infinite for equal ones.

    Args:
        first: [H, W], 0 to 255.
        second: [H, W], 0 to 255.
        border: Pixels to shave off each side.
    """
    error = np.mean((_shaved(first, border) - _shaved(second, border)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(first: Luma, second: Luma, border: int) -> float:
    """Compute the structural similarity of two lumas: Gaussian window of 11 pixels, sigma 1.5.

    Args:
        first: [H, W], 0 to 255.
        second: [H, W], 0 to 255.
        border: Pixels to shave off each side.

    Source:
        Wang et al., Image quality assessment: from error visibility to structural similarity, 2004
    """
    one, other = _shaved(first, border), _shaved(second, border)
    mean_one, mean_other = _windowed(one), _windowed(other)
    variances = _windowed(one**2) - mean_one**2 + _windowed(other**2) - mean_other**2
    covariance = _windowed(one * other) - mean_one * mean_other
    luminance = (2 * mean_one * mean_other + _C1) / (mean_one**2 + mean_other**2 + _C1)
    return float(np.mean(luminance * (2 * covariance + _C2) / (variances + _C2)))


def _windowed(plane: Luma) -> Luma:
    """[H, W] -> [H - 10, W - 10]: the mean of every window, weighted; rows first, then columns."""
    rows: Luma = sliding_window_view(plane, _WINDOW.size, axis=0) @ _WINDOW
    columns: Luma = sliding_window_view(rows, _WINDOW.size, axis=1) @ _WINDOW
    return columns


def _shaved(plane: Luma, border: int) -> Luma:
    return plane[border : plane.shape[0] - border, border : plane.shape[1] - border]
