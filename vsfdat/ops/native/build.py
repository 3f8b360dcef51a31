"""Compile the C++ kernels with the system's compiler, once a machine, into the user's cache folder."""

import atexit
import functools
import hashlib
import importlib.util
import logging
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vsfdat.places import cache_folder, keeps_kernels

_SOURCES = Path(__file__).parent / "csrc"
# Kernels are made for the CPU at hand; contraction to fused multiply-adds is GCC's default and Clang's wish.
_FLAGS = (
    "-std=c++17", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math",
    "-fPIC", "-shared", "-pthread", "-fvisibility=hidden", "-Wno-psabi",
)  # fmt: skip
_TIMEOUT_SECONDS = 600

logger = logging.getLogger(__name__)


class BuildError(Exception):
    """The kernels cannot be built here; the message is one sentence that says why."""


def library(precision: str) -> Path:
    """Return the path of the library for one precision, compiled now unless an earlier run did.

    Args:
        precision: "fp32", "fp16" or "bf16".

    Raises:
        BuildError: There is no compiler, or it failed, or its result cannot be kept.
    """
    compiler = _compiler()
    command = [*compiler, *_FLAGS, _cpu_flag(), f"-DVSFDAT_{precision.upper()}"]
    name = f"{precision}-{_key(compiler, command)}"
    try:
        return _find(name) or _compile(command, name)
    except OSError as error:
        raise BuildError(f"the cache folder {_cache_folder()} cannot be used: {error.strerror}") from error


def _find(name: str) -> Path | None:
    """Look for what an earlier run compiled; what has been damaged since goes, as loading it may end the process."""
    for path in _cache_folder().glob(f"{name}-*.so"):
        if path.stem == _stem(name, path):
            return path
        logger.warning("%s is damaged and is compiled anew", path)
        path.unlink(missing_ok=True)
    return None


def _stem(name: str, library: Path) -> str:
    """Name a library by its contents too, so that a damaged one is known by its name."""
    return f"{name}-{hashlib.sha256(library.read_bytes()).hexdigest()[:16]}"


def _compiler() -> list[str]:
    """The system's, or the one that a Python package brings along."""
    for name in ("c++", "g++", "clang++"):
        if found := shutil.which(name):
            return [found]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "c++"]
    raise BuildError("no C++ compiler found; install g++ or clang++, or get one with: pip install ziglang")


def _cpu_flag() -> str:
    return "-mcpu=native" if platform.machine().lower() in ("arm64", "aarch64") else "-march=native"


@functools.cache
def _cache_folder() -> Path:
    """Name the folder where libraries are kept; one for this process alone where the user keeps none."""
    if keeps_kernels():
        return cache_folder("native")
    folder = tempfile.TemporaryDirectory(prefix="vsfdat-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _key(compiler: list[str], command: list[str]) -> str:
    """Whatever the machine code depends on: the sources, the compiler and how it is called, the CPU."""
    digest = hashlib.sha256()
    for source in sorted(_SOURCES.iterdir()):
        digest.update(source.name.encode() + source.read_bytes())
    digest.update("\0".join(command).encode())
    digest.update(_run([*compiler, "--version"]).encode())
    digest.update(_cpu().encode())
    return digest.hexdigest()[:16]


def _cpu() -> str:
    """The CPU's model and what it can do; cache folders travel between machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def _compile(command: list[str], name: str) -> Path:
    folder = _cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    # Beside its place and then renamed: another process never sees half a library.
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        partial, unit = Path(beside) / "library.so", Path(beside) / "all.cpp"
        # As one file, so that the ops share what the compiler makes of their headers.
        unit.write_text("".join(f'#include "{source.as_posix()}"\n' for source in sorted(_SOURCES.glob("*.cpp"))))
        _run([*command, str(unit), "-o", str(partial)])
        path = partial.replace(folder / f"{_stem(name, partial)}.so")
    logger.info("Compiled the CPU kernels in %.0f s into %s", time.perf_counter() - start, path)
    return path


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]} cannot be run: {error}") from error
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200])
        raise BuildError(f"{Path(command[0]).name} failed: {first}")
    return done.stdout
