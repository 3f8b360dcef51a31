"""CUDA C++ into functions that run: NVRTC, which comes with torch, compiles once a GPU, precision and network shape."""

import ctypes
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

_SOURCES = Path(__file__).parent / "csrc"
_HEADERS = ("device.cuh", "tile.cuh")
_MOST_STATIC = 48 * 1024  # bytes of shared memory that a kernel gets without asking

Argument = Tensor | int | None


class KernelError(Exception):
    """The kernels could not be compiled, loaded or launched."""


class Program(Protocol):
    """The compiled kernels of one source."""

    def launch(
        self, kernel: str, grid: tuple[int, int], threads: int, shared: int, arguments: Sequence[Argument], /
    ) -> None:
        """Start a kernel on the current stream of its first tensor's device.

        Args:
            kernel: Its name.
            grid: Programs across and down.
            threads: A program.
            shared: Bytes of shared memory a program.
            arguments: Tensors by their addresses, integers as 32 bits, None as a null pointer.
        """


@functools.cache
def program(source: str, facts: tuple[tuple[str, int], ...], device: torch.device) -> Program:
    """Compile a source for a device, or take it from an earlier call.

    Args:
        source: Its name in `csrc`, without the suffix.
        facts: What the source is compiled with: names and numbers.
        device: A CUDA device.

    Raises:
        KernelError: It does not compile or load, or the package that does so is not installed.
    """
    return Compiled(cubin(source, dict(facts), torch.cuda.get_device_capability(device)), device)


def cubin(source: str, facts: Mapping[str, int], capability: tuple[int, int]) -> bytes:
    """Compile a source for a compute capability; no GPU is needed.

    Raises:
        KernelError: It does not compile, or the package that does so is not installed.
    """
    try:
        from cuda.bindings import nvrtc  # type: ignore[import-untyped]
    except ImportError as error:
        raise KernelError(f"the package cuda-bindings is not installed ({error})") from None

    # The kernels' files hold all they need, so that headers can go as strings.
    headers = [(_SOURCES / name).read_bytes() for name in _HEADERS]
    names = [name.encode() for name in _HEADERS]
    code = (_SOURCES / f"{source}.cu").read_bytes()
    options = [
        "--gpu-architecture=sm_{}{}".format(*capability),
        "--std=c++17",
        "--use_fast_math",
        *(f"-D{name}={number}" for name, number in facts.items()),
    ]
    made = _checked(nvrtc.nvrtcCreateProgram(code, f"{source}.cu".encode(), len(headers), headers, names))
    (status,) = nvrtc.nvrtcCompileProgram(made, len(options), [option.encode() for option in options])
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        log = b" " * _checked(nvrtc.nvrtcGetProgramLogSize(made))
        _checked(nvrtc.nvrtcGetProgramLog(made, log))
        raise KernelError(f"{source}.cu with {dict(facts)} does not compile: {log.decode(errors='replace').strip()}")
    binary: bytes = b" " * _checked(nvrtc.nvrtcGetCUBINSize(made))
    _checked(nvrtc.nvrtcGetCUBIN(made, binary))
    return binary


class Compiled:
    """Kernels loaded into a device's context.

    Args:
        binary: What `cubin` gave.
        device: Where they run.
    """

    def __init__(self, binary: bytes, device: torch.device) -> None:
        from cuda.bindings import driver

        self._driver = driver
        with torch.cuda.device(device):
            torch.cuda.current_stream()  # torch's context is made by its first use
            torch.empty(1, device=device)
            self._module = _checked(driver.cuModuleLoadData(binary))
        self._kernels: dict[str, tuple[Any, int]] = {}

    def launch(
        self, kernel: str, grid: tuple[int, int], threads: int, shared: int, arguments: Sequence[Argument]
    ) -> None:
        """Start a kernel: see `Program`."""
        driver = self._driver
        function, most = self._kernels.get(kernel) or (None, 0)
        if function is None:
            function = _checked(driver.cuModuleGetFunction(self._module, kernel.encode()))
        if shared > most:
            attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            _checked(driver.cuFuncSetAttribute(function, attribute, max(shared, _MOST_STATIC)))
            self._kernels[kernel] = function, shared
        values = tuple(argument.data_ptr() if isinstance(argument, Tensor) else argument or 0 for argument in arguments)
        kinds = tuple(ctypes.c_int if isinstance(argument, int) else ctypes.c_void_p for argument in arguments)
        device = next(argument.device for argument in arguments if isinstance(argument, Tensor))
        with torch.cuda.device(device):
            stream = torch.cuda.current_stream(device).cuda_stream
            _checked(driver.cuLaunchKernel(function, *grid, 1, threads, 1, 1, shared, stream, (values, kinds), 0))


def _checked(outcome: tuple[Any, ...]) -> Any:
    status, *values = outcome
    if int(status):
        raise KernelError(f"CUDA answered {status.name}")
    return values[0] if values else None
