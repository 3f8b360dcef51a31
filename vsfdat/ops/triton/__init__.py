"""The ops as fused Triton kernels, under the names and signatures of `ops.reference`.

Nothing here imports Triton until one of the names is first asked for: ask `available` before that.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from .launch import is_large

if TYPE_CHECKING:
    from .channel import channel_apply, channel_reduce, pack_channel
    from .conv import conv3x3, pack_conv
    from .feed_forward import ffn, pack_ffn
    from .frame import frame_in, frame_out
    from .matrix import product
    from .spatial import pack_spatial, spatial_apply, spatial_reduce

__all__ = [
    "available",
    "channel_apply",
    "channel_reduce",
    "conv3x3",
    "ffn",
    "frame_in",
    "frame_out",
    "pack_channel",
    "pack_conv",
    "pack_ffn",
    "pack_spatial",
    "product",
    "spatial_apply",
    "spatial_reduce",
]

_HOMES = {
    "spatial": ("spatial_reduce", "spatial_apply", "pack_spatial"),
    "channel": ("channel_reduce", "channel_apply", "pack_channel"),
    "feed_forward": ("ffn", "pack_ffn"),
    "conv": ("conv3x3", "pack_conv"),
    "frame": ("frame_in", "frame_out"),
    "matrix": ("product",),
}
_OLDEST_CAPABILITY = (8, 0)


def available(device: torch.device, dtype: torch.dtype) -> tuple[bool, str]:
    """Say whether the kernels can run on a device at a precision, and why not where they cannot.

    Args:
        device: Where the engine's feature maps live.
        dtype: What they are made of.

    Returns:
        True and an empty reason, or False and half a sentence for the log.
    """
    if device.type != "cuda":
        return False, f"the kernels are for CUDA devices, this is {device}"
    if torch.version.hip is not None:
        return False, "the kernels are for NVIDIA GPUs, this torch is built for ROCm"
    if find_spec("triton") is None:
        return False, "the package triton is not installed"
    capability = torch.cuda.get_device_capability(device)
    if capability < _OLDEST_CAPABILITY:
        return False, "the kernels need compute capability 8.0 or newer, {} has {}.{}".format(device, *capability)
    if dtype == torch.float32 and not is_large(capability):
        return False, f"in fp32 the kernels need more shared memory than {device} has; fp16 fits"
    obstacle = _obstacle(device)
    return obstacle is None, obstacle or ""


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
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
