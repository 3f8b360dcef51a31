"""Ctrl-C, SIGTERM and SIGHUP: what they end, and how, so that nothing crashes and nothing of worth is lost.

An exception in the middle of anything, which is Python's own way, gets lost in other libraries' callbacks, comes out of
them as another error, and crashes the process where a module is imported by halves. So the process ends at once where
nothing is lost by it, and elsewhere the work ends in its own time.

The first signal counts. The next ones change nothing, because whoever wraps a command may pass on what the terminal has
sent already; from the fourth on the user means it.
"""

import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from . import console

NOTHING_WRITTEN = "vsfdat: stopped, nothing was written"

# What is said where the process is ended at once.
_last_words = NOTHING_WRITTEN

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the third is not on Windows, the last is only there
_PATIENCE = 4


class _Interrupted(KeyboardInterrupt):
    """A KeyboardInterrupt that Python does not end the process for, though somebody has caught it.

    It keeps in mind that the plain one ended a piece of code that `exec` ran, as dataclasses do.
    """


class _Wish:
    """A signal handler.

    Args:
        grant: Called at the first signal.
    """

    def __init__(self, grant: Callable[[], None]) -> None:
        self._grant = grant
        self.heard = 0
        self.is_over = False

    def __call__(self, *_: object) -> None:
        if self.is_over:
            return
        self.heard += 1
        if self.heard == 1:
            self._grant()
        elif self.heard >= _PATIENCE:
            end_at_once()


@contextlib.contextmanager
def end_on_interrupt() -> Iterator[None]:
    """End the process at the first signal, for a block that is all that it does.

    Afterwards signals are ignored: while the interpreter ends, each would be a crash or another status.
    """
    # A thread does it: Python's handlers wait until the main one is back from other libraries, which may be minutes.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    wakeup, wish = signal.set_wakeup_fd(writer), _Wish(lambda: None)
    handled = _handle(dict.fromkeys(_signals(), wish))
    watch = threading.Thread(target=_end_when_told, args=(reader, wish), daemon=True)
    watch.start()
    try:
        yield
    finally:
        _handle(dict.fromkeys(handled, signal.SIG_IGN))
        signal.set_wakeup_fd(wakeup)
        os.close(writer)
        watch.join()
        os.close(reader)


@contextlib.contextmanager
def raise_on_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first signal, for a block that can save what it has then."""
    with _handled_by(_Wish(_interrupt)):
        yield


@contextlib.contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Set an event at the first signal, and let the block end in its own time, with its files whole.

    Outside the main thread, where Python allows no signal handlers, the event stays unset.
    """
    stop = threading.Event()
    with _handled_by(_Wish(stop.set)):
        yield stop


def listen_again() -> None:
    """Have signals end the process again, for the next film after one that had a handler of its own."""
    command = signal.getsignal(signal.SIGINT)
    if isinstance(command, _Wish):
        command.is_over = False


def set_last_words(line: str) -> None:
    """Have something else said where the process is ended at once, as after the first film of several."""
    global _last_words
    _last_words = line


def end_at_once() -> None:
    """End the process, and with it whatever runs in it, without a crash: nothing is taken down, it is all just gone.

    Only temporary folders are removed.
    """
    sys.stderr = None  # another thread may complain of that
    for folder in _temporary_folders():
        with contextlib.suppress(OSError):
            folder.cleanup()
    console.say_at_the_end(_last_words)
    os._exit(console.INTERRUPTED)


def _temporary_folders() -> list[Any]:
    tempfile = sys.modules.get("tempfile")  # who has not imported it, has none
    return [thing for thing in gc.get_objects() if tempfile and type(thing) is tempfile.TemporaryDirectory]


def _interrupt() -> None:
    raise _Interrupted


def _end_when_told(reader: int, wish: _Wish) -> None:
    """Wait for signals' numbers from a pipe until it is closed, and end the process where that is what they do."""
    while os.read(reader, 1):
        if not wish.is_over and signal.getsignal(signal.SIGINT) is wish:
            end_at_once()


@contextlib.contextmanager
def _handled_by(wish: _Wish) -> Iterator[None]:
    """Let another handler take over from the command's, which has nothing left to end afterwards.

    Outside the main thread, where Python allows no signal handlers, nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _handle(dict.fromkeys(_signals(), wish))
    command = before[signal.SIGINT] if isinstance(before[signal.SIGINT], _Wish) else None
    try:
        if command is not None and command.heard:  # just before, and the thread has not ended the process yet
            wish()
        yield
    finally:
        if command is not None:
            command.is_over = True
        _handle(before)


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
