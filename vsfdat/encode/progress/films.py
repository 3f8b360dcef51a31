"""How far a film is: a bar where stderr is a terminal, else a line now and then for whoever reads the log."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from vsfdat import console
from vsfdat.errors import printable

from ..extras import require
from .film import Film
from .whole import Whole

# Between two lines of a log: at most this long, or less where so much more is done, but never less than that.
_SECONDS, _SHARE, _LEAST_SECONDS = 60, 0.05, 10

# Of a terminal's columns: narrower ones have room for the numbers alone.
_WIDE_ENOUGH = 60


class Show(Protocol):
    """Shows how far a film is, as `show_progress` does."""

    def __call__(
        self, frames: int, title: str, stop: threading.Event | None = None, done: int = 0
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a film."""


@contextlib.contextmanager
def show_progress(
    frames: int, title: str, stop: threading.Event | None = None, done: int = 0, whole: Whole | None = None
) -> Iterator[Callable[[int], None]]:
    """Show progress on stderr while the block runs; call what it gives with the frames that came.

    Args:
        frames: How many there will be.
        title: The path of what is made, whose name is shown.
        stop: Set when the user wants it to end early, which is shown.
        done: How many an earlier run made.
        whole: All films, where this is one of several.
    """
    require("rich")
    stderr = console.Unfailing(sys.stderr)
    film = Film(frames, printable(Path(title).name), stop or threading.Event(), done, whole)
    if stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        with _bar(film, stderr) as show:
            yield film.count(show)
    else:
        yield film.count(_Log(film))


class _Log:
    """Say a line now and then.

    Args:
        film: What is made.
        clock: Gives seconds.
    """

    def __init__(self, film: Film, clock: Callable[[], float] = time.monotonic) -> None:
        self._film, self._clock = film, clock
        self._said = self._before = film.done
        self._began = self._said_at = clock()

    def __call__(self) -> None:
        """Look whether it is time to."""
        film, now = self._film, self._clock()
        silent, is_more = now - self._said_at, film.done - self._said >= _SHARE * film.frames
        if film.done < film.frames and (silent >= _SECONDS or (is_more and silent >= _LEAST_SECONDS)):
            self._said, self._said_at = film.done, now
            self._say((film.done - self._before) / (now - self._began))

    def _say(self, speed: float) -> None:
        film = self._film
        left = timedelta(seconds=round((film.frames - film.done) / speed))
        console.say(
            f"{film.title}: {film.done} of {film.frames} frames ({100 * film.done / film.frames:.1f} %), "
            f"{speed:.2f} fps, {left} left{_of_all(film.whole)}"
        )


def _of_all(whole: Whole | None) -> str:
    if whole is None or whole.films == 1:
        return ""
    left = whole.seconds_left
    time_left = f", {timedelta(seconds=round(left))} left" if left is not None else ""
    return f"; film {whole.film} of {whole.films}, all: {100 * whole.share:.1f} %{time_left}"


@contextlib.contextmanager
def _bar(film: Film, stderr: console.Unfailing) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import Progress

    terminal = Console(file=cast("TextIO", stderr), force_terminal=True)
    whole = film.whole if film.whole and film.whole.films > 1 else None
    with Progress(*_columns(film, terminal.width), console=terminal, redirect_stdout=False) as progress:
        one = progress.add_task("", total=film.frames, completed=film.done)
        every = progress.add_task(f"film {whole.film} of {whole.films}, all:", total=1.0) if whole else None

        def show() -> None:
            progress.update(one, completed=film.done)
            if every is not None and whole is not None:
                progress.update(every, completed=whole.share)

        show()
        yield show


def _columns(film: Film, width: int) -> list[Any]:
    """Make the columns of a terminal so wide; the line of all films has a description, and the film's has none."""
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class Title(ProgressColumn):
        def render(self, task: Task) -> Text:
            title = "stopping after the frames under way" if film.stop.is_set() else film.title
            return Text(_shorten(task.description or title, width * 2 // 5))

    class Numbers(ProgressColumn):
        def render(self, task: Task) -> Text:
            if task.description:
                return Text(f"{task.percentage:.1f} %")
            return Text(f"{int(task.completed)}/{film.frames} {f'{task.speed:.2f}' if task.speed else '-'} fps")

    columns: list[ProgressColumn] = [Numbers(Column(no_wrap=True)), TextColumn("ETA"), TimeRemainingColumn()]
    return [Title(Column(no_wrap=True)), BarColumn(bar_width=None), *columns] if width >= _WIDE_ENOUGH else columns


def _shorten(title: str, columns: int) -> str:
    """Leave out the middle of a name that is too long: its end tells one episode from the next."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(title) <= columns:
        return title
    tail = (columns - 1) // 2
    return f"{set_cell_size(title, columns - 1 - tail)}…{set_cell_size(title[::-1], tail)[::-1]}"
