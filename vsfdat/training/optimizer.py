"""The optimiser, its schedule and the averaged weights."""

import math

import torch
from torch import Tensor, nn

from .muon import Muon
from .recipe import OptimizerFacts


def build_optimizers(module: nn.Module, facts: OptimizerFacts) -> list[torch.optim.Optimizer]:
    """Build the optimisers that together own every parameter.

    Muon orthogonalises a matrix's update, which takes fewer steps than AdamW to the same loss; it is meant for the
    matrices of linear layers and leaves convolutions, norms and biases to AdamW.
    """
    linear = [layer.weight for layer in module.modules() if isinstance(layer, nn.Linear)]
    matrices = linear if facts.name == "muon" else []
    owned = {id(parameter) for parameter in matrices}
    rest = [parameter for parameter in module.parameters() if id(parameter) not in owned]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, facts.lr, betas=facts.betas, weight_decay=facts.weight_decay, fused=True)
    ]
    if matrices:
        optimizers.append(Muon(matrices, facts.muon_lr, weight_decay=facts.weight_decay))
    for group in _groups(optimizers):
        group["peak_lr"] = group["lr"]
    return optimizers


def lr_factor(step: int, progress: float, facts: OptimizerFacts) -> float:
    """Compute the learning rate over its peak: linear warm-up, then half a cosine.

    Args:
        step: Steps done before this one.
        progress: Share of the run that is done, 0 to 1.
        facts: Steps of warm-up, and the share of the peak to end at.
    """
    warmup = min(1.0, (step + 1) / max(1, facts.warmup_steps))
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return warmup * (facts.final_lr + (1 - facts.final_lr) * cosine)


def set_lr(optimizers: list[torch.optim.Optimizer], factor: float) -> None:
    """Set every group's learning rate to `factor` times its peak."""
    for group in _groups(optimizers):
        group["lr"] = group["peak_lr"] * factor


def _groups(optimizers: list[torch.optim.Optimizer]) -> list[dict[str, float]]:
    return [group for optimizer in optimizers for group in optimizer.param_groups]


class Average:
    """Hold the exponential moving average of a module's weights, usable at any step.

    Args:
        module: The module being trained.
        decay: Share of the old average that a step keeps, once the run is older than 1 / (1 - decay) steps.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._decay = decay
        self.state = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        names = [name for name, _ in module.named_parameters()]
        self._live = [module.get_parameter(name).detach() for name in names]
        self._averaged = [self.state[name] for name in names]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step; early steps count for more, as there is little to average."""
        decay = min(self._decay, (step + 1) / (step + 10))
        torch._foreach_lerp_(self._averaged, self._live, 1 - decay)

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        """Continue from a saved average."""
        for name, tensor in state.items():
            self.state[name].copy_(tensor)
