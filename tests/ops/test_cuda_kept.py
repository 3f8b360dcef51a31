"""Compiled kernels that are kept: whole, checked, bounded, and never needed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ops.test_cuda_build import skip_without_nvrtc
from vsfdat.ops.cuda import build, kept
from vsfdat.ops.cuda.kept import keep


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VSFDAT_CACHE", str(tmp_path))
    return tmp_path / "cuda"


@pytest.fixture
def make() -> Callable[[], bytes]:
    """Make something else each time."""
    count = iter(range(100))
    return lambda: b"kernel %d" % next(count)


def test_what_was_made_is_there_the_second_time(folder: Path, make) -> None:
    assert [keep(b"key", make), keep(b"key", make), keep(b"another", make)] == [b"kernel 0", b"kernel 0", b"kernel 1"]
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("damage", [lambda content: content[:20], lambda content: content[:-1] + b"?", lambda _: b""])
def test_a_damaged_file_is_made_anew(folder: Path, make, damage, caplog: pytest.LogCaptureFixture) -> None:
    keep(b"key", make)
    (path,) = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert [keep(b"key", make), keep(b"key", make)] == [b"kernel 1", b"kernel 1"]
    assert caplog.messages == [f"{path} is damaged and is compiled anew"]


def test_it_can_be_switched_off(folder: Path, make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSFDAT_CACHE", "off")
    assert [keep(b"key", make), keep(b"key", make)] == [b"kernel 0", b"kernel 1"]
    assert not folder.exists()


def test_where_nothing_can_be_kept_it_is_made_all_the_same(tmp_path: Path, make, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VSFDAT_CACHE", str(tmp_path / "file"))
    assert [keep(b"key", make), keep(b"key", make)] == [b"kernel 0", b"kernel 1"]


def test_those_that_were_not_used_for_the_longest_go(folder: Path, make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_ROOM", 3 * len(b"kernel 0") + 3 * 32)
    for number in range(3):
        keep(b"%d" % number, make)
        for path in folder.iterdir():
            os.utime(path, (path.stat().st_mtime - 10,) * 2)
    keep(b"0", make)  # used again, so that 1 is the oldest
    keep(b"3", make)
    assert len(list(folder.iterdir())) == 3
    assert [keep(b"0", make), keep(b"1", make)] == [b"kernel 0", b"kernel 4"]


@pytest.mark.slow
def test_two_processes_may_keep_the_same(folder: Path) -> None:
    code = "from vsfdat.ops.cuda.kept import keep; print(len(keep(b'key', lambda: b'x' * 3_000_000)))"
    line = [sys.executable, "-c", code]
    processes = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["3000000\n"] * 3
    assert len(list(folder.iterdir())) == 1


@pytest.mark.slow
def test_a_kernel_is_compiled_once_and_again_where_anything_differs(folder: Path, monkeypatch) -> None:
    skip_without_nvrtc()
    compiled: list[object] = []
    plain = build.cubin
    monkeypatch.setattr(build, "cubin", lambda *what: compiled.append(what) or plain(*what))
    first = build.kept_cubin("matrix", (), (9, 0))
    assert first[:4] == b"\x7fELF"
    assert build.kept_cubin("matrix", (), (9, 0)) == first
    assert len(compiled) == 1
    build.kept_cubin("matrix", (), (8, 6))
    build.kept_cubin("matrix", (("FDAT_BF16", 1),), (9, 0))
    monkeypatch.setattr(build, "_versions", lambda: (13, 0, 1))
    build.kept_cubin("matrix", (), (9, 0))
    assert len(compiled) == 4
