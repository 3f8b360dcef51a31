"""What the command says on a terminal or into a log, with what status it ends, and sentences that several parts say.

Work of a night must not be lost to a line that nobody can read: what is said here never fails.
"""

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TextIO, cast

from .errors import printable

FAILED = 1
INTERRUPTED = 130  # what shells give a process that Ctrl-C ended

_SHOW_CURSOR = b"\r\n\x1b[?25h"


class _Wrapped:
    """A text stream, with one way to deal with its failures.

    Args:
        stream: None where the process was started without it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with self._guard():
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with self._guard():
            if self._stream is not None:
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _guard(self) -> AbstractContextManager[None]:
        raise NotImplementedError


class Unfailing(_Wrapped):
    """A text stream whose reader may go, whose disk may be full, or which may never have been open."""

    def isatty(self) -> bool:
        """Tell whether somebody looks at it who can see a bar move."""
        with self._guard():
            return self._stream is not None and self._stream.isatty()
        return False

    def _guard(self) -> AbstractContextManager[None]:
        # Closed files raise ValueError, and so does text that has no place in the stream's encoding.
        return contextlib.suppress(OSError, ValueError)


class Telling(_Wrapped):
    """Stdout: whoever writes there, the process ends with a line where that fails."""

    def _guard(self) -> AbstractContextManager[None]:
        return _end_where_stdout_fails()


class Lines(logging.Handler):
    """Say what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record."""
        say(self.format(record))


def say(line: str) -> None:
    """Write a line to stderr if that is possible; whatever else happens goes on."""
    stream = Unfailing(sys.stderr)
    stream.write(_printable_lines(line) + "\n")
    stream.flush()


def show(line: str) -> None:
    """Write a line that was asked for to stdout; where that fails, the process ends with a line that says so."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    stdout = Telling(sys.stdout)
    stdout.write(_printable_lines(line).encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stdout.flush()


def say_at_the_end(line: str) -> None:
    """Say a last line from a signal handler, which may have interrupted another line of the same stream."""
    with contextlib.suppress(OSError):
        os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + line.encode() + b"\n")


def missing(*packages: str, install: str = '"vsfdat[cli]"') -> str:
    """Word what a user does about packages that are not installed.

    Args:
        packages: Their names.
        install: What pip is asked for.
    """
    are, they_come = ("is", "it comes") if len(packages) == 1 else ("are", "they come")
    return f"{' and '.join(packages)} {are} not installed, {they_come} with: pip install {install}"


def require(package: str, error: type[Exception], install: str = '"vsfdat[cli]"') -> Any:
    """Import an optional package.

    Args:
        package: Its name.
        error: What to raise where it is not installed.
        install: What pip is asked for then.
    """
    try:
        return importlib.import_module(package)
    except ImportError as cause:
        raise error(missing(package, install=install)) from cause


def prepare() -> None:
    """Make ready a process that is the command, before it opens its first file.

    Everybody's stderr becomes unfailing: the interpreter itself flushes it at its end, and would end with status 120.
    Everybody's stdout tells: help is written by others.
    """
    _open_standard_streams()
    stderr = sys.stderr if sys.stderr is not None else Path(os.devnull).open("w")  # noqa: SIM115 (for good)
    sys.stderr = cast("TextIO", Unfailing(stderr))
    if sys.stdout is not None:
        sys.stdout = cast("TextIO", Telling(sys.stdout))


def finish() -> None:
    """Write to stdout what others have left to be written, while an error can still be told."""
    Telling(sys.stdout).flush()


@contextlib.contextmanager
def _end_where_stdout_fails() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        sys.stdout = None  # or the interpreter tries again at its end
        if not isinstance(error, BrokenPipeError):  # a reader that goes has read enough
            say(f"vsfdat: stdout cannot be written ({error.strerror})")
        sys.exit(FAILED)


def _open_standard_streams() -> None:
    """Give the numbers 0 to 2 to nothing where they are free: a film that got number 2 would hold FFmpeg's messages."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def _printable_lines(text: str) -> str:
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
