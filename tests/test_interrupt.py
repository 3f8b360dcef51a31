"""The first Ctrl-C counts, the next ones do no harm, and the process ends with 130 and a line."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vsfdat import interrupt


@pytest.fixture(autouse=True)
def handlers():
    """Put back what signals did before the test."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, action in before.items():
        signal.signal(number, action)


def send(number: int = signal.SIGINT, times: int = 1) -> None:
    for _ in range(times):
        os.kill(os.getpid(), number)


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", SCRIPT.format(script=script), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


SCRIPT = """
import contextlib, hashlib, os, signal, sys
from pathlib import Path
from vsfdat import interrupt
def send(times=1):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
{script}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_the_next_ones_do_not(number: int) -> None:
    with interrupt.end_on_interrupt():
        with pytest.raises(KeyboardInterrupt):
            send(number)
        send(number)
        send()
    send(number)  # the interpreter ends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_work_is_stopped_and_not_interrupted(number: int) -> None:
    with interrupt.stop_on_interrupt() as stop:
        assert not stop.is_set()
        send(number, times=3)
        assert stop.is_set()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_landed_file_is_nothing_to_stop() -> None:
    with interrupt.end_on_interrupt():
        with interrupt.stop_on_interrupt():
            pass
        send()


def test_work_that_failed_may_be_interrupted_again() -> None:
    with interrupt.end_on_interrupt():
        with pytest.raises(ValueError), interrupt.stop_on_interrupt():
            raise ValueError
        with pytest.raises(KeyboardInterrupt):
            send()


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interrupt.end_on_interrupt(), interrupt.stop_on_interrupt() as stop:
        send(signal.SIGHUP)
        assert not stop.is_set()
        send(signal.SIGTERM)
        assert stop.is_set()


def test_other_threads_hear_no_signals() -> None:
    heard: list[bool] = []

    def work() -> None:
        with interrupt.stop_on_interrupt() as stop:
            heard.append(stop.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [False]


def test_an_interrupt_that_was_caught_is_over() -> None:
    """Python ends a process by SIGINT if ever a plain one ended what `exec` runs."""
    caught = "with contextlib.suppress(KeyboardInterrupt), interrupt.end_on_interrupt(): exec('send()')"
    done = run(f"{caught}\nsys.exit(130)")
    assert (done.returncode, done.stderr) == (130, "")


def test_whoever_insists_ends_the_process_and_leaves_nothing(tmp_path: Path) -> None:
    partial = tmp_path / "partial.mkv"
    partial.write_text("half a film")
    done = run("with interrupt.stop_on_interrupt(Path(sys.argv[1])): send(4)", partial)
    assert (done.returncode, done.stderr) == (130, "vsfdat: stopped, nothing was written\n")
    assert not partial.exists()


_LONG_CALL = "hashlib.pbkdf2_hmac('sha256', b'', b'', 300_000_000)"  # minutes without a look at signals


def test_a_call_of_minutes_is_ended() -> None:
    kill = "os.system(f'(sleep 0.3; kill -INT {os.getpid()}) &')"
    done = run(f"with interrupt.end_on_interrupt(), interrupt.end_in_long_calls():\n    {kill}\n    {_LONG_CALL}")
    assert (done.returncode, done.stderr) == (130, "vsfdat: stopped, nothing was written\n")


def test_a_call_that_comes_back_is_interrupted_as_ever() -> None:
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt), interrupt.end_on_interrupt(), interrupt.end_in_long_calls():
        send()
    assert signal.set_wakeup_fd(-1) == -1
    assert threading.active_count() == threads
