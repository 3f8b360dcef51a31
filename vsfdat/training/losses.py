"""What training minimises."""

import torch
from torch import Tensor


def l1_with_frequency(prediction: Tensor, target: Tensor, frequency: float) -> Tensor:
    """Add the L1 distance of two pictures and, weighted, that of their spectra.

    The spectral term keeps fine texture from being averaged away at little cost in PSNR.

    Args:
        prediction: [B, C, H, W], fp32.
        target: [B, C, H, W], fp32.
        frequency: Weight of the spectral term; 0 leaves it out.
    """
    difference = prediction - target
    loss = difference.abs().mean()
    if frequency:
        spectrum = torch.view_as_real(torch.fft.rfft2(difference))
        loss = loss + frequency * spectrum.abs().mean()
    return loss
