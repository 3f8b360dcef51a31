"""Frames from a clip into a file: asked for ahead and encoded in a thread of its own, so that neither waits in turn."""

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from time import monotonic
from typing import Any, Protocol

import vapoursynth as vs

from ..pace import Busy, Pace

# Of work under way, which an interrupt waits for.
_SECONDS_AHEAD = 2

# Pictures that wait for the encoder: enough that it never waits for a copy, few enough for short memory at any size.
PICTURES_AHEAD = 3


class Clip(Protocol):
    """What frames are asked of, by their place."""

    num_frames: int

    def get_frame_async(self, place: int, /) -> Future[Any]:
        """Ask for a frame."""


class Writer(Protocol):
    """What frames go to: copied by `prepare` here, written in the encoder's thread."""

    frames: int

    def prepare(self, frame: Any) -> Any:
        """Copy the next frame, so that VapourSynth has its memory back."""

    def write(self, picture: Any) -> None:
        """Encode what `prepare` gave."""

    def finish(self, *, is_whole: bool) -> None:
        """End, with every frame or with fewer."""


def write_all(
    clip: Clip,
    writer: Writer,
    least: int,
    advance: Callable[[int], None],
    stop: threading.Event,
    upscaling: Busy,
    computing: Busy,
) -> Pace:
    """Write a clip until its end or until Ctrl-C, which still writes the frames under way.

    Args:
        clip: Its frames are asked for ahead.
        writer: Takes them.
        least: Frames that must be under way for no device to wait.
        advance: Told of each frame that is written.
        stop: Set when the user wants it to end.
        upscaling: Measures how long the clip works.
        computing: Measured how long it had decoded frames to work on.
    """
    encoding = Busy()
    with contextlib.closing(ask(clip, least, stop, upscaling)) as frames:

        def write(picture: Any) -> None:
            with encoding:
                writer.write(picture)
            advance(1)

        with in_a_thread(write, PICTURES_AHEAD) as hand_over:
            for frame in frames:
                hand_over(writer.prepare(frame))
    ended = monotonic()
    with encoding:
        writer.finish(is_whole=writer.frames == clip.num_frames)
    return Pace.of(writer.frames, upscaling, computing, encoding, after=monotonic() - ended)


def ask(clip: Clip, least: int, stop: threading.Event, busy: Busy) -> Generator[Any]:
    """Yield a clip's frames in order until asked to stop, the last of them those that were under way by then.

    Those under way are waited for even after an error: a core that ends under them crashes. Where frames are slow they
    are the `least`, and where they are quick as many as two seconds bring, up to VapourSynth's threads: a user who
    stops waits no longer, and all threads have work.
    """
    numbers = iter(range(clip.num_frames))
    waiting: deque[Future[Any]] = deque()

    def ask_for(count: int) -> None:
        for n in itertools.islice(numbers, count):
            busy.begin()
            waiting.append(clip.get_frame_async(n))
            waiting[-1].add_done_callback(busy.end)

    ask_for(0 if stop.is_set() else least)
    began, done = monotonic(), 0
    try:
        while waiting:
            with waiting.popleft().result() as frame:
                done += 1
                quick = int(_SECONDS_AHEAD * done / max(monotonic() - began, 1e-9))
                room = 0 if stop.is_set() else max(least, min(quick, vs.core.num_threads)) - len(waiting)
                ask_for(max(room, 0))
                yield frame
    finally:
        wait(waiting)


@contextlib.contextmanager
def in_a_thread[**P](work: Callable[P, None], ahead: int) -> Iterator[Callable[P, None]]:
    """Give a call that has a thread do `work`, one after the other, and waits while more than `ahead` are before it.

    What `work` raises is raised by one of the next calls, or where the block ends.
    """
    thread = ThreadPoolExecutor(1, "vsfdat-writer")
    waiting: deque[Future[None]] = deque()

    def hand_over(*args: P.args, **kwargs: P.kwargs) -> None:
        while waiting and (len(waiting) > ahead or waiting[0].done()):
            waiting.popleft().result()
        waiting.append(thread.submit(work, *args, **kwargs))

    try:
        yield hand_over
        while waiting:
            waiting.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)
