"""What is said never fails, and never moves a terminal's cursor; what is shown fails in one line."""

import contextlib
import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fast_loop import parametrize
from vsfdat import console


def gone(tmp_path: Path) -> io.TextIOBase:
    """Open a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", buffering=1)


def closed(tmp_path: Path) -> io.TextIOBase:
    stream = (tmp_path / "log").open("w")
    stream.close()
    return stream


def full(tmp_path: Path) -> io.TextIOBase:
    return Path("/dev/full").open("w", buffering=1)


def narrow(tmp_path: Path) -> io.TextIOBase:
    return io.TextIOWrapper(io.BytesIO(), "ascii")


BROKEN = [pytest.param(make, id=make.__name__) for make in (gone, closed, full, narrow)]


@pytest.mark.parametrize("make", [*BROKEN, pytest.param(lambda tmp_path: None, id="none")])
def test_a_line_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch, make) -> None:
    stream = make(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        console.say("episode あ.mkv: 5 frames")
        console.Lines().handle(logging.makeLogRecord({"msg": "%d frames are damaged", "args": (3,)}))
    assert not console.Unfailing(stream).isatty()
    if stream is not None:
        with contextlib.suppress(OSError):
            stream.close()


def test_lines_arrive_where_they_can(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("episode.mkv: 5 frames")
    console.show("fdat-tiny-2x  2x")
    assert capsys.readouterr() == ("fdat-tiny-2x  2x\n", "episode.mkv: 5 frames\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Re:Zero - 01 [あ].mkv", "Re:Zero - 01 [あ].mkv"),
        (os.fsdecode(b"caf\xe9.mkv"), r"caf\xe9.mkv"),
        ("\udce3\udc81\udc82.mkv", "あ.mkv"),  # the same in a locale that knows no UTF-8
        ("a\x1b[31m\x9b\r.mkv", r"a\x1b[31m\x9b\r.mkv"),
        ("\ud83d.mkv", r"\ud83d.mkv"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_names_are_shown_without_what_terminals_obey(text: str, shown: str, capsys) -> None:
    console.say(text)
    assert capsys.readouterr().err == f"{shown}\n"


def test_stdout_shows_what_its_encoding_has(monkeypatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    console.show("file  あ.mkv")
    assert written.getvalue() == b"file  \\u3042.mkv\n"


def test_missing_packages_are_told_in_one_sentence() -> None:
    assert console.missing("av") == 'av is not installed, it comes with: pip install "vsfdat[cli]"'
    assert console.missing("onnx", install="onnx") == "onnx is not installed, it comes with: pip install onnx"
    assert (
        console.missing("PIL", "av", install='"vsfdat[train]"')
        == 'PIL and av are not installed, they come with: pip install "vsfdat[train]"'
    )


SAYING = """
import logging, os, sys, warnings
from vsfdat import console
console.prepare()
opened = os.open(os.devnull, os.O_RDONLY)
logging.basicConfig(handlers=[console.Lines()])
logging.warning("logged")
warnings.warn("warned")
print("printed", file=sys.stderr)
console.say("said")
sys.exit(0 if opened > 2 else 5)
"""


@pytest.mark.slow
@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full", "2>&1 | true", "<&- >&- 2>&-"])
def test_the_process_ends_as_if_somebody_listened(redirect: str) -> None:
    """The interpreter flushes stderr at its end, and files that get its number are written to by FFmpeg."""
    line = ["bash", "-c", f'set -o pipefail; exec 3<&-; "$0" -c "$1" {redirect}', sys.executable, SAYING]
    assert subprocess.run(line, timeout=60, check=False, stdin=subprocess.DEVNULL).returncode == 0


FULL = (">/dev/full", b"vsfdat: stdout cannot be written (No space left on device)\n")
WAYS = ["console.show('fact')", "print('help'); console.finish()", "console.prepare(); print('help' * 100_000)"]


@pytest.mark.slow
@parametrize(("redirect", "said"), [FULL, ("| true", b"")], quick=[FULL])
@parametrize("shown", WAYS, quick=WAYS[:1])
def test_stdout_that_breaks_is_an_error_of_one_line(redirect: str, said: bytes, shown: str) -> None:
    script = f"import time; from vsfdat import console; time.sleep(0.3); {shown}"
    line = ["bash", "-c", f'set -o pipefail; "$0" -c "$1" {redirect}', sys.executable, script]
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    done = subprocess.run(line, timeout=60, check=False, stderr=subprocess.PIPE, env=buffered)
    assert (done.returncode, done.stderr) == (1, said)
