"""The community's FDAT as spandrel carries it: the truth that `vsfdat.arch` is held against."""

from dataclasses import asdict
from unittest.mock import patch

import spandrel.architectures.FDAT as spandrel_fdat
import torch
from torch import Tensor, nn

from tests.random_weights import fill
from vsfdat.arch import FDAT, FDATConfig


def twins(config: FDATConfig, seed: int = 0) -> tuple[FDAT, nn.Module]:
    """Build ours and spandrel's with the same random weights, in eval mode."""
    torch.manual_seed(seed)
    truth = spandrels(config)
    ours = FDAT(config)
    share_random_weights(ours, truth)
    return ours.eval(), truth.eval()


def spandrels(config: FDATConfig) -> nn.Module:
    """Build spandrel's module of a configuration."""
    hyper_parameters = asdict(config)
    for ours_only in ("drop_rate", "qkv_bias"):
        del hyper_parameters[ours_only]
    return spandrel_fdat.FDAT(**hyper_parameters)


def share_random_weights(ours: nn.Module, truth: nn.Module) -> None:
    """Fill the truth with random weights, and copy them across strictly."""
    fill(truth)
    ours.load_state_dict(dict(truth.state_dict()))


def run_oracle(truth: nn.Module, x: Tensor) -> Tensor:
    """Run spandrel's module on the CPU; its DySample asks for pinned memory, which only a machine with a GPU has."""
    tensor = torch.tensor

    def unpinned(*args: object, pin_memory: bool = False, **kwargs: object) -> Tensor:
        return tensor(*args, **kwargs)

    with torch.no_grad(), patch.object(torch, "tensor", unpinned):
        return truth(x)


def relative_error(ours: Tensor, truth: Tensor) -> float:
    """Largest difference over the truth's largest value; shapes must agree."""
    assert ours.shape == truth.shape
    return ((ours - truth).abs().max() / truth.abs().max()).item()
