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

    def upload(self, source: Sequence[Plane], levels: tuple[int, int] = (0, 1)) -> Tensor:
        """Copy a frame to the device.

        Args:
            source: One plane [H, W] a channel, gamma-encoded; float, half, or integers of 8 or 16 bits, which travel
                as they are.
            levels: The samples that mean 0.0 and 1.0; what is beyond them is clamped.

        Returns:
            [C, H, W] fp32 in [0, 1], valid until the next upload.
        """
        dtype = torch.from_numpy(np.empty(0, source[0].dtype)).dtype
        host = self._buffer("upload", (len(source), *source[0].shape), dtype)
        for plane, target in zip(source, host.numpy(), strict=True):
            np.copyto(target, plane)
        # Devices other than CUDA's may not know integers of 16 bits.
        sent = host.to(self._device, non_blocking=True) if self._asynchronous else host.float().to(self._device)
        return _normalised(sent.float(), *levels).clamp_(0, 1)

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


def _normalised(samples: Tensor, black: int, white: int) -> Tensor:
    """Rescale in place, by a factor rounded to fp32 as `resize` has it, for the same bits as through it."""
    return samples if (black, white) == (0, 1) else samples.sub_(black).mul_(1 / (white - black))
