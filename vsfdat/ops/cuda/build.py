"""CUDA C++ into functions that run: NVRTC, which comes with torch, compiles once a GPU, precision and network shape."""

import ctypes
import functools
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .sizes import CONSTANTS

_SOURCES = Path(__file__).parent / "csrc"
_MOST_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY

Argument = Tensor | int | None


class KernelError(RuntimeError):
    """The kernels could not be compiled, loaded or launched; the message is one sentence that says why."""


def load_for(weight: Tensor, source: str, **facts: float) -> "KernelModule":
    """Compile a source for the precision and the device of some weights; once, as `load` does."""
    if weight.dtype == torch.bfloat16:
        facts["FDAT_BF16"] = 1
    return load(source, tuple(facts.items()), weight.device)


@functools.cache
def load(source: str, facts: tuple[tuple[str, float], ...], device: torch.device) -> "KernelModule":
    """Compile a source for a device, or take it from an earlier call.

    Args:
        source: Its name in `csrc`, without the suffix.
        facts: What the source is compiled with: names and numbers.
        device: A CUDA device.

    Raises:
        KernelError: It does not compile or load, or there is nothing to compile with.
    """
    torch.zeros(1, device=device)  # a kernel of torch's, so that its context is this thread's: modules load into it
    with torch.cuda.device(device):
        return KernelModule(cubin(source, dict(facts), torch.cuda.get_device_capability(device)))


def cubin(source: str, facts: Mapping[str, float], capability: tuple[int, int]) -> bytes:
    """Compile a source for a compute capability; no GPU is needed.

    Raises:
        KernelError: It does not compile, or NVRTC is not there.
    """
    nvrtc = _nvrtc()
    # The kernels' files hold all they need, so that headers can go as strings.
    headers = sorted(_SOURCES.glob("*.cuh"))
    options = _strings([
        b"--gpu-architecture=sm_%d%d" % capability, b"--std=c++17", b"--use_fast_math", *map(str.encode, defines(facts))
    ])  # fmt: skip
    made, size = ctypes.c_void_p(), ctypes.c_size_t()
    _check(nvrtc.nvrtcCreateProgram(
        ctypes.byref(made), (_SOURCES / f"{source}.cu").read_bytes(), f"{source}.cu".encode(),
        len(headers), _strings(header.read_bytes() for header in headers),
        _strings(header.name.encode() for header in headers),
    ))  # fmt: skip
    try:
        if nvrtc.nvrtcCompileProgram(made, len(options), options):
            _check(nvrtc.nvrtcGetProgramLogSize(made, ctypes.byref(size)))
            log = ctypes.create_string_buffer(size.value)
            _check(nvrtc.nvrtcGetProgramLog(made, log))
            said = log.value.decode(errors="replace").strip()
            raise KernelError(f"{source}.cu with {dict(facts)} does not compile: {said}")
        _check(nvrtc.nvrtcGetCUBINSize(made, ctypes.byref(size)))
        binary = ctypes.create_string_buffer(size.value)
        _check(nvrtc.nvrtcGetCUBIN(made, binary))
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(made))
    return binary.raw


def defines(facts: Mapping[str, float]) -> list[str]:
    """Give a compiler's options for what a source is compiled with: its facts, and the sizes that all of them share."""
    return [f"-D{name}={number}" for name, number in {**CONSTANTS, **facts}.items()]


class KernelModule:
    """The kernels of one compiled source, loaded into the current device's context.

    Args:
        binary: What `cubin` gave.

    Raises:
        KernelError: It does not load.
    """

    def __init__(self, binary: bytes) -> None:
        self._driver, self._context, self._module = _driver(), ctypes.c_void_p(), ctypes.c_void_p()
        _check_driver(self._driver.cuCtxGetCurrent(ctypes.byref(self._context)))
        _check_driver(self._driver.cuModuleLoadData(ctypes.byref(self._module), binary))
        self._kernels: dict[str, tuple[ctypes.c_void_p, int]] = {}

    def launch(
        self, kernel: str, grid: tuple[int, int], threads: int, shared: int, arguments: Sequence[Argument]
    ) -> None:
        """Start a kernel on the current stream of its tensors' device.

        Args:
            kernel: Its name in the source.
            grid: Blocks across and down.
            threads: Of a block.
            shared: Bytes of shared memory that a block takes.
            arguments: Tensors by their addresses, integers as 32 bits, None as a null pointer; the first is a tensor.
        """
        values = [
            ctypes.c_int(argument) if isinstance(argument, int)
            else ctypes.c_void_p(None if argument is None else argument.data_ptr())
            for argument in arguments
        ]  # fmt: skip
        addresses = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        first = arguments[0]
        assert isinstance(first, Tensor)
        with torch.cuda.device_of(first):  # type: ignore[no-untyped-call]
            _check_driver(self._driver.cuCtxSetCurrent(self._context))  # in a new thread torch has not done so yet
            function = self._function(kernel, shared)
            _check_driver(self._driver.cuLaunchKernel(
                function, *grid, 1, threads, 1, 1, shared, _stream(first.device), addresses, None
            ))  # fmt: skip

    def _function(self, kernel: str, shared: int) -> ctypes.c_void_p:
        """Find a kernel, and allow it that much shared memory."""
        function, allowed = self._kernels.get(kernel, (ctypes.c_void_p(), -1))
        if allowed < 0:
            _check_driver(self._driver.cuModuleGetFunction(ctypes.byref(function), self._module, kernel.encode()))
        if shared > allowed:
            _check_driver(self._driver.cuFuncSetAttribute(function, _MOST_SHARED, shared))
            self._kernels[kernel] = function, shared
        return function


def _stream(device: torch.device) -> ctypes.c_void_p:
    return ctypes.c_void_p(torch.cuda.current_stream(device).cuda_stream)


def _strings(values: Iterable[bytes]) -> Any:
    listed = list(values)
    return (ctypes.c_char_p * len(listed))(*listed)


def _check_driver(status: int) -> None:
    if status == _OUT_OF_MEMORY:
        raise torch.OutOfMemoryError("the CUDA driver is out of memory")
    _check(status)


def _check(status: int) -> None:
    if status:
        raise KernelError(f"CUDA answered with error {status}")


@functools.cache
def _nvrtc() -> Any:
    """Find the NVRTC of torch's own CUDA."""
    packages = Path(torch.__file__).parent.parent
    major = (torch.version.cuda or "0").split(".")[0]
    if sys.platform == "win32":
        candidates = [*map(str, sorted((packages / "torch" / "lib").glob("nvrtc64_*_0.dll")))]
    else:
        name = f"libnvrtc.so.{major}"
        candidates = [*map(str, sorted(packages.glob(f"nvidia/*/lib/{name}"))), name]
    return _first(candidates, "NVRTC")


@functools.cache
def _driver() -> Any:
    """Find NVIDIA's driver."""
    return _first(["nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"], "NVIDIA's driver")


def _first(candidates: Sequence[str], what: str) -> Any:
    for candidate in candidates:
        try:
            return ctypes.CDLL(candidate)
        except OSError:
            continue
    raise KernelError(f"{what} was not found, looked for {', '.join(candidates) or 'nothing'}")
