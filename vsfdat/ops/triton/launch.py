"""How each kernel is launched: explicit tables by GPU generation, so that no first frame waits for an autotuner.

Chosen by counting registers and shared memory (`python -m tests.bench.compile_matrix`), then swept on an H100, which
changed the FFN's: tests/bench/NOTES.md.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from math import gcd
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Launch:
    """One kernel's launch.

    Args:
        warps: Warps a program.
        wide_warps: Beyond 128 channels, where the same warps would spill registers.
        stages: Depth of the software pipeline.
        tile: Rows and columns of pixels a program works on at a time, powers of two; a window where attention sets it.
        occupancy: Programs a multiprocessor, for kernels whose programs loop over the frame.
    """

    warps: int
    wide_warps: int
    stages: int
    tile: tuple[int, int] = (0, 0)
    occupancy: int = 1

    @property
    def options(self) -> dict[str, Any]:
        """What the compiler wants to know; fused multiply-adds are asked for, since Triton's default is changing."""
        return {"num_warps": self.warps, "num_stages": self.stages, "enable_fp_fusion": True}


# Shared memory a multiprocessor, by the first compute capability that has so much: a newer GPU takes the newest entry
# not above it. In KiB: 8.0 has 164, 8.6 and 8.9 have 100, 9.0 and 10.0 have 228, 12.0 has 100.
_SMALL, _LARGE = "100 KiB", "164 KiB and more"
_GENERATIONS = {(8, 0): _LARGE, (8, 6): _SMALL, (8, 9): _SMALL, (9, 0): _LARGE, (10, 0): _LARGE, (12, 0): _SMALL}

_TABLES: dict[str, dict[str, Launch]] = {
    _LARGE: {
        "spatial_reduce": Launch(warps=4, wide_warps=8, stages=3, tile=(32, 16)),
        "spatial_apply": Launch(warps=4, wide_warps=8, stages=2),
        "channel_reduce": Launch(warps=4, wide_warps=8, stages=2, tile=(1, 64), occupancy=2),
        "channel_apply": Launch(warps=4, wide_warps=8, stages=1, tile=(8, 8)),
        "ffn": Launch(warps=4, wide_warps=8, stages=2, tile=(8, 16), occupancy=2),
        "conv3x3": Launch(warps=4, wide_warps=4, stages=3, tile=(8, 16)),
    },
    _SMALL: {
        "spatial_reduce": Launch(warps=4, wide_warps=8, stages=3, tile=(32, 16)),
        "spatial_apply": Launch(warps=4, wide_warps=8, stages=1),
        "channel_reduce": Launch(warps=4, wide_warps=8, stages=2, tile=(1, 64), occupancy=2),
        "channel_apply": Launch(warps=4, wide_warps=8, stages=1, tile=(8, 8)),
        "ffn": Launch(warps=4, wide_warps=4, stages=1, tile=(8, 8), occupancy=2),
        "conv3x3": Launch(warps=4, wide_warps=4, stages=2, tile=(8, 16)),
    },
}


@cache
def table(op: str, capability: tuple[int, int], itemsize: int, channels: int) -> Launch:
    """Look a launch up.

    Args:
        op: The op's name.
        capability: The GPU's compute capability, at least 8.0.
        itemsize: Bytes an element of the feature maps; fp32 takes twice the shared memory, so it pipelines less.
        channels: Of the feature maps.
    """
    entry = _TABLES[_memory(capability)][op]
    wide = channels > 128
    return replace(
        entry, warps=entry.wide_warps if wide else entry.warps, stages=1 if wide or itemsize > 2 else entry.stages
    )


def is_large(capability: tuple[int, int]) -> bool:
    """Whether a GPU has the shared memory that the kernels need in fp32: beyond 128 channels up to 115 KiB."""
    return _memory(capability) == _LARGE


def _memory(capability: tuple[int, int]) -> str:
    return _GENERATIONS[max(known for known in _GENERATIONS if known <= capability)]


def launch_for(op: str, x: Tensor) -> Launch:
    """Look up the launch of an op on a feature map."""
    return table(op, capability_of(x), x.element_size(), x.shape[2])


def capability_of(x: Tensor) -> tuple[int, int]:
    """The compute capability of a tensor's GPU; that of a small one for the interpreter's CPU tensors."""
    return torch.cuda.get_device_capability(x.device) if x.is_cuda else (8, 9)


def programs(launch: Launch, x: Tensor) -> int:
    """Count the programs that fill the device once, for kernels whose programs loop over the frame."""
    processors = torch.cuda.get_device_properties(x.device).multi_processor_count if x.is_cuda else 2
    return processors * launch.occupancy


def on_device_of(x: Tensor) -> AbstractContextManager[Any]:
    """Make a tensor's GPU the current one: Triton launches on the current device, not on its arguments'."""
    return torch.cuda.device_of(x)


def channel_block(channels: int) -> int:
    """Choose the part that covers the channels with the least padding, the larger where two tie.

    Parts of 128 spilled registers in every kernel that keeps a tile in fp32 beside another.
    """
    return min((64, 32), key=lambda block: (-(-channels // block) * block, -block))


def power_of_two(n: int) -> int:
    """Round up to a power of two, at least 16: the least a matrix unit takes."""
    return max(16, 1 << (n - 1).bit_length())


def strides(x: Tensor) -> tuple[int, int]:
    """The strides of rows and columns of a map [H, W, C] whose channels lie side by side.

    Raises:
        ValueError: They do not.
    """
    if x.stride(2) != 1 and x.shape[2] > 1:
        raise ValueError(f"a feature map's channels must be contiguous, passed strides {x.stride()}")
    return x.stride(0), x.stride(1)


def alignment(*maps: Tensor) -> int:
    """The number of elements, 16 bytes' worth at most, of which every pixel's address in every map is a multiple."""
    return gcd(16 // maps[0].element_size(), *(stride for x in maps for stride in (x.stride(0), x.stride(1))))


def dot_precision(x: Tensor) -> str:
    """How fp32 operands multiply: as three tf32 products, about as exact as fp32 and on the tensor cores."""
    return "tf32x3" if x.dtype == torch.float32 else "tf32"
