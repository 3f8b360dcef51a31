"""What training minimises."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vsfdat.errors import TrainingError
from vsfdat.quality.perceptual import INSTALL, load_lpips

from .recipe import LossFacts, RunFacts

Loss = Callable[[Tensor, Tensor], Tensor]
Objective = Callable[[Tensor, Tensor], Tensor]


def build_loss(facts: LossFacts, device: torch.device) -> Loss:
    """Build the loss of a recipe: a function of prediction and target, both [B, C, H, W] fp32 in about [0, 1].

    Raises:
        TrainingError: It asks for a perceptual term, and its weights are not installed.
    """
    if not facts.perceptual:
        return lambda prediction, target: distance(prediction, target, facts)
    lpips = load_lpips()
    if lpips is None:
        raise TrainingError(f"loss.perceptual needs the weights of LPIPS: {INSTALL}")
    lpips.to(device)

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        look: Tensor = lpips(prediction, target).mean()
        return distance(prediction, target, facts) + facts.perceptual * look

    return loss


def build_objective(module: nn.Module, loss: Loss, facts: RunFacts) -> Objective:
    """Join all between a batch and its loss.

    What `torch.compile` builds goes from bytes to fp32 pictures. The loss stays outside, as it has no code for complex
    numbers: there are about ten operations on pictures in it, beside hundreds on feature maps in the network.

    Args:
        module: The network being trained.
        loss: What `build_loss` gave: what to minimise.
        facts: The precision of the network's pass, and whether it is compiled.

    Returns:
        A function of low-resolution patches [B, H, W, 3] uint8 and their originals [B, H·scale, W·scale, 3].
    """

    def pictures(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        # [B, H, W, 3] -> [B, 3, H, W], channels last as it already lies
        source, target = (patches.permute(0, 3, 1, 2) / 255 for patches in (low, high))
        with torch.autocast(low.device.type, torch.bfloat16, enabled=facts.precision == "bf16"):
            prediction = module(source)
        return prediction.float(), target

    run = torch.compile(pictures) if facts.compile else pictures
    return lambda low, high: loss(*run(low, high))


def distance(prediction: Tensor, target: Tensor, facts: LossFacts) -> Tensor:
    """Add the distance of two pictures and, weighted, that of their spectra.

    The spectral term keeps fine texture from being averaged away at little cost in PSNR.

    Args:
        prediction: [B, C, H, W], fp32.
        target: [B, C, H, W], fp32.
        facts: Which distance, and the weight of the spectra's; 0 leaves it out.
    """
    difference = prediction - target
    loss = difference.abs().mean() if facts.pixel == "l1" else difference.square().mean()
    if facts.frequency:
        spectrum = torch.view_as_real(torch.fft.rfft2(difference))
        loss = loss + facts.frequency * spectrum.abs().mean()
    return loss
