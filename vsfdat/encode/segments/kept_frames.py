"""Upscaled frames of a segment under way, kept until it is sealed."""

import contextlib
import os
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# Frame number, bytes that follow, and their checksum.
_RECORD = struct.Struct("<QQI")
_SECONDS_TO_FLUSH = 1.0


class KeptFrames:
    """A file that only grows: what a crash leaves of its last record is cut off when it is opened again.

    Args:
        path: Of the file, made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("a+b")
        self._places, whole = self._scan()
        self._file.truncate(whole)
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Let go of the file, which stays."""
        with contextlib.suppress(OSError):  # of a full disk, which `keep` has told
            self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def keep(self, number: int, packed: bytes) -> None:
        """Append a frame; about a second later at most it is on the disk.

        Args:
            number: Of the frame in the film.
            packed: What `read` is to give.

        Raises:
            OSError: There is no room; what was kept before is still good.
        """
        place = self._file.seek(0, os.SEEK_END)
        head = _RECORD.pack(number, len(packed), _check_sum(number, packed))
        self._file.write(head + packed)
        self._file.flush()
        self._places[number] = place
        if time.monotonic() - self._flushed > _SECONDS_TO_FLUSH:
            os.fsync(self._file.fileno())
            self._flushed = time.monotonic()

    def read(self, number: int) -> bytes:
        """Give a frame as it was kept.

        Raises:
            KeyError: It was not.
        """
        self._file.seek(self._places[number])
        _, size, _ = _RECORD.unpack(self._file.read(_RECORD.size))
        return self._file.read(size)

    def _scan(self) -> tuple[dict[int, int], int]:
        """Find the records that are whole, and where they end."""
        places: dict[int, int] = {}
        place = self._file.seek(0)
        for number, size, crc in _heads(self._file, self._path.stat().st_size):
            packed = self._file.read(size)
            if _check_sum(number, packed) != crc:
                break
            places[number] = place
            place += _RECORD.size + size
        return places, place


def count_kept(path: Path) -> int:
    """Count the frames in a file without reading them."""
    if not path.exists():
        return 0
    numbers: set[int] = set()
    with path.open("rb") as file:
        for number, size, _ in _heads(file, path.stat().st_size):
            numbers.add(number)
            file.seek(size, os.SEEK_CUR)
    return len(numbers)


def _heads(file: BinaryIO, length: int) -> Iterator[tuple[int, int, int]]:
    """Yield (number, size, checksum) of the records that a file has room for; after a power cut noughts may follow."""
    while len(head := file.read(_RECORD.size)) == _RECORD.size:
        number, size, crc = _RECORD.unpack(head)
        if not 0 < size <= length - file.tell():
            return
        yield number, size, crc


def _check_sum(number: int, packed: bytes) -> int:
    return zlib.crc32(packed, number & 0xFFFFFFFF)
