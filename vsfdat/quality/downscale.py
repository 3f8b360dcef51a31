"""The kernels that make low-resolution pictures from originals."""

from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from .pictures import Picture

Kernel = Literal["bicubic", "lanczos", "bilinear", "area", "aliased"]
Light = Literal["gamma", "linear"]


def downscale(picture: Picture, scale: int, kernel: str, light: Light = "gamma") -> Picture:
    """Shrink a picture.

    Args:
        picture: [H, W, 3], sRGB.
        scale: Factor; a remainder of rows or columns is squeezed in, as Pillow does it.
        kernel: One of `Kernel`; all are antialiased but "aliased", a bicubic of four taps at any scale.
        light: "gamma" averages the stored values, as nearly all video is made; "linear" averages light.

    Returns:
        [H/scale, W/scale, 3], rounded to 8 bits.
    """
    size = (picture.shape[0] // scale, picture.shape[1] // scale)
    if kernel == "aliased":
        return _aliased(picture, size, light)
    if light == "gamma":
        return np.asarray(_resize(picture, size, kernel))
    planes = [_resize(plane, size, kernel) for plane in np.moveaxis(_to_light(picture), 2, 0)]
    return _from_light(np.stack([np.asarray(plane) for plane in planes], axis=2))


def _resize(values: NDArray[Any], size: tuple[int, int], kernel: str) -> Any:
    from PIL import Image

    filters = {
        "bicubic": Image.Resampling.BICUBIC,
        "lanczos": Image.Resampling.LANCZOS,
        "bilinear": Image.Resampling.BILINEAR,
        "area": Image.Resampling.BOX,
    }
    return Image.fromarray(np.ascontiguousarray(values)).resize(size[::-1], filters[kernel])


def _aliased(picture: Picture, size: tuple[int, int], light: Light) -> Picture:
    values = _to_light(picture) if light == "linear" else picture.astype(np.float32) / 255
    planes = torch.from_numpy(values).permute(2, 0, 1)[None]
    small = F.interpolate(planes, size, mode="bicubic", align_corners=False)[0].permute(1, 2, 0).numpy()
    return _from_light(small) if light == "linear" else _rounded(small)


def _to_light(picture: Picture) -> NDArray[np.float32]:
    """SRGB's 8 bits -> light in [0, 1], by IEC 61966-2-1."""
    stored = np.arange(256, dtype=np.float32) / 255
    table = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    return table.astype(np.float32)[picture]


def _from_light(light: NDArray[np.float32]) -> Picture:
    light = light.clip(0, 1)
    return _rounded(np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055))


def _rounded(values: NDArray[np.floating[Any]]) -> Picture:
    return (values * 255).round().clip(0, 255).astype(np.uint8)
