"""Spandrel's module with our weights."""

from torch import nn

from vsfdat.arch import FDAT, FDATConfig


def spandrels(config: FDATConfig, module: FDAT) -> nn.Module:
    """Build spandrel's module of a configuration with the weights of ours."""
    from tests import oracle

    theirs = oracle.spandrels(config).eval().requires_grad_(False)
    theirs.load_state_dict(module.state_dict())
    return theirs
