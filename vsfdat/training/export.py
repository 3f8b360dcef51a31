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


def export_model(state: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]) -> None:
    """Write a model file in fp16, whole or not at all.

    Half the size costs nothing that can be measured: fp16 rounds a weight by 0.05 % at most.

    Args:
        state: A state dict with the community's names.
        file: The .safetensors file to write, or to replace.
        metadata: What the file says about itself.
    """
    tensors = {name: _stored(tensor) for name, tensor in state.items()}
    part = file.with_name(file.name + ".part")
    part.write_bytes(save(tensors, {"format": "pt", **metadata}))
    part.replace(file)


def _stored(tensor: Tensor) -> Tensor:
    stored = tensor.half() if tensor.is_floating_point() else tensor
    return stored.detach().cpu().contiguous()


def describe_recipe(recipe: Recipe) -> str:
    """Write a recipe as JSON."""
    return json.dumps(dataclasses.asdict(recipe))


def describe_machine(device: torch.device, workers: int) -> str:
    """Say in words what trained: the card, or the CPU's kind and how much of it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} CPU ({capability}), {os.cpu_count()} cores, {workers} workers"
