"""The plain module on whole frames: slow, large, and right by definition."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsfdat.arch import FDAT, TFDAT


@dataclass(frozen=True)
class ReferenceEngine:
    """Run a network as it is.

    Args:
        module: In eval mode, on `device`, its parameters of `dtype`.
        scale: Output size over input size, per axis.
        device: Where pictures come from and go to.
        dtype: What the network computes in.
    """

    module: Callable[[Tensor], Tensor]
    scale: int
    device: torch.device
    dtype: torch.dtype

    def __call__(self, frame: Tensor) -> Tensor:
        """[C_in, H, W] fp32 in [0, 1] -> [C_out, H·scale, W·scale] fp32, not clamped."""
        with torch.inference_mode():
            return self.module(frame[None].to(self.dtype))[0].float()


class _OfPairs(nn.Module):
    """What TFDAT does with centre and average, once `temporal` has them; a module so that torch.compile takes it."""

    def __init__(self, module: TFDAT) -> None:
        super().__init__()
        self._module = module

    def forward(self, pair: Tensor) -> Tensor:
        """[1, 6, H, W] -> [1, 3, H·scale, W·scale]."""
        picture: Tensor = self._module.reconstruct(self._module.fuse(pair.view(1, 2, 3, *pair.shape[2:])))
        return picture


def build(
    module: FDAT, device: torch.device, dtype: torch.dtype, compile: bool = False
) -> Callable[[], ReferenceEngine]:
    """Copy a network to a device, once for all of the engines that the result gives.

    Args:
        module: The network; it is not changed.
        device: Where it will run.
        dtype: What it computes in.
        compile: Whether torch.compile builds it, when it meets its first frame.
    """
    shared: nn.Module = copy.deepcopy(module).eval().requires_grad_(False).to(device, dtype)
    if isinstance(shared, TFDAT):
        shared = _OfPairs(shared)
    run: Callable[[Tensor], Tensor] = torch.compile(shared, dynamic=False) if compile else shared
    return lambda: ReferenceEngine(run, module.config.scale, device, dtype)
