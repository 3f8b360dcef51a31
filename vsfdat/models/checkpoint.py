"""Checkpoint files to flat state dicts: weights only, no code."""

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vsfdat.errors import CheckpointError

StateDict = dict[str, Tensor]

_PICKLED = (".pth", ".pt", ".ckpt")
# state_dict, then params_ema, then one more for luck: nobody wraps deeper.
_MAX_WRAPPERS = 3


def read_state_dict(path: Path) -> StateDict:
    """Read a checkpoint's tensors, out of whatever wrappers its trainer put around them.

    Args:
        path: A .safetensors, .pth, .pt or .ckpt file.

    Returns:
        Parameter names to tensors on the CPU, prefixes such as `module.` stripped.

    Raises:
        CheckpointError: The file is no checkpoint, is damaged, or its pickle wants to run code.
    """
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        content = _read_safetensors(path)
    elif suffix in _PICKLED:
        content = _read_pickle(path)
    else:
        raise CheckpointError(f"{path.name}: a checkpoint is a .safetensors, .pth, .pt or .ckpt file")
    return _unwrap(content, path.name)


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path.name}: not a readable safetensors file ({error})") from error


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message is a page long and tells people how to switch the protection off.
        raise CheckpointError(
            f"{path.name}: holds more than weights, or is damaged; it was not run. "
            "Ask its author for a .safetensors file"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path.name}: not a readable file ({error.strerror})") from error
    except Exception as error:  # of any type: on junk torch stumbles over a key, an index, a struct or its own asserts
        raise CheckpointError(
            f"{path.name}: not a readable torch checkpoint; it is empty, damaged or of another kind"
        ) from error


def _unwrap(content: Any, name: str) -> StateDict:
    if isinstance(content, dict) and not all(isinstance(value, Tensor) for value in content.values()):
        content = _canonical(content)
    entries = content.items() if isinstance(content, dict) else ()
    tensors = {key: value for key, value in entries if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{name}: holds no tensors")
    return _strip_common_prefix(tensors)


def _canonical(content: dict[str, Any]) -> Any:
    # Here, because spandrel brings fifty networks and torchvision along: seconds, for files that have wrappers.
    from spandrel import canonicalize_state_dict

    for _ in range(_MAX_WRAPPERS):
        if isinstance(content, dict):
            content = canonicalize_state_dict(content)
    return content


def _strip_common_prefix(state_dict: StateDict) -> StateDict:
    """Strip what training put before every name, such as `module.`, or Lightning's `model.`."""
    first = next((key for key in state_dict if "conv_first." in key), None)
    prefix = first[: first.index("conv_first.")] if first else ""
    if prefix and all(key.startswith(prefix) for key in state_dict):
        return {key.removeprefix(prefix): value for key, value in state_dict.items()}
    return state_dict
