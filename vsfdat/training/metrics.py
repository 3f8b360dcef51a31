"""PSNR and SSIM as the super-resolution literature measures them: on BT.601's luma, borders shaved."""

import numpy as np
import torch
from numpy.typing import NDArray

from .downscale import Picture

Luma = NDArray[np.float64]
_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255


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
    from torchmetrics.functional.image import structural_similarity_index_measure

    prediction, target = (torch.from_numpy(_shaved(plane, border).copy())[None, None] for plane in (first, second))
    similarity = structural_similarity_index_measure(prediction, target, data_range=255.0)
    assert isinstance(similarity, torch.Tensor)  # a tuple only where the full image of similarities is asked for
    return similarity.item()


def _shaved(plane: Luma, border: int) -> Luma:
    return plane[border : plane.shape[0] - border, border : plane.shape[1] - border]
