"""What the published modules gave for random weights, in float64: the files in `fixtures`.

Each has the weights, what went in, what came out, and how far the published module in fp32 is from that.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Published:
    """One file: its constructor's arguments, the weights by their names, what goes in, what comes out."""

    config: dict[str, Any]
    weights: dict[str, Tensor]
    given: Tensor
    output: Tensor
    fp32_error: float

    def check(self, picture: Tensor) -> None:
        assert picture.shape == self.output.shape
        assert (picture.double() - self.output).abs().max().item() <= 2 * self.fp32_error + 1e-6


def names(family: str) -> list[str]:
    """List the files of one kind of network."""
    return sorted(path.stem for path in (FIXTURES / family).glob("*.safetensors"))


def read(family: str, name: str) -> Published:
    with safe_open(FIXTURES / family / f"{name}.safetensors", framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        facts = file.metadata()
    weights = {key.removeprefix("weights."): tensor for key, tensor in tensors.items() if key.startswith("weights.")}
    given = tensors["frames" if "frames" in tensors else "frame"]
    return Published(json.loads(facts["config"]), weights, given, tensors["output"], float(facts["fp32_error"]))


def shapes(state_dict: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in state_dict.items()}
