"""What the engine computes with: every op under one name and one signature, in plain torch and in kernels."""

import logging
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from . import cuda, native, reference, triton
from .weights import ChannelWeights, FfnWeights, Rows, Shape, SpatialWeights

__all__ = ["REFERENCE", "Backend", "Ops", "PackingOps", "Shape", "choose"]

_log = logging.getLogger(__name__)


class Ops(Protocol):
    """The vocabulary; `reference` says what each op computes. Packed weights are the backend's own records."""

    def spatial_reduce(self, x: Tensor, weights: Any, rows: Rows, /) -> Tensor: ...  # noqa: D102
    def spatial_apply(  # noqa: D102
        self, x: Tensor, out: Tensor, weights: Any, projection: Tensor, projection_bias: Tensor, rows: Rows, /
    ) -> None: ...
    def channel_reduce(self, x: Tensor, weights: Any, rows: Rows, /) -> tuple[Tensor, Tensor]: ...  # noqa: D102
    def channel_apply(  # noqa: D102
        self, x: Tensor, out: Tensor, weights: Any, matrix: Tensor, bias: Tensor, rows: Rows, /
    ) -> None: ...
    def ffn(self, x: Tensor, out: Tensor, weights: Any, rows: Rows, /) -> None: ...  # noqa: D102
    def conv3x3(  # noqa: D102
        self, x: Tensor, out: Tensor, weights: Any, residual: Tensor | None, rows: Rows, /
    ) -> None: ...
    def product(self, a: Tensor, b: Tensor, /) -> Tensor: ...  # noqa: D102


class PackingOps(Ops, Protocol):
    """The vocabulary of a backend: before an op can use weights, its `pack` lays them out, once a model."""

    def pack_spatial(self, weights: SpatialWeights, /) -> Any: ...  # noqa: D102
    def pack_channel(self, weights: ChannelWeights, /) -> Any: ...  # noqa: D102
    def pack_ffn(self, weights: FfnWeights, /) -> Any: ...  # noqa: D102
    def pack_conv(self, weight: Tensor, bias: Tensor | None, /) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Backend:
    """One implementation of the ops.

    Args:
        name: For logs and benchmarks.
        ops: The implementation.
        cuts_itself: Whether an op goes through a whole map in pieces of its own; else the engine cuts strips for it.
        recordable: Whether a CUDA graph can hold the ops for as long as it lives: they call no library that keeps
            memory of its own, as cuBLAS does for each thread and stream.
        convolves: Whether its convolution beats torch's in the head too.
    """

    name: str
    ops: PackingOps
    cuts_itself: bool
    recordable: bool = False
    convolves: bool = False


REFERENCE = Backend("torch", reference, cuts_itself=False)


def choose(device: torch.device, dtype: torch.dtype, shape: Shape) -> Backend:
    """Choose the fastest implementation that runs here; once, when an engine is built."""
    if device.type == "cuda":
        obstacle = cuda.why_not(device, dtype, shape)
        if obstacle is None:
            return Backend("cuda", cuda, cuts_itself=True, recordable=True)
        _log.info("The CUDA C++ kernels are not used: %s", obstacle)
        usable, reason = triton.available(device, dtype)
        if usable:
            return Backend("triton", triton, cuts_itself=True, recordable=True)
        _log.info("The Triton kernels are not used: %s", reason)
    if device.type == "cpu":
        obstacle = native.why_not(dtype)
        if obstacle is None:
            return Backend("native", native, cuts_itself=True, convolves=True)
        _log.warning("The C++ kernels are not used, and upscaling is slower for it: %s", obstacle)
    return REFERENCE
