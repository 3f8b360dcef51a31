"""A bar that shows the name as it is, for terminals; plain lines for everybody else."""

import io
import os
import pty
import re
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vsfdat import console
from vsfdat.encode.progress import Whole, films, show_progress
from vsfdat.encode.progress.film import Film


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 80, term: str = "xterm") -> Iterator[list[str]]:
    """Make stderr a terminal, and give what was written to it, when that is over."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", term)
    master, slave = pty.openpty()
    written: list[str] = []
    with monkeypatch.context() as patched, os.fdopen(slave, "w", buffering=1) as stderr:
        patched.setattr(sys, "stderr", stderr)
        reader = threading.Thread(target=lambda: written.append(read(master)))
        reader.start()
        yield written
        termios.tcdrain(slave)
    reader.join()
    os.close(master)


def read(master: int) -> str:
    found = b""
    try:
        while part := os.read(master, 65536):
            found += part
    except OSError:  # Linux's way of saying that the other side is closed
        pass
    return found.decode()


def plain(written: list[str]) -> list[str]:
    """Split what a terminal was sent into what it showed."""
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written[0]))


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Show :smile: [red]x.mkv", "Show :smile: [red]x.mkv"),
        ("[@x=1] {0} show.mkv", "[@x=1] {0} show.mkv"),
        (r"show \[a].mkv", r"show \[a].mkv"),
        ("[Sub] Show - 01 [b88cf31c].mkv", "[Sub] Show - 01 [b88cf31c].mkv"),
        ("n" * 150 + " - 01.mkv", "nnnnnnnnnnnnnnnn…nnnnnn - 01.mkv"),
        ("あ" * 50 + "01.mkv", "ああああああああ… ああああ01.mkv"),
        (os.fsdecode(b"caf\xe9\x1b[1A.mkv"), r"caf\xe9\x1b[1A.mkv"),
    ],
)
def test_names_show_as_they_are_and_leave_room_for_the_bar(monkeypatch, title: str, shown: str) -> None:
    with terminal(monkeypatch) as written, show_progress(3, title) as advance:
        for _ in range(3):
            advance()
    last = plain(written)[-2]
    assert last.startswith(f"{shown} ━")
    assert re.search(r"━ 3/3 \S+ fps ETA 0:00:00$", last)


def test_narrow_terminals_show_the_numbers(monkeypatch) -> None:
    with terminal(monkeypatch, columns=40) as written, show_progress(1, "film.mkv") as advance:
        advance()
    assert plain(written)[-2].startswith("1/1 ")


def test_warnings_stand_above_the_bar(monkeypatch) -> None:
    with terminal(monkeypatch) as written, show_progress(2, "film.mkv") as advance:
        advance()
        console.say("vsfdat: [red] is left out")
        advance()
    lines = plain(written)
    assert "vsfdat: [red] is left out" in lines[:-2]


def test_a_wish_to_stop_is_shown(monkeypatch) -> None:
    stop = threading.Event()
    with terminal(monkeypatch, columns=120) as written, show_progress(2, "film.mkv", stop):
        stop.set()
    assert plain(written)[-2].startswith("stopping after the frames under way ")


def test_no_colours_where_they_are_not_wanted(monkeypatch) -> None:
    def colours() -> list[str]:
        with terminal(monkeypatch, term="xterm-256color") as written, show_progress(2, "film.mkv") as advance:
            advance()
        return re.findall(r"\x1b\[[0-9;]+m", written[0])

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not [code for code in colours() if re.search(r"[34]\d|;5;", code)]


def test_dumb_terminals_get_lines(monkeypatch) -> None:
    with terminal(monkeypatch, term="dumb") as written, show_progress(1, "film.mkv") as advance:
        advance()
        console.say("done")
    assert written == ["done\r\n"]


def test_what_is_no_terminal_gets_no_escape_codes(monkeypatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with show_progress(3, "film.mkv") as advance:
        for _ in range(3):
            advance()
    assert sys.stderr.getvalue() == ""


def test_logs_get_a_line_a_minute_or_for_each_twentieth(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    def lines(frames: int, seconds_each: float) -> list[str]:
        now = [0.0]
        film = Film(frames, "film [x].mkv", threading.Event())
        advance = film.count(films._Log(film, clock=lambda: now[0]))
        for _ in range(frames):
            now[0] += seconds_each
            advance()
        return capsys.readouterr().err.splitlines()

    assert len(lines(1000, 1)) == 19  # the whole film has a line of its own
    assert lines(1000, 1)[4] == "film [x].mkv: 250 of 1000 frames (25.0 %), 1.00 fps, 0:12:30 left"
    hours = lines(36000, 1)
    assert len(hours) == 599
    assert hours[0] == "film [x].mkv: 60 of 36000 frames (0.2 %), 1.00 fps, 9:59:00 left"
    assert len(lines(100, 0.5)) == 4  # each 10 s, and not each 2.5
    assert lines(100, 0.05) == []
    assert len(lines(3, 1000)) == 2


def test_a_batch_has_a_bar_of_its_own_below(monkeypatch) -> None:
    whole = Whole([1, 3])
    whole.begin(1)
    with terminal(monkeypatch, columns=100) as written, show_progress(4, "film.mkv", whole=whole) as advance:
        advance(2)
    one, every = plain(written)[-3:-1]
    assert re.match(r"film\.mkv +━.* 2/4 .* fps ETA ", one)
    assert re.match(r"film 2 of 2, all: ━.* 62\.5 % +ETA ", every)


def test_logs_tell_how_far_a_batch_is(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    whole = Whole([100, 300], clock=lambda: now[0])
    whole.skip(0)
    whole.begin(1)
    film = Film(100, "film.mkv", threading.Event(), whole=whole)
    advance = film.count(films._Log(film, clock=lambda: now[0]))
    now[0] = 60
    advance(50)
    assert capsys.readouterr().err == (
        "film.mkv: 50 of 100 frames (50.0 %), 0.83 fps, 0:01:00 left; film 2 of 2, all: 62.5 %, 0:01:00 left\n"
    )
