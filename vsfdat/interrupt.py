"""Ctrl-C, SIGTERM and SIGHUP: wishes that are granted where they cost nothing, and never in the middle of a write.

The first one counts. The next ones change nothing, because whoever wraps a command may pass on what the terminal has
sent already; from the fourth on the user means it.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import console

NOTHING_WRITTEN = "vsfdat: stopped, nothing was written"

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the third is not on Windows, the last is only there
_PATIENCE = 4
_SECONDS_TO_COME_BACK = 1


class _Interrupted(KeyboardInterrupt):
    """A KeyboardInterrupt that Python does not end the process for, though somebody has caught it.

    It keeps in mind that the plain one ended a piece of code that `exec` ran, as dataclasses do.
    """


class _Wish:
    """A signal handler.

    Args:
        grant: Called at the first signal.
        unfinished: A file to remove where the process is ended at once.
    """

    def __init__(self, grant: Callable[[], None], unfinished: Path | None = None) -> None:
        self._grant = grant
        self._unfinished = unfinished
        self._heard = 0

    def __call__(self, *_: object) -> None:
        self._heard += 1
        if self._heard == 1:
            self._grant()
        elif self._heard >= _PATIENCE:
            end_at_once(self._unfinished)


@contextlib.contextmanager
def end_on_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first signal, for a block that is all that the process does.

    Afterwards signals are ignored: while the interpreter ends, each would be a crash or another status.
    """
    handled = _handle(dict.fromkeys(_signals(), _Wish(_interrupt)))
    try:
        yield
    finally:
        _handle(dict.fromkeys(handled, signal.SIG_IGN))


@contextlib.contextmanager
def stop_on_interrupt(unfinished: Path | None = None) -> Iterator[threading.Event]:
    """Set an event at the first signal, and let the block end in its own time, with its files whole.

    Outside the main thread, where Python allows no signal handlers, the event stays unset.

    Args:
        unfinished: A file of the block's, removed where the user insists and the process is ended at once.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = _handle(dict.fromkeys(_signals(), _Wish(stop.set, unfinished)))
    try:
        yield stop
        if isinstance(before[signal.SIGINT], _Wish):  # the command, which has nothing left that could be stopped
            before = dict.fromkeys(before, signal.SIG_IGN)
    finally:
        _handle(before)


@contextlib.contextmanager
def end_in_long_calls() -> Iterator[None]:
    """Let a signal end the command though one call into a library takes minutes, for a block that has nothing to lose.

    Python's own handlers wait until the main thread is back from there.
    """
    if not isinstance(signal.getsignal(signal.SIGINT), _Wish):
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    back = threading.Event()
    watch = threading.Thread(target=_end_unless, args=(back, reader), daemon=True)
    watch.start()
    before = signal.set_wakeup_fd(writer)
    try:
        yield
    finally:
        back.set()
        signal.set_wakeup_fd(before)
        os.close(writer)
        watch.join()
        os.close(reader)


def end_at_once(unfinished: Path | None = None) -> None:
    """End the process, and with it whatever runs in it, without a crash: nothing is taken down, it is all just gone."""
    if unfinished is not None:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
    console.say_at_the_end(NOTHING_WRITTEN)
    os._exit(console.INTERRUPTED)


def _interrupt() -> None:
    raise _Interrupted


def _end_unless(back: threading.Event, reader: int) -> None:
    """Wait for a signal's number from a pipe, and then for the main thread to hear of it."""
    if os.read(reader, 1) and not back.wait(_SECONDS_TO_COME_BACK):
        end_at_once()


def _signals() -> list[int]:
    """List what ends a program, without what `nohup` has it ignore.

    Ctrl-C counts in any case: shells have the programs that scripts start in the background ignore it.
    """
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [number for number in numbers if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]


def _handle(actions: dict[int, Any]) -> dict[int, Any]:
    """Set what signals do.

    Returns:
        What they did before; None where that is not known, as where another library handles one.
    """
    return {number: signal.signal(number, action) for number, action in actions.items() if action is not None}
