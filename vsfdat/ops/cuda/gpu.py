"""What a GPU has: multiprocessors, and shared memory for the blocks that run on them."""

import torch

_HOPPERS = 227 << 10


def most_bytes(device: torch.device) -> int:
    """Shared memory that a block can have; without a GPU as much as Hopper gives."""
    if device.type != "cuda":
        return _HOPPERS
    return torch.cuda.get_device_properties(device).shared_memory_per_block_optin


def blocks_per_multiprocessor(shared: int, device: torch.device) -> int:
    """Count the blocks that a multiprocessor's shared memory holds, two at most: each then has registers enough.

    Args:
        shared: Bytes of shared memory that a block takes.
        device: A CUDA device; without a GPU the answer is 1.
    """
    if device.type != "cuda":
        return 1
    return max(1, min(2, torch.cuda.get_device_properties(device).shared_memory_per_multiprocessor // (shared + 1024)))


def multiprocessors(device: torch.device) -> int:
    """Count the device's multiprocessors; two without a GPU."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 2
