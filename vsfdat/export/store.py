"""Exported graphs, kept in the user's cache by what they are."""

import dataclasses
import hashlib
import json
from pathlib import Path

import torch

from vsfdat.arch import FDAT
from vsfdat.errors import ExportError
from vsfdat.places import cache_folder

from .write import OPSET, write_onnx

_GENERATION = 1  # one more when the same network is to become another graph


def keep(network: FDAT, *, size: tuple[int, int], half: bool) -> Path:
    """Give the graph of a network for frames of one size, out of the cache or made now.

    Args:
        network: Of one frame.
        size: Width and height in pixels.
        half: As `write_onnx` takes it.

    Raises:
        ExportError: It cannot be made, or the cache cannot be written.
    """
    file = cache_folder("onnx") / f"{_name(network, size, half)}.onnx"
    try:
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_onnx(network, file, size=size, half=half)
    except OSError as error:
        raise ExportError(f"{file.parent} cannot be written ({error.strerror})") from error
    return file


def _name(network: FDAT, size: tuple[int, int], half: bool) -> str:
    """Name a graph by all that it is made of: numbers, not names, so that other weights are another graph."""
    facts = {"made by": [_GENERATION, OPSET, torch.__version__], "size": size, "half": half}
    digest = hashlib.sha256(json.dumps([facts, dataclasses.asdict(network.config)], sort_keys=True).encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]
