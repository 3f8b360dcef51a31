"""The first Ctrl-C counts, the next ones do no harm, and the process ends with 130 and a line."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.fast_loop import parametrize
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
import contextlib, hashlib, os, signal, sys, tempfile, time
from pathlib import Path
from vsfdat import interrupt
def send(times=1):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
{script}
"""


@pytest.mark.slow
@parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], quick=[signal.SIGINT])
def test_the_command_ends_at_once_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    """Though it is in a call that has not looked at signals for minutes."""
    folder = "folder = tempfile.TemporaryDirectory(dir=sys.argv[1]); (Path(folder.name) / 'file').touch()"
    kill = f"os.system(f'(sleep 0.3; kill -{number} {{os.getpid()}}) &')"
    call = "hashlib.pbkdf2_hmac('sha256', b'', b'', 300_000_000)"
    done = run(f"{folder}; {kill}\nwith interrupt.end_on_interrupt(): {call}", tmp_path)
    assert (done.returncode, done.stderr) == (130, "vsfdat: stopped, nothing was written\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["end_on_interrupt", "raise_on_interrupt"])
def test_a_signal_after_the_work_changes_no_status(mode: str) -> None:
    work = f"with interrupt.end_on_interrupt():\n  with interrupt.{mode}(): pass"
    done = run(f"{work}\nsend(5)\nsys.exit(7)")
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_training_is_interrupted_once(number: int) -> None:
    with interrupt.raise_on_interrupt():
        with pytest.raises(KeyboardInterrupt):
            send(number)
        send(number)
        send()


def test_an_interrupt_that_was_caught_is_over() -> None:
    """Python ends a process by SIGINT if ever a plain one ended what `exec` runs."""
    caught = "with contextlib.suppress(KeyboardInterrupt), interrupt.raise_on_interrupt(): exec('send()')"
    done = run(f"{caught}\nsys.exit(130)")
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_work_is_stopped_and_not_interrupted(number: int) -> None:
    with interrupt.stop_on_interrupt() as stop:
        assert not stop.is_set()
        send(number, times=3)
        assert stop.is_set()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_insists_ends_the_process() -> None:
    done = run("with interrupt.stop_on_interrupt(): send(4)")
    assert (done.returncode, done.stderr) == (130, "vsfdat: stopped, nothing was written\n")


LANDED = "with interrupt.stop_on_interrupt(): send()"
FAILED = "with contextlib.suppress(ValueError), interrupt.stop_on_interrupt(): raise ValueError"
SAVED = "with contextlib.suppress(KeyboardInterrupt), interrupt.raise_on_interrupt(): send()"


@pytest.mark.slow
@parametrize("work", [LANDED, FAILED, SAVED], quick=[LANDED], ids=["landed", "failed", "saved"])
def test_after_the_work_there_is_nothing_to_end(work: str) -> None:
    """What is left is a line that says how it ended, and the status."""
    done = run(f"with interrupt.end_on_interrupt():\n  {work}\n  send(5); time.sleep(0.3); sys.exit(7)")
    assert (done.returncode, done.stderr) == (7, "")


def test_a_signal_just_before_the_work_is_heard() -> None:
    """The thread that ends the process may be late by a moment, here by all of the time."""
    late = "interrupt._end_when_told = lambda *_: None"
    stopped = "with interrupt.stop_on_interrupt() as stop: print(stop.is_set())"
    raised = "with contextlib.suppress(KeyboardInterrupt), interrupt.raise_on_interrupt(): print('never')"
    done = run(f"{late}\nwith interrupt.end_on_interrupt():\n  send()\n  {stopped}\n  {raised}")
    assert (done.returncode, done.stdout) == (0, "True\n")


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interrupt.stop_on_interrupt() as stop:
        send(signal.SIGHUP)
        assert not stop.is_set()
        send(signal.SIGTERM)
        assert stop.is_set()


def test_other_threads_hear_no_signals() -> None:
    heard: list[bool] = []

    def work() -> None:
        with interrupt.stop_on_interrupt() as stop, interrupt.raise_on_interrupt():
            heard.append(stop.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [False]
