"""The sizes that the kernels reckon with: what csrc/tile.cuh and the heads of the sources say, again for the host."""

import torch

TILE_H, TILE_W = 8, 16
WINDOW = 8
HEAD = 32  # a head's channels, padded
TAPS = 12  # pairs that two channels' depthwise taps take
SPAN = 128  # pixels of the Gram matrix's spans
_HALO = (TILE_H + 2) * (TILE_W + 2)
_HOPPERS = 227 << 10


def eighths(c: int) -> int:
    """Round channels up to a multiple of 8."""
    return -(-c // 8) * 8


def odd_eighths(c: int) -> int:
    """Numbers a pixel of C channels takes in shared memory: an odd number of eighths."""
    return (-(-c // 8) | 1) * 8


def columns(made: int) -> int:
    """Round a convolution's channels up to what its warps make."""
    across = 2 if made > 32 else 1
    return -(-eighths(made) // (8 * across)) * 8 * across


def hidden_step(c: int, d: int, most: int) -> int:
    """Choose how many hidden channels the FFN makes at a time.

    Args:
        c: Channels.
        d: Hidden channels.
        most: Bytes of shared memory that a program can have.

    Returns:
        The step that pads them least, of those that there is room for; of several one that leaves room for a second
        program, and the largest.
    """
    steps = [step for step in (64, 48, 32) if ffn_bytes(c, step) <= most] or [32]
    return min(steps, key=lambda step: (-(-d // step) * step, 2 * ffn_bytes(c, step) > most - 1024, -step))


def ffn_bytes(c: int, step: int) -> int:
    """Shared memory of a program."""
    rows = -(-_HALO // 16) * 16
    numbers = rows * odd_eighths(c) + rows * odd_eighths(step) + step * odd_eighths(c) + eighths(c) * odd_eighths(step)
    return 2 * (numbers + TAPS * step)


def spatial_apply_bytes(c: int) -> int:
    """Shared memory of a program."""
    arena = 3 * HEAD * odd_eighths(c) + 4 * WINDOW**2 * (HEAD + 8)
    return 2 * (_HALO * odd_eighths(c) + TAPS * eighths(c) + arena)


def spatial_reduce_bytes(c: int) -> int:
    """Shared memory of a program."""
    return 2 * (_HALO * odd_eighths(c) + TAPS * eighths(c)) + 8 * eighths(c)


def channel_apply_bytes(c: int) -> int:
    """Shared memory of a program."""
    return 2 * (_HALO * odd_eighths(c) + TAPS * eighths(c) + eighths(c) * odd_eighths(c))


def channel_reduce_bytes(c: int) -> int:
    """Shared memory of a program."""
    return 2 * (SPAN * odd_eighths(c) + 8)


def conv_bytes(c: int, made: int, stages: int) -> int:
    """Shared memory of a program."""
    working = _HALO * odd_eighths(c) + stages * columns(made) * odd_eighths(c)
    return 2 * max(working, TILE_H * TILE_W * odd_eighths(columns(made)))


def most_bytes(device: torch.device) -> int:
    """Shared memory that a program can have; without a GPU as much as Hopper gives."""
    if device.type != "cuda":
        return _HOPPERS
    return torch.cuda.get_device_properties(device).shared_memory_per_block_optin


def programs(shared: int, device: torch.device) -> int:
    """Count the programs that a multiprocessor's shared memory holds, two at most: each then has registers enough."""
    if device.type != "cuda":
        return 1
    return max(1, min(2, torch.cuda.get_device_properties(device).shared_memory_per_multiprocessor // (shared + 1024)))


def processors(device: torch.device) -> int:
    """Count the device's multiprocessors; two without a GPU."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 2
