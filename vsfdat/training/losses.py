"""What training minimises."""

from collections.abc import Callable

import torch
from torch import Tensor

from vsfdat.errors import TrainingError

from .perceptual import INSTALL, load_lpips
from .recipe import LossFacts

Loss = Callable[[Tensor, Tensor], Tensor]


def build_loss(facts: LossFacts, device: torch.device) -> Loss:
    """Build the loss of a recipe: a function of prediction and target, both [B, C, H, W] fp32 in about [0, 1].

    Raises:
        TrainingError: It asks for a perceptual term, and its weights are not installed.
    """
    if not facts.perceptual:
        return lambda prediction, target: l1_with_frequency(prediction, target, facts.frequency)
    lpips = load_lpips()
    if lpips is None:
        raise TrainingError(f"loss.perceptual needs the weights of LPIPS: {INSTALL}")
    lpips.to(device)

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        look: Tensor = lpips(prediction, target).mean()
        return l1_with_frequency(prediction, target, facts.frequency) + facts.perceptual * look

    return loss


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
