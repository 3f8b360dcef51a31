"""Decoding a film's pictures with FFmpeg itself, in order, past whatever is damaged."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsfdat.errors import EncodeError

from ..container import open_container
from ..extras import require


@dataclass(frozen=True)
class Film:
    """The pictures of a file.

    `pts` are their times, rising, and `origin` is the moment that the file begins, in units of `time_base`;
    `has_stamps` tells whether FFmpeg gives the same times, or none, and pictures must be counted.
    """

    path: Path
    stream_index: int
    pts: Sequence[int]
    time_base: Fraction
    origin: int
    has_stamps: bool

    def decode(self, start: int) -> Iterator[tuple[int, Any | None]]:
        """Yield (pts, picture) from `start` on or earlier, and (pts before, None) for what cannot be decoded."""
        with self.open_at(start) as (container, stream):
            pts, count = self.pts[0], 0
            for picture in decode_past_damage(container, stream):
                if picture is not None and not self.has_stamps:
                    pts, count = self.pts[min(count, len(self.pts) - 1)], count + 1
                elif picture is not None and picture.pts is not None:
                    pts = picture.pts
                yield pts, picture

    @contextlib.contextmanager
    def open_at(self, pts: int) -> Iterator[tuple[Any, Any]]:
        """Open the file where its stream can be decoded from for the picture at `pts` to be whole; give both."""
        # A second earlier, because pictures that are shown before a key frame may be stored behind it.
        pts -= round(1 / self.time_base)
        with contextlib.ExitStack() as stack:
            container = stack.enter_context(open_container(self.path))
            if self.has_stamps and pts > self.pts[0]:
                try:
                    container.seek(pts, stream=container.streams[self.stream_index])
                except require("av").FFmpegError:  # which leaves it who knows where
                    container = stack.enter_context(open_container(self.path))
            yield container, container.streams[self.stream_index]


def decode_past_damage(container: Any, stream: Any, threads: int = 1) -> Iterator[Any | None]:
    """Yield a stream's pictures as far as they can be decoded, and None for each packet that cannot be.

    Args:
        container: Open for reading.
        stream: One of its own.
        threads: 0 for one a core. With several, FFmpeg loses more pictures to a packet that it cannot decode, and mends
            differently each time.
    """
    av = require("av")
    stream.codec_context.thread_count, stream.thread_type = threads, "AUTO"
    with contextlib.suppress(av.InvalidDataError):  # of the container itself, beyond which there is no way
        for packet in container.demux(stream):
            try:
                pictures = packet.decode()
            except av.FFmpegError:
                yield None
            else:
                yield from pictures


class Reader:
    """Pictures of a film by their number, quickly if they are asked for in order."""

    def __init__(self, film: Film) -> None:
        self._film = film
        self._lock = threading.Lock()
        self._pictures: Iterator[tuple[int, Any]] = iter(())
        self._shown: tuple[int, Any] | None = None
        self._next: tuple[int, Any] | None = None

    def read(self, n: int) -> Any:
        """Decode what is shown when picture `n` should be: it, or where it is lost the one before.

        Raises:
            EncodeError: Nothing can be decoded there.
        """
        pts = self._film.pts[n]
        with self._lock:
            if self._shown is None or pts < self._shown[0]:
                self._pictures = (found for found in self._film.decode(pts) if found[1] is not None)
                self._shown, self._next = None, next(self._pictures, None)
            while self._next is not None and self._next[0] <= pts:
                self._shown, self._next = self._next, next(self._pictures, None)
            found = self._shown or self._next
        if found is None:
            raise EncodeError(f"{self._film.path}: nothing of its video can be decoded around frame {n}")
        return found[1]
