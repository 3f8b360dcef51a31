"""The exact engine beside the plain module in float64.

The measure everywhere: its error against the plain module in float64 is at most twice the plain module's own error in
the engine's precision, plus 1e-6.
"""

import copy

import torch
from torch import Tensor

from vsfdat.arch import FDAT, FDATConfig
from vsfdat.engine import runner
from vsfdat.engine.plan import Plan
from vsfdat.engine.runner import ExactEngine
from vsfdat.ops import REFERENCE, Backend, choose

CPU = torch.device("cpu")
SMALL = FDATConfig(embed_dim=24, num_groups=2, depth_per_group=1, num_heads=3, scale=2, mid_dim=16)
ALL_ROWS = 4096
STRIP_ROWS = (8, 16, ALL_ROWS)


def build(network: FDAT, plan: Plan, backend: Backend = REFERENCE, dtype: torch.dtype = torch.float32) -> ExactEngine:
    return runner.build(network, CPU, dtype, backend=backend, plan=plan)()


def best(dtype: torch.dtype) -> Backend:
    return choose(CPU, dtype, runner.shape_of(SMALL))


def run(network: FDAT, frame: Tensor) -> Tensor:
    with torch.inference_mode():
        return network(frame.unsqueeze(0))[0]


class Truth:
    """A network in float64 and in a lower precision, on one frame."""

    def __init__(self, network: FDAT, frame: Tensor, dtype: torch.dtype = torch.float32) -> None:
        self.picture = run(copy.deepcopy(network).double(), frame.double())
        self.plain_error = self.error(run(copy.deepcopy(network).to(dtype), frame.to(dtype)))

    def error(self, picture: Tensor) -> float:
        assert picture.shape == self.picture.shape
        return (picture.double() - self.picture).abs().max().item()

    def check(self, picture: Tensor, which: object = None) -> None:
        assert self.error(picture) <= 2 * self.plain_error + 1e-6, which
