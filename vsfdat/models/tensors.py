"""What a state dict must be before anything is read off its tensors: bounded, plain, numbered without gaps."""

import re
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from .checkpoint import StateDict

# fdat_xl has 1096. The network is built before it is compared, so that its parts must be few.
_MOST_TENSORS = 4000
_LEAST_TENSORS_A_BLOCK = 8  # of 16: a file that lacks some should be told which
_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
_WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def check_tensors(state_dict: StateDict, whole: str) -> None:
    """Refuse tensors that are no weights.

    Args:
        state_dict: Parameter names to tensors.
        whole: The one name whose tensor may hold whole numbers.

    Raises:
        ValueError: There are too many, or one is empty, or holds no real numbers.
    """
    if len(state_dict) > _MOST_TENSORS:
        raise ValueError(f"{len(state_dict)} tensors, more than {_MOST_TENSORS}")
    for key, tensor in state_dict.items():
        allowed = _FLOATS + _WHOLE if key == whole else _FLOATS
        if tensor.is_meta or tensor.layout != torch.strided or tensor.dtype not in allowed:
            kind = "meta" if tensor.is_meta else str(tensor.layout if tensor.is_sparse else tensor.dtype)
            raise ValueError(f"{key} is a tensor of the kind {kind.removeprefix('torch.')}")
        if not tensor.numel():
            raise ValueError(f"{key} is empty")


def shape_of(state_dict: StateDict, key: str, ndim: int) -> tuple[int, ...]:
    """Return the shape of a tensor that must be there.

    Raises:
        ValueError: It is not, or has another number of dimensions.
    """
    if key not in state_dict:
        raise ValueError(f"{key} is missing")
    shape = tuple(state_dict[key].shape)
    if len(shape) != ndim:
        raise ValueError(f"{key} has the shape {list(shape)} instead of {ndim} dimensions")
    return shape


def small_numbers(tensor: Tensor, key: str, count: int) -> list[int]:
    """Return the values of a tensor that must be this many whole numbers from 0 to 255.

    Raises:
        ValueError: It is none.
    """
    values = tensor.tolist() if tensor.shape == (count,) else []
    if not values or not all(value in range(256) for value in values):
        raise ValueError(f"{key} must be {count} whole numbers from 0 to 255")
    return [int(value) for value in values]


def count_blocks(state_dict: StateDict) -> tuple[int, int]:
    """Count the groups, and the blocks of each.

    Raises:
        ValueError: A number is left out, groups differ, or there are too few tensors for so many blocks.
    """
    blocks: dict[str, set[str]] = defaultdict(set)
    for key in state_dict:
        if match := re.match(r"groups\.([^.]*)\.(?:blocks\.([^.]*)\.)?", key):
            blocks[match[1]] |= {match[2]} - {None}
    groups = _count(blocks, "groups")
    counts = [_count(blocks[str(i)], f"groups.{i}.blocks") for i in range(groups)]
    odd = next((i for i, count in enumerate(counts) if count != counts[0]), None)
    if odd is not None:
        raise ValueError(f"groups.{odd} has {counts[odd]} blocks, and groups.0 has {counts[0]}")
    if groups * counts[0] * _LEAST_TENSORS_A_BLOCK > len(state_dict):
        raise ValueError(f"{len(state_dict)} tensors are too few for {groups * counts[0]} blocks")
    return groups, counts[0]


def _count(numbers: Iterable[str], of: str) -> int:
    """Count what is numbered from 0, by names: what is no number, or would be huge, is never read as one."""
    found = set(numbers)
    if found != {str(i) for i in range(len(found))}:
        raise ValueError(f"the numbers after {of!r} are not 0 to {len(found) - 1}")
    return len(found)
