"""The same random network, ours and spandrel's."""

from dataclasses import asdict

import torch
from torch import nn

from vsfdat.arch import FDAT, FDATConfig


def network(config: FDATConfig) -> FDAT:
    """A network whose random weights are about as large as trained ones."""
    torch.manual_seed(0)
    module = FDAT(config).eval().requires_grad_(False)
    for name, parameter in module.named_parameters():
        if parameter.ndim == 1 or name.endswith("temp"):
            parameter.add_(0.05 * torch.randn_like(parameter))
        else:
            parameter.copy_(0.7 * parameter[0].numel() ** -0.5 * torch.randn_like(parameter))
    return module


def spandrels(config: FDATConfig, module: FDAT) -> nn.Module:
    """Spandrel's module with the same weights."""
    import spandrel.architectures.FDAT as spandrel_fdat

    arguments = asdict(config)
    for ours_only in ("drop_rate", "qkv_bias"):
        del arguments[ours_only]
    theirs = spandrel_fdat.FDAT(**arguments).eval().requires_grad_(False)
    theirs.load_state_dict(module.state_dict())
    return theirs
