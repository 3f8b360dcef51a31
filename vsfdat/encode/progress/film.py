"""How far one film is, whoever shows it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from .whole import Whole


@dataclass
class Film:
    """A film of which `done` of `frames` are done; `stop` is set when the user wants it to end early."""

    frames: int
    title: str
    stop: threading.Event
    done: int = 0
    whole: Whole | None = None

    def __post_init__(self) -> None:
        if self.whole is not None:
            self.whole.give(self.done / self.frames)

    def count(self, show: Callable[[], None]) -> Callable[[int], None]:
        """Give a call that counts frames and has them shown."""

        def advance(count: int = 1) -> None:
            self.done += count
            if self.whole is not None:
                self.whole.advance(self.done / self.frames)
            show()

        return advance
