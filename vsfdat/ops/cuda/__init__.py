"""The ops in CUDA C++ for NVIDIA GPUs in half precision, under the names and signatures of `ops.reference`.

They keep a tile of 8×16 pixels with its ring in shared memory, which Triton cannot, and multiply by the matrix
instructions that every GPU since Ampere has. Maps are contiguous; windows are 8×8, heads have at most 32 channels.
"""

import torch

from ..interface import NetworkShape
from . import build, gpu
from .build import KernelError
from .channel import MOST_CHANNELS, channel_apply, channel_apply_bytes, channel_reduce, pack_channel
from .conv import conv3x3, conv_bytes, pack_conv
from .feed_forward import ffn, ffn_bytes, hidden_step, pack_ffn
from .matrix import product
from .sizes import HEAD_DIM, WINDOW
from .spatial import pack_spatial, spatial_apply, spatial_apply_bytes, spatial_reduce

__all__ = [
    "channel_apply",
    "channel_reduce",
    "conv3x3",
    "ffn",
    "pack_channel",
    "pack_conv",
    "pack_ffn",
    "pack_spatial",
    "product",
    "spatial_apply",
    "spatial_reduce",
    "why_not",
]

_OLDEST_CAPABILITY = (8, 0)


def why_not(device: torch.device, dtype: torch.dtype, network: NetworkShape) -> str | None:
    """Say why a network cannot run here, or None; the first call for a device compiles a kernel to see that it can."""
    if device.type != "cuda":
        return f"they are for CUDA devices, this is {device}"
    if torch.version.hip is not None:
        return "they are for NVIDIA GPUs, this torch is built for ROCm"
    if dtype not in (torch.float16, torch.bfloat16):
        return f"they compute in half precision, not in {dtype}"
    capability = torch.cuda.get_device_capability(device)
    if capability < _OLDEST_CAPABILITY:
        return "they need compute capability 8.0 or newer, {} has {}.{}".format(device, *capability)
    c = network.channels
    if network.window != WINDOW or c // network.heads > HEAD_DIM or c % 4 or c > MOST_CHANNELS:
        return (
            f"they are for windows of {WINDOW}, heads of at most {HEAD_DIM} channels and at most {MOST_CHANNELS} "
            f"channels in fours; this network has {network}"
        )
    there, needed = gpu.most_bytes(device), _needed_bytes(network, gpu.most_bytes(device))
    if needed > there:
        return f"they need {needed >> 10} KiB of shared memory for {c} channels, {device} has {there >> 10}"
    try:
        build.load("matrix", (), device).load()
    except KernelError as error:
        return str(error)
    return None


def _needed_bytes(network: NetworkShape, most: int) -> int:
    """Shared memory of the block that takes most of it, each op's chosen as small as it can be."""
    c = network.channels
    step = hidden_step(c, network.hidden, most)
    return max(ffn_bytes(c, step), spatial_apply_bytes(c), channel_apply_bytes(c), conv_bytes(c, c, stages=1))
