"""Planes of a frame to a tensor and back: strides, dtypes, pinned staging."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from queue import SimpleQueue
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
    under the stream that the copies belong to; only what has landed may be copied out by others.

    Args:
        device: Where the pictures are worked on.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._asynchronous = device.type == "cuda"
        self._upload: Tensor | None = None
        self._places: SimpleQueue[Tensor | None] = SimpleQueue()
        for _ in range(2):  # one to land in, one to be copied out of
            self._places.put(None)

    def upload(self, source: Sequence[Plane], levels: tuple[int, int] = (0, 1)) -> Tensor:
        """Copy a frame to the device.

        Args:
            source: One plane [H, W] a channel, gamma-encoded; float, half, or integers of 8 or 16 bits, which travel
                as they are.
            levels: The samples that mean 0.0 and 1.0; what is beyond them is clamped.

        Returns:
            [C, H, W] fp32 in [0, 1], valid until the next upload.
        """
        host = self._host((len(source), *source[0].shape), _torch_dtype(source[0].dtype))
        for plane, target in zip(source, host.numpy(), strict=True):
            np.copyto(target, plane)
        # Devices other than CUDA's may not know integers of 16 bits.
        sent = host.to(self._device, non_blocking=True) if self._asynchronous else host.float().to(self._device)
        return _normalised(sent.float(), *levels).clamp_(0, 1)

    def download(self, picture: Tensor, dtype: np.dtype[Any]) -> "Landed":
        """Copy a picture from the device, and wait for it.

        Args:
            picture: [C, H, W] on the device, clamped to [0, 1] and made `dtype` there; in place on CUDA, where a
                second one may not fit.
            dtype: Float or half.

        Returns:
            The picture, to be copied into a frame soon: while two are not, the next on CUDA waits.
        """
        if not self._asynchronous:
            return Landed(picture.clamp(0, 1).to(_torch_dtype(dtype)).cpu(), None)
        made = picture.clamp_(0, 1).to(_torch_dtype(dtype))
        host = self._places.get()
        try:
            if host is None or host.shape != made.shape or host.dtype != made.dtype:
                host = torch.empty(made.shape, dtype=made.dtype, pin_memory=True)
            host.copy_(made, non_blocking=True)
            # Blocking: sleeps instead of spinning on a core that the decoder needs.
            done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            done.record()
            done.synchronize()
        except BaseException:
            self._places.put(host)
            raise
        return Landed(host, self._places.put)

    def mark(self) -> torch.cuda.Event | None:
        """Note how far the current stream is, for others to wait for; None where copies are done when they return."""
        if not self._asynchronous:
            return None
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        return event

    def _host(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        if self._upload is None or self._upload.shape != shape or self._upload.dtype != dtype:
            self._upload = torch.empty(shape, dtype=dtype, pin_memory=self._asynchronous)
        return self._upload


class Uploads:
    """Keeps the pictures that were last copied to a device, for all slots of a clip that work there.

    Args:
        room: How many.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[Tensor, torch.cuda.Event | None]] = OrderedDict()

    def get(self, number: int, staging: Staging, source: Sequence[Plane], levels: tuple[int, int]) -> Tensor:
        """Give a frame's picture as `Staging.upload` does, copied when it is first asked for.

        Args:
            number: Of the frame in its clip.
            staging: The slot's.
            source: As `Staging.upload` takes it.
            levels: Likewise.

        Returns:
            [C, H, W] fp32 in [0, 1], not to be changed.
        """
        with self._lock:
            if number not in self._kept:
                self._kept[number] = staging.upload(source, levels).clone(), staging.mark()
            self._kept.move_to_end(number)
            picture, copied = self._kept[number]
            while len(self._kept) > self._room:
                self._kept.popitem(last=False)
        if copied is not None:
            stream = torch.cuda.current_stream(picture.device)
            stream.wait_event(copied)
            picture.record_stream(stream)
        return picture


class Landed:
    """A picture in host memory: whoever waited for it copies it out, and the slot goes on with the next meanwhile.

    Args:
        host: [C, H, W].
        give_back: Takes it for another picture; None where each has its own.
    """

    def __init__(self, host: Tensor, give_back: Callable[[Tensor], None] | None) -> None:
        self._host = host
        self._give_back = give_back

    def into(self, target: Sequence[Plane]) -> None:
        """Copy the picture into a frame, once.

        Args:
            target: One plane [H, W] a channel, of the samples asked for.
        """
        try:
            for plane, source in zip(target, self._host.numpy(), strict=True):
                np.copyto(plane, source)
        finally:
            if self._give_back is not None:
                self._give_back(self._host)


def _torch_dtype(dtype: np.dtype[Any]) -> torch.dtype:
    return torch.from_numpy(np.empty(0, dtype)).dtype


def _normalised(samples: Tensor, black: int, white: int) -> Tensor:
    """Rescale in place, by a factor rounded to fp32 as `resize` has it, for the same bits as through it."""
    return samples if (black, white) == (0, 1) else samples.sub_(black).mul_(1 / (white - black))
