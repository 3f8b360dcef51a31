"""Compiling the C++ kernels: once a machine, nothing half-written, and one sentence where it cannot be done."""

import ctypes
import errno
import os
import shutil
from pathlib import Path

import pytest

from vsfdat.ops.native import build
from vsfdat.ops.native.build import BuildError, library


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(build, "_cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Put a script in the compiler's place."""

    def install(script: str) -> None:
        path = tmp_path / "c++"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(shutil, "which", lambda name: str(path) if name == "c++" else None)

    return install


# Copies nothing but a mark to where `-o FILE`, the last two arguments, points.
_MARKS = 'for last; do :; done; [ "$1" = --version ] || echo made >> "$last"'


def test_compiles_once(cache, compiler, tmp_path):
    compiler(f'[ "$1" = --version ] || echo x >> {tmp_path}/calls\n{_MARKS}')
    first = library("fp32")
    assert library("fp32") == first
    assert first.read_text() == "made\n"
    assert (tmp_path / "calls").read_text() == "x\n"


def test_another_compiler_compiles_anew(cache, compiler):
    compiler(f"echo version 1\n{_MARKS}")
    first = library("fp32")
    compiler(f"echo version 2\n{_MARKS}")
    assert library("fp32") != first


@pytest.mark.parametrize(
    "damage", [lambda content: content[:2], lambda content: b"M" + content[1:]], ids=["cut", "flipped"]
)
def test_a_damaged_library_is_compiled_anew(cache, compiler, caplog, damage):
    compiler(_MARKS)
    first = library("fp32")
    first.write_bytes(damage(first.read_bytes()))
    assert library("fp32").read_text() == "made\n"
    assert caplog.messages == [f"{first} is damaged and is compiled anew"]
    assert len(list(cache.iterdir())) == 1
    caplog.clear()
    assert library("fp32") == first
    assert not caplog.messages


def test_a_compiler_that_fails_leaves_nothing(cache, compiler):
    compiler('[ "$1" = --version ] && exit; echo "api.cpp:1: error: no such vector" >&2; exit 1')
    with pytest.raises(BuildError, match=r"^c\+\+ failed: api.cpp:1: error: no such vector$"):
        library("fp32")
    assert list(cache.iterdir()) == []


def test_no_compiler_says_where_to_get_one(cache, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BuildError, match=r"no C\+\+ compiler found; .* pip install ziglang"):
        library("fp32")


def test_the_compiler_of_a_package_will_do(cache, monkeypatch):
    pytest.importorskip("ziglang", reason="needs pip install ziglang")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert ctypes.CDLL(str(library("fp32"))).spatial_apply


def test_a_cache_folder_that_cannot_be_made(compiler, tmp_path, monkeypatch):
    compiler(_MARKS)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(build, "_cache_folder", lambda: tmp_path / "file" / "cache")
    with pytest.raises(BuildError) as caught:
        library("fp32")
    assert str(caught.value) == f"the cache folder {tmp_path}/file/cache cannot be used: Not a directory"


def test_a_cache_folder_that_is_full(cache, compiler, monkeypatch):
    compiler(_MARKS)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(BuildError) as caught:
        library("fp32")
    assert str(caught.value) == f"the cache folder {cache} cannot be used: No space left on device"
    assert list(cache.iterdir()) == []
