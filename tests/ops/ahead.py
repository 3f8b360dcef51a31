"""Compile the kernels as an op would launch them on a GPU that is not here, and count what they take of it.

Triton brings the whole compiler, ptxas and all; only launching needs a GPU. The ops run on CPU tensors with their
launches caught: each is compiled for the wanted GPU and not run.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, make_backend
from triton.runtime.jit import JITFunction, create_function_from_signature

from vsfdat.ops.cuda import build, gpu
from vsfdat.ops.triton import launch

# Shared memory of a block at most, KiB, by compute capability.
_SHARED = {(8, 0): 163, (8, 6): 99, (8, 9): 99, (9, 0): 227, (12, 0): 99}


@dataclass(frozen=True)
class Compiled:
    """One kernel's demands: registers a thread, bytes of shared memory a block, bytes of stack (spills) a thread."""

    kernel: str
    warps: int
    registers: int
    shared: int
    stack: int
    warpgroup_mma: bool
    mma: bool

    def fits(self, capability: tuple[int, int]) -> int:
        """Count the blocks that one multiprocessor holds at a time, by registers and shared memory."""
        shared = (_SHARED[capability] + 1) * 1024
        by_registers = 65536 // (self.warps * 32 * -(-self.registers // 8) * 8)
        return min(by_registers, shared // (self.shared + 1024))


@contextmanager
def compiling_for(capability: tuple[int, int]) -> Iterator[list[Compiled]]:
    """Catch every launch within and compile it instead; what came of them is in the list."""
    target = GPUTarget("cuda", capability[0] * 10 + capability[1], 32)
    compiled: list[Compiled] = []

    def run(self: JITFunction, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> None:
        compiled.append(_compile(self, target, args, kwargs))

    with patch.object(JITFunction, "run", run), patch.object(launch, "capability_of", lambda x: capability):
        yield compiled


@contextmanager
def cuda_compiling_for(capability: tuple[int, int]) -> Iterator[list[Compiled]]:
    """The same for the CUDA C++ kernels."""
    compiled: list[Compiled] = []

    def load(source: str, facts: tuple[tuple[str, float], ...], device: Any) -> Any:
        usage = _resource_usage(build.cubin(source, dict(facts), capability))
        found = dict(re.findall(r"Function (\w+):\s*\n\s*(.*)", usage))

        def launch(kernel: str, grid: Any, threads: int, shared: int, arguments: Any) -> None:
            numbers = {name: int(number) for name, number in re.findall(r"(\w+):(\d+)", found[kernel])}
            compiled.append(Compiled(
                kernel=kernel, warps=threads // 32, registers=numbers["REG"], shared=shared, stack=numbers["STACK"],
                warpgroup_mma=False, mma=kernel != "spatial_reduce",
            ))  # fmt: skip

        return SimpleNamespace(launch=launch)

    def blocks_per_multiprocessor(shared: int, device: Any) -> int:
        return max(1, min(2, (_SHARED[capability] + 1) * 1024 // (shared + 1024)))

    with (
        patch.object(build, "load", load),
        patch.object(gpu, "blocks_per_multiprocessor", blocks_per_multiprocessor),
        patch.object(gpu, "most_bytes", lambda device: _SHARED[capability] * 1024),
    ):
        yield compiled


def _compile(kernel: Any, target: GPUTarget, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Compiled:
    backend = make_backend(target)
    bind = create_function_from_signature(kernel.signature, kernel.params, backend)
    bound, specialization, options = bind(*args, **kwargs)
    options, signature, constants, attributes = kernel._pack_args(backend, kwargs, bound, specialization, options)
    source = ASTSource(kernel, signature, constants, attributes)
    binary = triton.compile(source, target=target, options=options.__dict__)
    usage = _resource_usage(binary.asm["cubin"])
    return Compiled(
        kernel=kernel.__name__,
        warps=options.num_warps,
        registers=int(re.search(r"REG:(\d+)", usage)[1]),
        shared=binary.metadata.shared,
        stack=int(re.search(r"STACK:(\d+)", usage)[1]),
        warpgroup_mma="wgmma.mma_async" in binary.asm["ptx"],
        mma="mma.sync" in binary.asm["ptx"],
    )


def _resource_usage(cubin: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
