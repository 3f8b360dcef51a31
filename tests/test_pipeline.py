import contextlib
import gc
import random
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from vsfdat.pipeline import Pipeline, Slot

CPU = torch.device("cpu")


def pipeline(*works):
    return Pipeline([Slot(work, CPU) for work in works])


def slot_threads() -> int:
    return sum("_serve" in thread.name for thread in threading.enumerate())


def wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited for 10 seconds"
        time.sleep(0.005)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_as_many_frames_at_a_time_as_slots(count: int) -> None:
    together = threading.Barrier(count)
    line = pipeline(*[lambda n: together.wait(timeout=20) and n] * count)
    with ThreadPoolExecutor(count) as callers:
        list(callers.map(line, range(count * 4)))  # a barrier that is not filled raises
    line.close()


def test_a_slot_has_one_frame_at_a_time_and_one_thread() -> None:
    busy, threads = threading.Lock(), set()

    def work(n: int) -> int:
        assert busy.acquire(blocking=False)
        threads.add(threading.get_ident())
        time.sleep(0.001)
        busy.release()
        return n * n

    line = pipeline(work)
    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(line, range(50))) == [n * n for n in range(50)]
    assert len(threads) == 1
    assert threads.isdisjoint({threading.get_ident()})
    line.close()


def test_a_free_slot_takes_the_next_frame_whatever_the_other_does() -> None:
    release = threading.Event()

    def work(n: int) -> int:
        assert n >= 0 or release.wait(20)
        return n

    line = pipeline(work, work)
    with ThreadPoolExecutor(1) as callers:
        slow = callers.submit(line, -1)
        assert [line(n) for n in range(8)] == list(range(8))  # dealt out in turn, every second would wait
        assert not slow.done()
        release.set()
        assert slow.result(20) == -1
    line.close()


def test_a_failure_reaches_its_caller_and_nobody_else() -> None:
    def work(n: int) -> int:
        if n % 7 == 3:
            raise ValueError(f"frame {n}")
        return n

    line = pipeline(work, work)

    def ask(n: int) -> object:
        try:
            return line(n)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(ask, range(100)))
    assert answers == [f"frame {n}" if n % 7 == 3 else n for n in range(100)]
    line.close()


def test_work_runs_without_autograd() -> None:
    line = pipeline(torch.is_inference_mode_enabled)
    assert line() is True
    assert not torch.is_inference_mode_enabled()
    line.close()


def test_nothing_is_kept_of_a_frame_that_is_done() -> None:
    class Frame:
        pass

    def work(frame: Frame, *, fail: bool) -> Frame:
        if fail:
            raise ValueError
        return frame

    line = pipeline(work)
    gc.disable()  # what only the collector could free is kept too long: it may be a gigabyte on a GPU
    try:
        for fail in (False, True):
            frame = Frame()
            gone = weakref.ref(frame)
            try:
                assert line(frame, fail=fail) is frame
            except ValueError:
                assert fail
            del frame
            wait_until(lambda gone=gone: gone() is None)
    finally:
        gc.enable()
    line.close()


class Streams:
    """In the place of torch's: tells which one is set, thread by thread."""

    def __init__(self) -> None:
        self.made: list[object] = []
        self.current = threading.local()

    def make(self, device: torch.device) -> object:
        self.made.append(object())
        return self.made[-1]

    @contextlib.contextmanager
    def set(self, stream: object):
        self.current.stream = stream
        yield
        self.current.stream = None


def test_each_slot_on_cuda_works_under_its_own_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    streams, together, emptied = Streams(), threading.Barrier(2), []
    monkeypatch.setattr(torch.cuda, "Stream", streams.make)
    monkeypatch.setattr(torch.cuda, "stream", streams.set)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(held() is None))

    class Work:
        def __call__(self, fail: bool) -> object:
            together.wait(timeout=20)
            if fail:
                raise ValueError
            return streams.current.stream

    work = Work()
    held = weakref.ref(work)
    line = Pipeline([Slot(work, torch.device("cuda:0")) for _ in range(2)])
    del work
    with ThreadPoolExecutor(2) as callers:
        for fail in (False, True, False):  # a failure leaves a slot under its stream for the next frame
            futures = [callers.submit(line, fail) for _ in range(2)]
            if not fail:
                assert {future.result() for future in futures} == set(streams.made)
            assert all(bool(future.exception()) == fail for future in futures)
    assert len(streams.made) == 2
    assert emptied == []
    line.close()
    assert emptied == [True]  # once, when nothing of the slots is left that could hold memory


def test_what_libraries_keep_is_given_back_with_the_last_pipeline_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others may be at work with it."""
    told, streams = [], Streams()
    monkeypatch.setattr(torch.cuda, "Stream", streams.make)
    monkeypatch.setattr(torch.cuda, "stream", streams.set)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: told.append("torch"))
    monkeypatch.setattr(torch._C, "_cuda_clearCublasWorkspaces", lambda: told.append("cuBLAS"), raising=False)
    monkeypatch.setattr(torch._C, "_host_emptyCache", lambda: told.append("host"), raising=False)
    first, second = (Pipeline([Slot(lambda: 1, torch.device("cuda:0"))]) for _ in range(2))
    on_the_cpu = pipeline(lambda: 1)
    first.close()
    assert told == ["torch"]
    second.close()
    assert told == ["torch", "cuBLAS", "host", "torch"]
    on_the_cpu.close()
    assert len(told) == 4


def test_closing_ends_threads_and_drops_slots() -> None:
    class Work:
        def __call__(self) -> int:
            return 1

    before = slot_threads()
    work = Work()
    line = pipeline(work, work, work)
    gone = weakref.ref(work)
    del work
    assert line() == 1
    assert slot_threads() == before + 3
    line.close()
    assert slot_threads() == before
    assert gone() is None
    line.close()  # twice is fine


def test_a_closed_pipeline_refuses() -> None:
    line = pipeline(lambda: 1)
    line.close()
    with pytest.raises(RuntimeError, match=r"^the clip was freed before this frame's turn$"):
        line()


def test_closing_lets_the_running_frame_end_and_refuses_the_waiting() -> None:
    started, release = threading.Event(), threading.Event()

    def work(n: int) -> int:
        started.set()
        assert release.wait(20)
        return n

    line = pipeline(work)
    with ThreadPoolExecutor(8) as callers:
        running = callers.submit(line, 0)
        assert started.wait(20)
        waiting = [callers.submit(line, n) for n in range(1, 4)]
        wait_until(lambda: line._jobs.qsize() == 3)
        closing = callers.submit(line.close)
        wait_until(lambda: all(future.done() for future in waiting))
        release.set()
        closing.result(20)
        assert running.result(20) == 0
        for future in waiting:
            with pytest.raises(RuntimeError, match="freed"):
                future.result()


def test_a_dropped_pipeline_ends_its_threads() -> None:
    before = slot_threads()
    line = pipeline(lambda: 1, lambda: 1)
    assert line() == 1
    del line
    wait_until(lambda: slot_threads() == before)


def test_stress() -> None:
    """Many callers, few slots, random work and failures, with the interpreter switching threads all the time."""
    dice = random.Random(0)
    sleeps = [dice.random() / 2000 for _ in range(600)]

    def work(n: int) -> int:
        time.sleep(sleeps[n])
        if n % 13 == 5:
            raise KeyError(n)
        return -n

    line = pipeline(work, work, work)

    def ask(n: int) -> int:
        try:
            return line(n)
        except KeyError as error:
            return error.args[0]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(16) as callers:
            assert list(callers.map(ask, range(600))) == [n if n % 13 == 5 else -n for n in range(600)]
    finally:
        sys.setswitchinterval(interval)
    line.close()


def test_a_script_that_is_over_refuses_what_waits_when_the_running_frame_ends() -> None:
    over, started, release = threading.Event(), threading.Event(), threading.Event()
    done = []

    def work(n: int) -> int:
        started.set()
        assert release.wait(20)
        done.append(n)
        return n

    line = Pipeline([Slot(work, CPU)], over.is_set)
    with ThreadPoolExecutor(8) as callers:
        running = callers.submit(line, 0)
        assert started.wait(20)
        waiting = [callers.submit(line, n) for n in range(1, 8)]
        over.set()
        release.set()
        assert running.result(20) == 0
        for future in waiting:
            with pytest.raises(RuntimeError, match=r"^the clip was freed before this frame's turn$"):
                future.result(20)
    assert done == [0]
    line.close()


ENDINGS = """
import atexit, os, signal, threading, time
import torch
from vsfdat.pipeline import Pipeline, Slot

started, ending = threading.Event(), threading.Event()
threading.excepthook = lambda args: None
held = []

class Slow:
    frames = 0
    def __call__(self, seconds):
        started.set()
        time.sleep(seconds)
        self.frames += 1
    def __del__(self):
        ending.wait(5)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)  # which may not cut the waiting short
        time.sleep(0.1)
        os.write(1, f"{self.frames} made and freed, ".encode())

def drop():
    line = Pipeline([Slot(Slow(), torch.device("cpu"))])
    line(0)

def hold():
    held.append(Pipeline([Slot(Slow(), torch.device("cpu"))]))
    held[0](0)

def abandon():
    held.append(Pipeline([Slot(Slow(), torch.device("cpu"))]))
    for _ in range(5):
        threading.Thread(target=held[0], args=(0.3,), daemon=True).start()
    started.wait()

for way in (drop, hold, abandon):
    if not os.fork():
        break
    os.write(1, f"{way.__name__} ended with {os.waitstatus_to_exitcode(os.wait()[1])}\\n".encode())
way()
atexit.register(ending.set)
"""


@pytest.mark.slow
def test_the_interpreter_ends_after_the_threads() -> None:
    """A thread that frees torch's tensors while the interpreter ends is killed, and the process with it."""
    ended = subprocess.run([sys.executable, "-c", ENDINGS], capture_output=True, text=True, timeout=200)
    assert (ended.returncode, ended.stderr) == (0, "")
    freed = "1 made and freed, "
    assert ended.stdout == "".join(f"{freed}{way} ended with 0\n" for way in ("drop", "hold", "abandon")) + freed


@pytest.mark.slow
def test_closing_at_the_interpreters_end_joins_the_threads() -> None:
    # weakref.finalize goes out of service at exit, before whatever was registered earlier, as VapourSynth is.
    script = """
import atexit
held = []
atexit.register(lambda: held[0].close())
import torch
from vsfdat.pipeline import Pipeline, Slot
held.append(Pipeline([Slot(abs, torch.device("cpu"))]))
assert held[0](-1) == 1
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
