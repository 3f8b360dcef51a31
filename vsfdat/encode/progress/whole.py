"""How far all films of a batch are, and when they will be done."""

import time
from collections.abc import Callable, Sequence


class Whole:
    """Reckons by how much work each film is, in any unit.

    Args:
        weights: The work of each film, all positive.
        clock: Gives seconds.
    """

    def __init__(self, weights: Sequence[float], clock: Callable[[], float] = time.monotonic) -> None:
        self._weights, self._clock = weights, clock
        self._total = sum(weights)
        self._film = 0
        self._share_of_film = 0.0
        self._given = 0.0  # what earlier runs did
        self._began = clock()

    @property
    def films(self) -> int:
        """How many there are."""
        return len(self._weights)

    @property
    def film(self) -> int:
        """Which one is at work, from 1."""
        return self._film + 1

    @property
    def share(self) -> float:
        """How much of all work is done, from 0 to 1."""
        done = sum(self._weights[: self._film])
        done += self._weights[self._film] * self._share_of_film if self._film < self.films else 0
        return done / self._total

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the pace until now; None before there is one."""
        made = self.share - self._given / self._total
        return (self._clock() - self._began) / made * (1 - self.share) if made > 0 else None

    def begin(self, film: int) -> None:
        """Begin a film, counted from 0."""
        self._film, self._share_of_film = film, 0.0

    def give(self, share: float) -> None:
        """Tell that an earlier run did a share of the film, from 0 to 1."""
        self._given += self._weights[self._film] * (share - self._share_of_film)
        self._share_of_film = share

    def advance(self, share: float) -> None:
        """Tell how much of the film is done, from 0 to 1."""
        self._share_of_film = share

    def skip(self, film: int) -> None:
        """Pass over a film that needs no work, or that cannot be worked on."""
        if film != self._film:
            self.begin(film)
        self.give(1)
