"""CUDA graphs: a frame's thousand launches recorded once a slot, and replayed as one."""

import logging
import threading

import torch
from torch import Tensor

from vsfdat.notices import Once

from . import Engine
from .wrapper import Wrapper

_log = logging.getLogger(__name__)
# Recording allocates from a pool of its own; two slots that record at once would confuse the allocator.
_recording = threading.Lock()


class Graphed(Wrapper):
    """Replay an engine's work from a CUDA graph; an engine too.

    The first frame of a size runs as it is, which settles the plan, compiles the kernels and fills the workspace; then
    its work is recorded, and later frames of that size are copied in and replayed. What cannot be recorded (a head
    that asks the host, another device than CUDA) runs as before.

    Args:
        engine: The engine of one slot.
        once: Shared by the engines of one clip, so that the log says it once.
    """

    def __init__(self, engine: Engine, once: Once) -> None:
        super().__init__(engine)
        self._once = once
        self._recorded: Recorded | None = None
        self._refused = engine.device.type != "cuda"

    def __call__(self, frame: Tensor) -> Tensor:
        """[C_in, H, W] -> [C_out, H·scale, W·scale]; valid until the next call."""
        if self._refused:
            return self._engine(frame)
        if self._recorded is None or self._recorded.frame.shape != frame.shape:
            self._recorded = None  # gives its memory back first
            picture = self._engine(frame)
            self._record(frame)
            return picture
        return self._recorded(frame)

    def _record(self, frame: Tensor) -> None:
        try:
            with _recording:
                self._recorded = record(self._engine, frame)
        except RuntimeError as error:
            self._refused = True
            self._once.warning("CUDA graphs are off, frames run as single launches: %s", str(error).splitlines()[0])


class Recorded:
    """One frame's work as a graph, with the memory that it reads and writes.

    Args:
        graph: Recorded.
        frame: Read by the graph.
        picture: Written by it.
    """

    def __init__(self, graph: torch.cuda.CUDAGraph, frame: Tensor, picture: Tensor) -> None:
        self._graph = graph
        self.frame = frame
        self._picture = picture

    def __call__(self, frame: Tensor) -> Tensor:
        """Work on another frame of the same size."""
        self.frame.copy_(frame)
        self._graph.replay()
        return self._picture


def record(engine: Engine, frame: Tensor) -> Recorded:
    """Record what an engine does for a frame; nothing of it runs.

    Raises:
        RuntimeError: It does something that a graph cannot hold.
    """
    graph = torch.cuda.CUDAGraph()
    static = frame.clone()
    # Other slots go on working meanwhile: only this thread's calls are watched.
    with torch.cuda.device(engine.device), torch.cuda.graph(graph, capture_error_mode="thread_local"):
        picture = engine(static)
    return Recorded(graph, static, picture)
