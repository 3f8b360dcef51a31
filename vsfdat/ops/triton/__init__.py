"""The ops as fused Triton kernels, under the names and signatures of `ops.reference`.

Nothing here imports Triton until an op is first asked for: ask `why_not` before that.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch

from ..interface import NetworkShape
from .launch import is_large

_OLDEST_CAPABILITY = (8, 0)


def why_not(device: torch.device, dtype: torch.dtype, network: NetworkShape) -> str | None:  # noqa: ARG001
    """Say why the kernels cannot run on a device at a precision, or None; the first call for a device launches one."""
    if device.type != "cuda":
        return f"the kernels are for CUDA devices, this is {device}"
    if torch.version.hip is not None:
        return "the kernels are for NVIDIA GPUs, this torch is built for ROCm"
    if find_spec("triton") is None:
        return "the package triton is not installed"
    capability = torch.cuda.get_device_capability(device)
    if capability < _OLDEST_CAPABILITY:
        return "the kernels need compute capability 8.0 or newer, {} has {}.{}".format(device, *capability)
    if dtype == torch.float32 and not is_large(capability):
        return f"in fp32 the kernels need more shared memory than {device} has; fp16 fits"
    return _obstacle(device)


@cache
def _obstacle(device: torch.device) -> str | None:
    """Launch something small, and say why that fails: Triton builds its launcher with a C compiler of the machine."""
    from .matrix import product

    one = torch.ones(1, 1, dtype=torch.float64, device=device)
    try:
        product(one, one)
    except Exception as error:  # whatever the compiler, the linker or Triton raise
        return f"Triton cannot launch a kernel on {device}: {str(error).strip().splitlines()[0]}"
    return None


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.kernels"), name)
