"""CUDA graphs: a frame's thousand launches recorded once a slot, and replayed as one."""

import threading
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from vsfdat.notices import Once

from . import Engine
from .wrapper import Wrapper

# One slot at a time finds its plan and records it. While one records, torch gives nothing of its cache back to the
# device, so that another's first frame would seem not to fit.
_settling = threading.Lock()


@runtime_checkable
class Recordable(Engine, Protocol):
    """An engine that may do for each frame what it did for the last."""

    @property
    def repeats_itself(self) -> bool:
        """Whether another frame of the last one's size will be the same launches on the same memory."""

    def repeat(self, frame: Tensor) -> Tensor:
        """Upscale a frame of the last one's size without looking for another way where that fails."""


class Graphed(Wrapper):
    """Replay an engine's work from a CUDA graph; an engine too.

    The first frame of a size runs as it is, which settles the plan, compiles the kernels and fills the workspace; then
    its work is recorded, and this frame and all later ones of that size are copied in and replayed. What cannot be
    recorded (feature maps in host memory, a head that asks the host, another engine, another device than CUDA) runs as
    before.

    Args:
        engine: The engine of one slot; nobody else may call it, for a graph holds the addresses of its workspace.
        once: Shared by the engines of one clip, so that the log says it once.
    """

    def __init__(self, engine: Engine, once: Once) -> None:
        super().__init__(engine)
        self._once = once
        self._recordable = engine if isinstance(engine, Recordable) and engine.device.type == "cuda" else None
        self._settled: torch.Size | None = None
        self._work: Engine | Recorded = engine

    def __call__(self, frame: Tensor) -> Tensor:
        """[C_in, H, W] -> [C_out, H·scale, W·scale]; valid until the next call."""
        if self._recordable is None or self._settled == frame.shape:
            return self._work(frame)
        with _settling:
            return self._settle(self._recordable, frame)

    def _settle(self, engine: Recordable, frame: Tensor) -> Tensor:
        """Find out how frames of this size are done from now on, and do this one."""
        self._forget()
        picture = engine(frame)
        self._settled = frame.shape
        if engine.repeats_itself:
            del picture  # a recording needs the same room once more
            self._work = self._record(engine, frame)
            picture = self._work(frame)
        return picture

    def _record(self, engine: Recordable, frame: Tensor) -> "Engine | Recorded":
        work: Engine | Recorded = engine
        try:
            work = record(engine, frame)
        except RuntimeError as error:
            self._recordable = None
            self._once.warning("CUDA graphs are off, frames run as single launches: %s", str(error).splitlines()[0])
        give_back(self.device)  # what the run before the recording had; or what the failed recording had
        return work

    def _forget(self) -> None:
        self._settled = None
        if self._work is not self._engine:
            self._work = self._engine
            give_back(self.device)


class Recorded:
    """One frame's work as a graph, with the memory that it reads and writes.

    Args:
        graph: The recorded launches.
        frame: Read by the graph.
        picture: Written by it.
    """

    def __init__(self, graph: torch.cuda.CUDAGraph, frame: Tensor, picture: Tensor) -> None:
        self._graph = graph
        self._frame = frame
        self._picture = picture

    def __call__(self, frame: Tensor) -> Tensor:
        """Work on another frame of the same size."""
        with torch.inference_mode():  # where the recording's tensors may be written
            self._frame.copy_(frame)
        self._graph.replay()
        return self._picture


def record(engine: Recordable, frame: Tensor) -> Recorded:
    """Record what an engine does for a frame; nothing of it runs.

    Raises:
        torch.OutOfMemoryError: There is no room for a second set of what is not kept from frame to frame.
        RuntimeError: It does something that a graph cannot hold.
    """
    graph = torch.cuda.CUDAGraph()
    static = frame.clone()
    # A stream of this device: torch's own for recordings is of the device that was recorded on first. And set by us, as
    # torch leaves it set where a recording fails.
    stream = torch.cuda.Stream(engine.device)  # type: ignore[no-untyped-call]
    # Other slots go on working meanwhile: only this thread's calls are watched.
    with torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        picture = engine.repeat(static)
    return Recorded(graph, static, picture)


def give_back(device: torch.device) -> None:
    """Give the device what the allocator keeps: it would hand none of it from a graph to single launches, or back."""
    torch.cuda.current_stream(device).synchronize()  # of a dropped graph, the last replay may still run
    torch.cuda.empty_cache()
