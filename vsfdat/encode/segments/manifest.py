"""What is written down of a job, so that it can go on after anything: what it is, and which segments are whole."""

import contextlib
import json
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import filelock

from vsfdat.errors import EncodeError

from . import durable
from .kept_frames import count_kept
from .plan import Segment

# Of the manifest's own format: another one is another program's.
_FORMAT = 1
_NAME = "manifest.json"
_JOINED, _LOCK = "joined", "lock"

# What a job is: each fact's name, in words, and its value.
type Identity = Mapping[str, str | int | float | None]


@dataclass(frozen=True)
class Sealed:
    """A segment that is whole on the disk: its file's size and checksum, and what joining it needs to know.

    `delay` is how many frames early its packets are decoded at most.
    """

    bytes: int
    crc: int
    delay: int


@dataclass(frozen=True)
class Part:
    """The first `frames` of a segment, encoded but not sealed; `delay` as in `Sealed`."""

    frames: int
    delay: int


@dataclass
class Manifest:
    """One job's folder: which film with which settings, and what is done of it.

    Args:
        folder: Where the segments and the manifest lie.
        output: What the film will be called.
        identity: What must be the same for the job to go on.
        sealed: By the segments' numbers.
        partial: Size and time of the last change of what this job has put under the output's name.
        is_over: The film is finished, and the folder has no more use.
        has_whole: What this job has put there is the whole film.
        parts: Segments that an interrupt left unfinished, and that this run may still join to the others.
    """

    folder: Path
    output: Path
    identity: Identity
    sealed: dict[int, Sealed] = field(default_factory=dict)
    partial: tuple[int, int] | None = None
    is_over: bool = False
    has_whole: bool = False
    parts: dict[int, Part] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, identity: Identity, output: Path, *, restart: bool = False) -> Iterator[Self]:
        """Begin a job, or go on with the one that is in the folder; nobody else can meanwhile.

        Afterwards the folder is left only where it holds work that another run can go on from.

        Args:
            folder: Made where it is missing.
            identity: What this job is.
            output: Named where another job's remains are in the way.
            restart: Throw away what is there.

        Raises:
            EncodeError: The folder holds another job, which is not thrown away unasked, or one that is under way.
        """
        folder.mkdir(exist_ok=True)
        lock = filelock.FileLock(folder / _LOCK)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            raise EncodeError(f"{output}: another vsfdat is at work on it") from error
        manifest = None
        try:
            manifest = cls._read_or_begin(folder, identity, output, restart=restart)
            yield manifest
        finally:
            is_empty = manifest is not None and not manifest.is_worth_keeping()
            if is_empty:
                _clear(folder)
            lock.release()
            if is_empty:
                with contextlib.suppress(OSError):  # somebody else may have begun by now
                    (folder / _LOCK).unlink(missing_ok=True)
                    folder.rmdir()

    @classmethod
    def _read_or_begin(cls, folder: Path, identity: Identity, output: Path, *, restart: bool) -> Self:
        known = _read(folder / _NAME)
        partial = _read_mark(known)
        if known is None or restart:
            _clear(folder)
            manifest = cls(folder, output, identity, partial=partial)
            manifest._write()
            return manifest
        if known.get("format") != _FORMAT:
            raise EncodeError(f"{output}: {folder} is of another version of vsfdat; pass --restart to begin anew")
        if different := find_differences(known["identity"], identity):
            words = ", ".join(f"{name} {then} then, {now} now" for name, then, now in different)
            raise EncodeError(
                f"{output}: was begun otherwise ({words}); do as then to go on with it, or pass --restart to begin anew"
            )
        sealed = {int(number): Sealed(**facts) for number, facts in known["sealed"].items()}
        for unfinished in (*folder.glob("*.part"), *folder.glob(f"{_JOINED}.*")):
            unfinished.unlink()
        return cls(folder, output, identity, sealed, partial, has_whole=known.get("whole", False))

    def is_worth_keeping(self) -> bool:
        """Tell whether there is anything in the folder that took work to make, and is not somewhere else by now."""
        if self.is_over:
            return any(self.folder.glob(f"{_JOINED}.*"))
        return bool(self.sealed) or any(path.stat().st_size for path in self.folder.glob("*.frames"))

    def path(self, segment: Segment) -> Path:
        """Say where a segment's file is, or will be."""
        return self.folder / f"{segment.number:06}.nut"

    def part(self, segment: Segment) -> Path:
        """Say where a segment is to be written to before it is sealed."""
        return self.path(segment).with_suffix(".part")

    def joined(self, suffix: str) -> Path:
        """Say where the film is to be written to before it is whole."""
        return self.folder / f"{_JOINED}{suffix}"

    def frames(self, segment: Segment) -> Path:
        """Say where the frames of a segment are kept until it is sealed."""
        return self.path(segment).with_suffix(".frames")

    def seal(self, segment: Segment, delay: int) -> None:
        """Have a segment that is written reach the disk for good, and count it as done.

        Args:
            segment: Its file is at `part`.
            delay: As in `Sealed`.
        """
        part = self.part(segment)
        sealed = _check_sum(part, delay)
        durable.replace(part, self.path(segment))
        with self._lock:
            self.sealed[segment.number] = sealed
            self._write()
        self.frames(segment).unlink(missing_ok=True)

    def find_missing(self, segments: Sequence[Segment]) -> list[Segment]:
        """List the segments to be made; sealed ones are read, and those that are damaged are forgotten."""
        missing = [segment for segment in segments if not self._is_whole(segment)]
        for segment in missing:
            self.sealed.pop(segment.number, None)
        return missing

    def owns(self, output: Path) -> bool:
        """Tell whether what has the output's name is of this job, so that nothing of worth is replaced."""
        return _is_marked(output, self.partial)

    def has_landed(self, output: Path) -> bool:
        """Tell whether the whole film is there already, as where a run was killed while it cleared up."""
        return self.has_whole and self.owns(output)

    def is_whole(self, segments: Sequence[Segment]) -> bool:
        """Tell whether all segments are sealed."""
        return all(segment.number in self.sealed for segment in segments)

    def count_frames(self, segments: Sequence[Segment]) -> int:
        """Count the frames of which nothing has to be made again, but perhaps encoded."""
        return sum(self._count_frames(segment) for segment in segments)

    def playable(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, Path]]:
        """Yield the segments with their files, up to the first one that is missing or a part."""
        for segment in segments:
            if segment.number not in self.sealed:
                if segment.number in self.parts:
                    yield segment, self.part(segment)
                return
            yield segment, self.path(segment)

    @property
    def delay(self) -> int:
        """How many frames early packets are decoded at most, in any segment that there is."""
        sealed = [facts.delay for facts in self.sealed.values()]
        return max((*sealed, *(part.delay for part in self.parts.values())), default=0)

    def _is_whole(self, segment: Segment) -> bool:
        known, path = self.sealed.get(segment.number), self.path(segment)
        if known is None or not path.is_file() or path.stat().st_size != known.bytes:
            return False
        return _check_sum(path, known.delay) == known

    def _count_frames(self, segment: Segment) -> int:
        if segment.number in self.sealed:
            return segment.frames
        if segment.number in self.parts:
            return self.parts[segment.number].frames
        return count_kept(self.frames(segment))

    def remember(self, film: Path) -> None:
        """Note a file that is about to get the output's name: it is this job's, which another run may replace."""
        self.partial, self.has_whole = _mark_of(film), self.is_over
        self._write()

    def _write(self) -> None:
        sealed = {number: asdict(facts) for number, facts in sorted(self.sealed.items())}
        content = {
            "format": _FORMAT, "identity": self.identity, "sealed": sealed, "partial": self.partial,
            "whole": self.has_whole,
        }  # fmt: skip
        durable.write(self.folder / _NAME, json.dumps(content, indent=1))


def is_job(folder: Path, identity: Identity) -> bool:
    """Tell whether a folder is a job's, and not that of another one under the same name."""
    known = _read(folder / _NAME)
    return known is not None and not find_differences(known.get("identity", {}), identity)


def is_partial(folder: Path, output: Path) -> bool:
    """Tell whether an output is what an interrupt left of the job in a folder, so that nothing of worth is replaced."""
    return _is_marked(output, _read_mark(_read(folder / _NAME)))


def find_differences(known: Identity, now: Identity) -> list[tuple[str, Any, Any]]:
    """List what differs, as (name, known, now)."""
    names = dict.fromkeys([*now, *known])
    return [(name, known.get(name), now.get(name)) for name in names if known.get(name) != now.get(name)]


def _read_mark(known: dict[str, Any] | None) -> tuple[int, int] | None:
    partial = known.get("partial") if known else None
    return (partial[0], partial[1]) if partial else None


def _clear(folder: Path) -> None:
    """Remove all but the lock, which is held."""
    # What is written down goes last: who is killed meanwhile is known by it.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == _NAME):
        if path.name != _LOCK:
            path.unlink(missing_ok=True)


def _is_marked(path: Path, mark: tuple[int, int] | None) -> bool:
    return mark is not None and path.is_file() and _mark_of(path) == mark


def _mark_of(path: Path) -> tuple[int, int]:
    return path.stat().st_size, path.stat().st_mtime_ns


def _read(path: Path) -> dict[str, Any] | None:
    """Read a manifest; None where there is none yet, or none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _check_sum(path: Path, delay: int) -> Sealed:
    size, crc = 0, 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            size, crc = size + len(block), zlib.crc32(block, crc)
    return Sealed(size, crc, delay)
