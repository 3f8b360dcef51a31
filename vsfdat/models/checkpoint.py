"""Checkpoint files to flat state dicts: weights only, no code."""

import errno
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vsfdat.errors import CheckpointError

from .pickles import more_than_weights
from .screen import check_claim, check_file

StateDict = dict[str, Tensor]

_PICKLED = (".pth", ".pt", ".ckpt")
# state_dict, then params_ema, then one more for luck: nobody wraps deeper.
_MAX_WRAPPERS = 3
# Every FDAT has it once.
_LANDMARK = "conv_after.weight"
_LONGEST_REASON = 200


def read_state_dict(path: Path) -> StateDict:
    """Read a checkpoint's tensors, out of whatever wrappers its trainer put around them.

    Args:
        path: A .safetensors, .pth, .pt or .ckpt file.

    Returns:
        Parameter names to tensors on the CPU, prefixes such as `module.` stripped, together no larger than the file.

    Raises:
        CheckpointError: The file is no checkpoint, is damaged, or its pickle wants to run code.
    """
    pickled = path.suffix.lower() in _PICKLED
    if not pickled and path.suffix.lower() != ".safetensors":
        raise CheckpointError(f"{path.name}: a checkpoint is a .safetensors, .pth, .pt or .ckpt file")
    state_dict = _unwrap(_read(path, pickled), path.name)
    # Tensors may share their numbers, and repeat one of them without end.
    check_claim(path, sum(tensor.numel() * tensor.element_size() for tensor in state_dict.values()), "tensors")
    return state_dict


def _read(path: Path, pickled: bool) -> Any:
    try:
        check_file(path, pickled=pickled)
        return _load(path) if pickled else load_file(path)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise more_than_weights(path.name) from error
    except Exception as error:  # of any type: on junk the libraries stumble over a key, an index or their own asserts
        raise CheckpointError(f"{path.name}: {_reason(error)}") from error


def _load(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected pickle protocol")  # 3 is read as 2 is
        return torch.load(path, map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    # On a cut file torch seeks to before its beginning.
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        return f"not a readable file ({error.strerror})"
    if isinstance(error, SafetensorError):
        return f"is cut short, damaged or of a newer kind; get the file again ({str(error)[:_LONGEST_REASON]})"
    return "is cut short or damaged; get the file again"


def _unwrap(content: Any, name: str) -> StateDict:
    if isinstance(content, dict) and not all(isinstance(value, Tensor) for value in content.values()):
        content = _canonical(content, name)
    entries = content.items() if isinstance(content, dict) else ()
    tensors = {key: value for key, value in entries if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{name}: holds no tensors")
    _check_names(tensors, name)
    return _strip_prefix(tensors, name)


def _canonical(content: dict[Any, Any], name: str) -> Any:
    # Here, because spandrel brings fifty networks and torchvision along: seconds, for files that have wrappers.
    from spandrel import canonicalize_state_dict

    for _ in range(_MAX_WRAPPERS):
        if isinstance(content, dict):
            _check_names(content, name)
            content = canonicalize_state_dict(content)
    return content


def _check_names(content: dict[Any, Any], name: str) -> None:
    for key in content:
        if not isinstance(key, str):
            raise CheckpointError(f"{name}: names its contents by {type(key).__name__} values where text is due")


def _strip_prefix(state_dict: StateDict, name: str) -> StateDict:
    """Strip what training put before every name of the network, such as `module.`, or Lightning's `model.`.

    What lies beside it, such as the count of torch's averaged models or a loss's own network, goes with the prefix.
    """
    prefixes = sorted(key.removesuffix(_LANDMARK) for key in state_dict if f".{key}".endswith(f".{_LANDMARK}"))
    if not prefixes or "" in prefixes:
        return state_dict
    if len(prefixes) > 1:
        raise CheckpointError(f"{name}: holds {len(prefixes)} networks ({', '.join(prefixes[:4])}); save one alone")
    prefix = prefixes[0]
    return {key.removeprefix(prefix): value for key, value in state_dict.items() if key.startswith(prefix)}
