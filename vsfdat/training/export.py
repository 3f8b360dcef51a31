"""Model files: averaged weights, with all that made them in the metadata."""

import dataclasses
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from .recipe import Recipe


def export_model(state: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str], *, half: bool = False) -> None:
    """Write a model file whole or not at all.

    Args:
        state: A state dict with the community's names.
        file: The safetensors file.
        metadata: What the file says about itself.
        half: Whether weights are stored in fp16, at half the size.
    """
    tensors = {name: _stored(tensor, half) for name, tensor in state.items()}
    part = file.with_name(file.name + ".part")
    part.write_bytes(save(tensors, {"format": "pt", **metadata}))
    part.replace(file)


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.half() if half and tensor.is_floating_point() else tensor
    return tensor.detach().cpu().contiguous()


def describe_recipe(recipe: Recipe) -> str:
    """Write a recipe as JSON."""
    return json.dumps(dataclasses.asdict(recipe))


def describe_machine(device: torch.device, workers: int) -> str:
    """Say in words what trained: the card, or the CPU's kind and how much of it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} CPU ({capability}), {os.cpu_count()} cores, {workers} workers"
