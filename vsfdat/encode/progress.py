"""How far a film is: a bar where stderr is a terminal, else a line now and then for whoever reads the log."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TextIO, cast

from vsfdat import console
from vsfdat.errors import printable

from .extras import require

# Between two lines of a log: at most this long, or less where so much more is done, but never less than that.
_SECONDS, _SHARE, _LEAST_SECONDS = 60, 0.05, 10

# Of a terminal's columns: narrower ones have room for the numbers alone.
_WIDE_ENOUGH = 60


@contextlib.contextmanager
def show_progress(frames: int, title: str, stop: threading.Event | None = None) -> Iterator[Callable[[], None]]:
    """Show progress on stderr while the block runs; call what it gives after each frame.

    Args:
        frames: How many there will be.
        title: What is made.
        stop: Set when the user wants it to end early, which is shown.
    """
    require("rich")
    stderr = console.Unfailing(sys.stderr)
    if stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        with _bar(frames, printable(title), stop or threading.Event(), stderr) as advance:
            yield advance
    else:
        yield _Log(frames, title)


class _Log:
    """Say a line now and then.

    Args:
        frames: How many there will be.
        title: What is made.
        clock: Gives seconds.
    """

    def __init__(self, frames: int, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._frames, self._title, self._clock = frames, title, clock
        self._done, self._said = 0, 0
        self._began = self._said_at = clock()

    def __call__(self) -> None:
        """Count one more frame."""
        self._done += 1
        now = self._clock()
        silent, is_more = now - self._said_at, self._done - self._said >= _SHARE * self._frames
        if self._done < self._frames and (silent >= _SECONDS or (is_more and silent >= _LEAST_SECONDS)):
            self._said, self._said_at = self._done, now
            self._say(self._done / (now - self._began))

    def _say(self, speed: float) -> None:
        left = timedelta(seconds=round((self._frames - self._done) / speed))
        share = 100 * self._done / self._frames
        console.say(
            f"{self._title}: {self._done} of {self._frames} frames ({share:.1f} %), {speed:.2f} fps, {left} left"
        )


@contextlib.contextmanager
def _bar(frames: int, title: str, stop: threading.Event, stderr: console.Unfailing) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    terminal = Console(file=cast("TextIO", stderr), force_terminal=True)

    class Title(ProgressColumn):
        def render(self, task: Task) -> Text:  # noqa: ARG002 (the signature of columns)
            words = "stopping after the frames under way" if stop.is_set() else title
            return Text(_shorten(words, terminal.width // 3))

    class Numbers(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = f"{task.speed:.2f}" if task.speed else "-"
            return Text(f"{int(task.completed)}/{frames} {speed} fps")

    columns: list[ProgressColumn] = [Numbers(Column(no_wrap=True)), TextColumn("ETA"), TimeRemainingColumn()]
    if terminal.width >= _WIDE_ENOUGH:
        columns = [Title(Column(no_wrap=True)), BarColumn(bar_width=None), *columns]
    with Progress(*columns, console=terminal, redirect_stdout=False) as progress:
        task = progress.add_task("", total=frames)
        yield lambda: progress.advance(task)


def _shorten(title: str, columns: int) -> str:
    """Leave out the middle of a name that is too long: its end tells one episode from the next."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(title) <= columns:
        return title
    tail = (columns - 1) // 2
    return f"{set_cell_size(title, columns - 1 - tail)}…{set_cell_size(title[::-1], tail)[::-1]}"
