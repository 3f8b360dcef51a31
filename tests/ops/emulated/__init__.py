"""The CUDA C++ kernels on a CPU: compiled by the C++ compiler against stand-ins for a GPU and for its driver."""

import ctypes
import functools
import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch

from vsfdat.ops.cuda import build
from vsfdat.ops.cuda.build import KernelModule

_HERE = Path(__file__).parent
_SOURCES = Path(build.__file__).parent / "csrc"
_KERNEL = re.compile(r"^KERNEL\(.*\)\s+(\w+)\(", re.MULTILINE)
_folder = tempfile.TemporaryDirectory()


@functools.cache
def load(source: str, facts: tuple[tuple[str, float], ...], device: torch.device) -> KernelModule:
    """Compile a source against the emulator; in the place of `build.load`."""
    kernels = _KERNEL.findall((_SOURCES / f"{source}.cu").read_text())
    entries = "".join(f"EMULATE({kernel})\n" for kernel in kernels)
    defines = build.defines(dict(facts))
    stem = Path(_folder.name) / hashlib.sha256(repr((source, defines)).encode()).hexdigest()
    library = _compile(stem, f'#include "{source}.cu"\n{entries}', "-DFDAT_EMULATED", *defines)
    return KernelModule(bytes(library))


@functools.cache
def _driver() -> ctypes.CDLL:
    """A driver whose modules are libraries of this machine, by their paths."""
    return ctypes.CDLL(str(_compile(Path(_folder.name) / "driver", '#include "driver.h"\n')))


def _compile(stem: Path, code: str, *options: str) -> Path:
    stem.with_suffix(".cpp").write_text(code)
    library = stem.with_suffix(".so")
    command = [  # C++14: the standard library's own files take less than half the time of C++17's
        "g++", "-std=c++14", "-O1", "-fPIC", "-shared", "-w", f"-I{_HERE}", f"-I{_SOURCES}", *options,
        str(stem.with_suffix(".cpp")), "-o", str(library),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return library


@contextmanager
def emulating() -> Iterator[None]:
    """Run what `vsfdat.ops.cuda` launches on this machine's CPU."""
    with (
        patch.object(build, "load", load),
        patch.object(build, "_driver", _driver),
        patch.object(build, "_stream", lambda device: None),
    ):
        yield
