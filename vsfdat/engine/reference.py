"""The plain module on whole frames: slow, large, and right by definition."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vsfdat.arch import FDAT


@dataclass(frozen=True)
class ReferenceEngine:
    """Run a network as it is.

    Args:
        module: In eval mode, on `device`, its parameters of `dtype`.
        device: Where pictures come from and go to.
        dtype: What the network computes in.
    """

    module: FDAT
    device: torch.device
    dtype: torch.dtype

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        return self.module.config.scale

    def __call__(self, frame: Tensor) -> Tensor:
        """[C_in, H, W] fp32 in [0, 1] -> [C_out, H·scale, W·scale] fp32, not clamped."""
        with torch.inference_mode():
            picture: Tensor = self.module(frame[None].to(self.dtype))
            return picture[0].float()


def build(module: FDAT, device: torch.device, dtype: torch.dtype) -> Callable[[], ReferenceEngine]:
    """Copy a network to a device, once for all of the engines that the result gives."""
    shared = copy.deepcopy(module).eval().requires_grad_(False).to(device, dtype)
    return lambda: ReferenceEngine(shared, device, dtype)
