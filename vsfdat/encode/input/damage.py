"""Counting the damaged pictures of a film, beside the work: decoders mend them, and say nothing."""

import contextlib
import logging
import math
import threading
from time import monotonic
from types import TracebackType
from typing import Self

from vsfdat.errors import EncodeError

from .source import Source

_log = logging.getLogger(__name__)

# Seconds that finished work waits for the count.
_PATIENCE = 30


class DamageCount:
    """Decodes a source a second time, in one thread of its own, and counts what its decoder calls damaged.

    Args:
        source: Its cut is respected.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._damaged: list[int] = []
        self._seen = source.film.pts[0]
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._count, name="vsfdat-damage", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopping.set()
        self._thread.join()

    def tell(self, frames: int) -> None:
        """Warn of the damage in the first so many frames of the source, if there is any."""
        film, last = self._source.film, self._source.in_film(self._source.pts[max(frames - 1, 0)])
        deadline = monotonic() + _PATIENCE
        while self._thread.is_alive() and self._seen <= last and monotonic() < deadline:
            self._thread.join(0.02)
        least = "at least " * (self._thread.is_alive() and self._seen <= last)
        found = [pts for pts in self._damaged if pts <= last]
        if found:
            _log.warning(
                "%s: %s%s damaged, the first at %.2f s; what could not be mended looks broken, or is missing.",
                film.path, least, "1 frame is" if len(found) == 1 else f"{len(found)} frames are",
                (found[0] - film.origin) * film.time_base,
            )  # fmt: skip

    def _count(self) -> None:
        first, last = map(self._source.in_film, (self._source.pts[0], self._source.pts[-1]))
        # What cannot be read at all is told by those who need it.
        with contextlib.suppress(EncodeError, OSError):
            for pts, picture in self._source.film.decode(math.floor(first)):
                self._seen = pts
                if (picture is None or picture.is_corrupt) and pts >= first:
                    self._damaged.append(pts)
                if self._is_stopping.is_set() or pts > last:
                    break
