"""Work from many threads onto few slots: one frame at a time a slot, first come first served."""

import atexit
import contextlib
import functools
import signal
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from queue import Empty, SimpleQueue
from typing import Any

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
    collected, and before the interpreter does.

    Args:
        slots: At least one; they may be on different devices, the faster ones get more of the frames.
        is_over: Asked before each frame: whether nobody wants it any more, and it is refused.
    """

    def __init__(self, slots: Sequence[Slot[P, R]], is_over: Callable[[], bool] = lambda: False) -> None:
        self._jobs: SimpleQueue[_Job[R] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._on_cuda = any(slot.device.type == "cuda" for slot in slots)
        # Daemons, or a script that ends without freeing its clips would never end.
        self._threads = [
            threading.Thread(target=_serve, args=(slot, self._jobs, is_over), daemon=True) for slot in slots
        ]
        self._dismiss = weakref.finalize(self, _dismiss, self._jobs, len(slots))
        # The interpreter's end is `_end_all`'s, which also joins.
        self._dismiss.atexit = False
        _end_before_the_interpreter()
        for thread in self._threads:
            thread.start()
        with _open_lock:
            _open.add(self)
            _serving.update(self._threads)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the work for one frame on some slot and wait for it; what it raises is raised here and only here.

        Raises:
            RuntimeError: The pipeline is closed, or was before this call's turn came.
        """
        try:
            return self._submit(*args, **kwargs).result()
        except CancelledError:
            raise RuntimeError("the clip was freed before this frame's turn") from None

    def close(self) -> None:
        """Let the running frames end, refuse all others, and drop the slots with everything they hold."""
        self.refuse()
        for thread in self._threads:
            thread.join()
        with _open_lock:
            _open.discard(self)
            if self._on_cuda:
                _give_back(libraries_too=not any(line._on_cuda for line in _open))

    def refuse(self) -> None:
        """Refuse all frames but the running ones, and let the threads end after these."""
        with self._lock:
            _dismiss_waiting(self._jobs)
            # Calling a finalizer does nothing once the interpreter is about to end, and the threads would stay.
            if self._dismiss.detach():
                _dismiss(self._jobs, len(self._threads))

    def _submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()
        with self._lock:
            if self._dismiss.alive:
                self._jobs.put((future, args, kwargs))
            else:
                future.cancel()
        return future


# What no pipeline of this process may still work with is given back when the last one is closed.
_open: weakref.WeakSet[Pipeline[..., Any]] = weakref.WeakSet()
_serving: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_open_lock = threading.Lock()


@functools.cache
def _end_before_the_interpreter() -> None:
    # Now and not at import: VapourSynth, imported before its first clip is made, is to end after the threads have.
    atexit.register(_end_all)


def _end_all() -> None:
    """Join every thread, those of collected pipelines too, while the interpreter still has a lock to give them.

    A thread that asks for it later is ended where it stands, and if that is in a destructor of torch's, the process is.
    Ctrl-C would cut this short, and VapourSynth's own waiting for its frames.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with _open_lock:
        pipelines, threads = list(_open), list(_serving)
    for pipeline in pipelines:
        pipeline.refuse()
    for thread in threads:
        thread.join()


def _give_back(*, libraries_too: bool) -> None:
    """Give back what torch keeps of the devices' memory.

    Args:
        libraries_too: Also what cuBLAS keeps for each thread and stream that called it, and page-locked host memory;
            torch has no public call for either.
    """
    if libraries_too:
        for name in ("_cuda_clearCublasWorkspaces", "_host_emptyCache"):
            getattr(torch._C, name, lambda: None)()
    torch.cuda.empty_cache()


type _Job[R] = tuple[Future[R], tuple[Any, ...], dict[str, Any]]


def _serve[**P, R](slot: Slot[P, R], jobs: SimpleQueue[_Job[R] | None], is_over: Callable[[], bool]) -> None:
    """Work until dismissed. Knows the queue and not the pipeline, which could else never be collected."""
    while (job := jobs.get()) is not None:
        if is_over():
            job[0].cancel()
        _answer(job, slot)
        del job  # not to be kept while there is nothing to do


def _answer[R](job: _Job[R], slot: Slot[..., R]) -> None:
    future, args, kwargs = job
    try:
        if future.set_running_or_notify_cancel():
            future.set_result(slot(*args, **kwargs))
    except BaseException as error:
        future.set_exception(error)
    finally:
        del future, job  # a traceback holds this frame, and the future holds the traceback


def _dismiss(jobs: SimpleQueue[Any], threads: int) -> None:
    for _ in range(threads):
        jobs.put(None)


def _dismiss_waiting(jobs: SimpleQueue[Any]) -> None:
    with contextlib.suppress(Empty):
        while job := jobs.get_nowait():
            job[0].cancel()
