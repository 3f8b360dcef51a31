"""What the engine computes with: every op under one name and one signature, in plain torch and in kernels."""

import logging
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import torch

from . import cuda, native, reference, triton
from .interface import NetworkShape, Ops, PackingOps

__all__ = ["REFERENCE", "Backend", "NetworkShape", "Ops", "PackingOps", "choose"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backend:
    """One implementation of the ops.

    Args:
        name: For logs and benchmarks.
        ops: The ops themselves, under the names that `reference` has them by.
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


class _Completed:
    """The ops that a backend has kernels for, and plain torch's where it has none.

    Those are right, but take plain torch's memory, and a backend that needs one of them is not `recordable`.

    Args:
        kernels: The backend's module, with the ops and their `pack` under the names of `reference`.
    """

    def __init__(self, kernels: ModuleType) -> None:
        self._kernels = kernels

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernels, name, None) or getattr(reference, name)


def _completed(kernels: ModuleType) -> PackingOps:
    return cast("PackingOps", _Completed(kernels))


REFERENCE = Backend("torch", reference, cuts_itself=False)
# For each type of device the fastest first: what the log calls the kernels, who says why they cannot run, who has them.
_KERNELS = (
    ("cuda", "CUDA C++", cuda.why_not, Backend("cuda", _completed(cuda), cuts_itself=True, recordable=True)),
    ("cuda", "Triton", triton.why_not, Backend("triton", _completed(triton), cuts_itself=True, recordable=True)),
    ("cpu", "C++", native.why_not, Backend("native", _completed(native), cuts_itself=True, convolves=True)),
)


def choose(device: torch.device, dtype: torch.dtype, network: NetworkShape) -> Backend:
    """Choose the fastest implementation that runs here; once, when an engine is built."""
    for kind, title, why_not, backend in _KERNELS:
        if kind == device.type:
            obstacle = why_not(device, dtype, network)
            if obstacle is None:
                return backend
            # A compiler can be had at once, and another GPU cannot.
            level = logging.WARNING if kind == "cpu" else logging.INFO
            _log.log(level, "The %s kernels are not used, and upscaling is slower for it: %s", title, obstacle)
    return REFERENCE
