"""Work from many threads onto few slots: one frame at a time a slot, first come first served."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor

import torch


class Slot[**P, R]:
    """A callable with what it needs to run beside others: on CUDA, a stream of its own.

    Args:
        work: Called for one frame at a time, always from the same thread, without autograd.
        device: Where it works.
    """

    def __init__(self, work: Callable[P, R], device: torch.device) -> None:
        self.device = device
        self._work = work
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the work for one frame."""
        stream = torch.cuda.stream(self._stream) if self._stream else contextlib.nullcontext()
        with torch.inference_mode(), stream:
            return self._work(*args, **kwargs)


class Pipeline[**P, R]:
    """Hand each call to the first slot that is free.

    Every slot has its own thread, and not the caller's: torch keeps a team of OpenMP threads for each thread that
    ever called it, and the callers here are all of VapourSynth's. The threads end when the pipeline is closed or
    collected.

    Args:
        slots: At least one; they may be on different devices, the faster ones get more of the frames.
    """

    def __init__(self, slots: Sequence[Slot[P, R]]) -> None:
        self._on_cuda = any(slot.device.type == "cuda" for slot in slots)
        self._crew = _Crew(slots)
        self._threads = ThreadPoolExecutor(len(slots), "vsfdat-slot", initializer=self._crew.claim)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the work for one frame on some slot and wait for it; what it raises is raised here and only here.

        Raises:
            RuntimeError: The pipeline is closed, or was before this call's turn came.
        """
        try:
            return self._threads.submit(self._crew.work, *args, **kwargs).result()
        except CancelledError:
            raise RuntimeError("the clip was freed before this frame's turn") from None

    def close(self) -> None:
        """Let the running frames end, refuse all others, and drop the slots with everything they hold."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._crew.unclaimed.clear()
        if self._on_cuda:
            torch.cuda.empty_cache()


class _Crew[**P, R]:
    """Which thread has which slot. The threads know this and not the pipeline, which could else never be collected."""

    def __init__(self, slots: Sequence[Slot[P, R]]) -> None:
        self.unclaimed = deque(slots)
        self._own = threading.local()  # ends with its thread, and so do the slots

    def claim(self) -> None:
        """Give the calling thread, which is new, a slot of its own."""
        self._own.slot = self.unclaimed.popleft()

    def work(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the work on the calling thread's slot."""
        slot: Slot[P, R] = self._own.slot
        return slot(*args, **kwargs)
