"""Networks with weights about as large as trained ones: initial ones are so small that much goes unnoticed."""

import torch
from torch import nn

from vsfdat.arch import FDAT, FDATConfig


def fill(network: nn.Module) -> None:
    """Give a network random weights; biases, norms and temperatures stay near their start."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1 or name.endswith("temp"):
                parameter.add_(0.05 * torch.randn_like(parameter))
            else:
                fan_in = parameter[0].numel()
                parameter.copy_(0.7 * fan_in**-0.5 * torch.randn_like(parameter))


def random_network(config: FDATConfig, seed: int = 0) -> FDAT:
    """Build ours, in eval mode and without gradients."""
    torch.manual_seed(seed)
    network = FDAT(config).eval().requires_grad_(False)
    fill(network)
    return network
