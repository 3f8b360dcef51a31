"""How each kernel is launched: explicitly by GPU generation, so that no first frame waits for an autotuner.

The kernels' own files say how. Chosen by counting registers and shared memory (`python -m tests.bench.compile_matrix`),
then swept on an H100, which changed the FFN's: tests/bench/NOTES.md.
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


@dataclass(frozen=True)
class Launches:
    """One kernel's launches, by how much shared memory a multiprocessor has.

    Args:
        large: For 164 KiB and more.
        small: For 100 KiB.
    """

    large: Launch
    small: Launch


# Whether a multiprocessor has much shared memory, by the first compute capability that has so much: a newer GPU takes
# the newest entry not above it. In KiB: 8.0 has 164, 8.6 and 8.9 have 100, 9.0 and 10.0 have 228, 12.0 has 100.
_IS_LARGE = {(8, 0): True, (8, 6): False, (8, 9): False, (9, 0): True, (10, 0): True, (12, 0): False}


def launch_for(launches: Launches, x: Tensor) -> Launch:
    """Choose a kernel's launch on a feature map [H, W, C]."""
    return _choose(launches, capability_of(x), x.element_size(), x.shape[2])


@cache
def _choose(launches: Launches, capability: tuple[int, int], itemsize: int, channels: int) -> Launch:
    launch = launches.large if is_large(capability) else launches.small
    wide = channels > 128
    # fp32 takes twice the shared memory, so it pipelines less.
    return replace(
        launch, warps=launch.wide_warps if wide else launch.warps, stages=1 if wide or itemsize > 2 else launch.stages
    )


def is_large(capability: tuple[int, int]) -> bool:
    """Whether a GPU has the shared memory that the kernels need in fp32: beyond 128 channels up to 115 KiB."""
    return _IS_LARGE[max(known for known in _IS_LARGE if known <= capability)]


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
