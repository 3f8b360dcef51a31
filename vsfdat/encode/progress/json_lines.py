"""Progress for other programs: one JSON object a line on stdout."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from vsfdat import console

from .film import Film
from .whole import Whole

# Between two lines of one film.
_SECONDS = 0.5


class JsonLines:
    """Writes what happens.

    Every object has `event`: "begun", "progress", "finished", "stopped", "skipped", "failed" or "end". Times are in
    seconds, shares from 0 to 1, and `film` of `films` counts from 1.

    Args:
        whole: All films.
        clock: Gives seconds.
    """

    def __init__(self, whole: Whole, clock: Callable[[], float] = time.monotonic) -> None:
        self._whole, self._clock = whole, clock

    def say(self, event: str, **facts: Any) -> None:
        """Write an object; what is None is left out."""
        whole = self._whole
        found = {"event": event, "film": whole.film, "films": whole.films, **facts}
        console.show(json.dumps({key: value for key, value in found.items() if value is not None}))

    @contextlib.contextmanager
    def film(
        self,
        frames: int,
        title: str,
        stop: threading.Event | None = None,
        done: int = 0,
    ) -> Iterator[Callable[[int], None]]:
        """Write how far a film is, as `show_progress` shows it."""
        film = Film(frames, title, stop or threading.Event(), done, self._whole)
        began = said = self._clock()
        self.say("begun", output=title, frames=frames, done=done)

        def show() -> None:
            nonlocal said
            now = self._clock()
            if now - said >= _SECONDS or film.done == frames:
                said = now
                self._say_how_far(title, frames, film.done, (film.done - done) / max(now - began, 1e-9))

        yield film.count(show)

    def _say_how_far(self, title: str, frames: int, done: int, fps: float) -> None:
        left = self._whole.seconds_left
        self.say(
            "progress",
            output=title,
            done=done,
            frames=frames,
            fps=round(fps, 3),
            seconds_left=round((frames - done) / fps, 1),
            share_of_all=round(self._whole.share, 4),
            seconds_left_of_all=None if left is None else round(left, 1),
        )
