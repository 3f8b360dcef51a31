"""Planes of a frame to a tensor and back: strides, dtypes, pinned staging."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Plane = NDArray[Any]


class Frame(Protocol):
    """What is needed of a VapourSynth frame: its planes by number, each a two-dimensional buffer."""

    format: Any

    def __getitem__(self, plane: int, /) -> Any: ...


def planes(frame: Frame) -> list[Plane]:
    """View the planes of a frame, [H, W] each, without copying; rows are further apart than they are wide."""
    return [np.asarray(frame[plane]) for plane in range(frame.format.num_planes)]


class Staging:
    """Carry frames to one device and back, through host memory that is kept from frame to frame.

    A CUDA device copies from and to page-locked memory while the host does something else. Use from one thread only,
    under the stream that the copies belong to.

    Args:
        device: Where the pictures are worked on.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._asynchronous = device.type == "cuda"
        self._buffers: dict[str, Tensor] = {}

    def upload(self, source: Sequence[Plane]) -> Tensor:
        """Copy a frame to the device.

        Args:
            source: One plane [H, W] a channel, gamma-encoded float or half; values beyond [0, 1] are clamped.

        Returns:
            [C, H, W] fp32 in [0, 1], valid until the next upload.
        """
        dtype = torch.from_numpy(np.empty(0, source[0].dtype)).dtype
        host = self._buffer("upload", (len(source), *source[0].shape), dtype)
        for plane, target in zip(source, host.numpy(), strict=True):
            np.copyto(target, plane)
        return host.to(self._device, non_blocking=self._asynchronous).float().clamp_(0, 1)

    def download(self, picture: Tensor, target: Sequence[Plane]) -> None:
        """Copy a picture from the device into a frame, and wait for it.

        Args:
            picture: [C, H, W] on the device, clamped to [0, 1] on the way.
            target: One plane [H, W] a channel, float or half.
        """
        dtype = torch.from_numpy(np.empty(0, target[0].dtype)).dtype
        host = self._to_host(picture.clamp(0, 1).to(dtype))
        for plane, source in zip(target, host.numpy(), strict=True):
            np.copyto(plane, source)

    def _to_host(self, picture: Tensor) -> Tensor:
        if not self._asynchronous:
            return picture.cpu()
        host = self._buffer("download", tuple(picture.shape), picture.dtype)
        host.copy_(picture, non_blocking=True)
        # Blocking: sleeps instead of spinning on a core that the decoder needs.
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        done.record()
        done.synchronize()
        return host

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape or buffer.dtype != dtype:
            buffer = torch.empty(shape, dtype=dtype, pin_memory=self._asynchronous)
            self._buffers[name] = buffer
        return buffer
