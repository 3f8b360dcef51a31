"""The community's FDAT as spandrel carries it: the truth that `vsfdat.arch` is held against."""

from dataclasses import asdict
from unittest.mock import patch

import pytest
import spandrel.architectures.FDAT as spandrel_fdat
import torch
from torch import Tensor, nn

from vsfdat.arch import FDAT, FDATConfig


def twins(config: FDATConfig, seed: int = 0) -> tuple[FDAT, nn.Module]:
    """Build ours and spandrel's with the same random weights, in eval mode."""
    torch.manual_seed(seed)
    hyper_parameters = asdict(config)
    for ours_only in ("drop_rate", "qkv_bias"):
        del hyper_parameters[ours_only]
    truth = spandrel_fdat.FDAT(**hyper_parameters)
    ours = FDAT(config)
    share_random_weights(ours, truth)
    return ours.eval(), truth.eval()


def share_random_weights(ours: nn.Module, truth: nn.Module) -> None:
    """Fill the truth with weights about as large as trained ones, and copy them across strictly."""
    with torch.no_grad():
        for name, parameter in truth.named_parameters():
            if parameter.ndim == 1 or name.endswith("temp"):  # biases, norms and temperatures stay near their start
                parameter.add_(0.05 * torch.randn_like(parameter))
            else:
                fan_in = parameter[0].numel()
                parameter.copy_(0.7 * fan_in**-0.5 * torch.randn_like(parameter))
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


@pytest.fixture
def tiny_config() -> FDATConfig:
    """A network of every kind of block that runs in milliseconds."""
    return FDATConfig(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2, mid_dim=8)
