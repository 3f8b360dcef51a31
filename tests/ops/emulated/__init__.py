"""The CUDA C++ kernels on a CPU: compiled by the C++ compiler against a stand-in for a GPU, `emulator.h`."""

import ctypes
import functools
import hashlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

from vsfdat.ops import cuda
from vsfdat.ops.cuda import build

_HERE = Path(__file__).parent
_SOURCES = Path(build.__file__).parent / "csrc"
_KERNELS = {
    "ffn": ["ffn"], "spatial": ["spatial_apply", "spatial_reduce"], "channel": ["channel_apply", "channel_reduce"],
    "conv": ["conv3x3"],
}  # fmt: skip
_folder = tempfile.TemporaryDirectory()


class Emulated:
    """A source's kernels as a library of this machine."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))

    def launch(
        self, kernel: str, grid: tuple[int, int], threads: int, shared: int, arguments: Sequence[Tensor | int | None]
    ) -> None:
        """Run a kernel to its end."""
        values = [
            ctypes.c_int(argument) if isinstance(argument, int)
            else ctypes.c_void_p(argument.data_ptr() if isinstance(argument, Tensor) else None)
            for argument in arguments
        ]  # fmt: skip
        addresses = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        getattr(self._library, f"emulate_{kernel}")(*grid, threads, shared, addresses)


@functools.cache
def emulated_program(source: str, facts: tuple[tuple[str, int], ...], device: torch.device) -> Emulated:
    """Compile a source against the emulator; in the place of `build.program`."""
    entries = "".join(f"EMULATE({kernel})\n" for kernel in _KERNELS[source])
    defines = [f"-D{name}={number}" for name, number in facts]
    stem = Path(_folder.name) / hashlib.sha256(repr((source, defines)).encode()).hexdigest()
    stem.with_suffix(".cpp").write_text(f'#include "{source}.cu"\n{entries}')
    library = stem.with_suffix(".so")
    command = [
        "g++", "-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-DFDAT_EMULATED", f"-I{_HERE}", f"-I{_SOURCES}",
        *defines, str(stem.with_suffix(".cpp")), "-o", str(library),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return Emulated(library)


@contextmanager
def emulating() -> Iterator[None]:
    """Run what `vsfdat.ops.cuda` launches on this machine's CPU."""
    with patch.object(build, "program", emulated_program), patch.object(cuda, "RECORDABLE", False):
        yield
