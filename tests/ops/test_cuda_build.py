"""CUDA C++ into functions that run: compiled for GPUs that are not here, loaded and launched by a stand-in's driver."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tests.fast_loop import parametrize
from tests.ops.emulated import emulating
from tests.ops.kernel_cases import KERNELS, SHAPES, TOLERANCES, Case, CaseShape, kernels_of
from vsfdat.ops import cuda
from vsfdat.ops.cuda import build

CPU = torch.device("cpu")
SMALL = CaseShape(channels=24, heads=2, hidden=40)
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")


def skip_without_nvrtc() -> None:
    try:
        build._nvrtc()
    except build.KernelError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@parametrize("capability", [(8, 0), (8, 9), (9, 0), (12, 0)], quick=[(9, 0)])
@parametrize("source", ["ffn", "spatial", "channel", "conv", "matrix"], quick=["conv"])
def test_compiles(source, capability):
    skip_without_nvrtc()
    facts = {"C": 24, "D": 48, "D_STEP": 48, "HEADS": 2, "MADE": 24, "WARPS": 4, "STAGES": 2, "BLOCKS_PER_SM": 2,
             "EPSILON": 1e-6}  # fmt: skip
    assert build.cubin(source, facts, capability)[:4] == b"\x7fELF"
    assert build.cubin(source, facts | {"FDAT_BF16": 1}, capability)[:4] == b"\x7fELF"


def test_what_does_not_compile_is_said():
    skip_without_nvrtc()
    with pytest.raises(build.KernelError, match=r"ffn.cu with .* does not compile: .*identifier \"C\" is undefined"):
        build.cubin("ffn", {}, (8, 9))


@needs_compiler
def test_a_thread_that_has_not_used_cuda_yet_can_launch():
    case = Case(SMALL, 8, 8, (0, 8), torch.float16, CPU)
    with emulating(), ThreadPoolExecutor(1) as pool:
        KERNELS["ffn"](case, cuda)  # loads the module here
        assert pool.submit(KERNELS["ffn"], case, cuda).result().error <= TOLERANCES[torch.float16]


@needs_compiler
def test_an_error_of_the_driver_is_said():
    x = torch.zeros(1)
    with emulating():
        loaded = build.load("matrix", (), CPU)
        with pytest.raises(build.KernelError, match="CUDA answered with error 500"):
            loaded.launch("ffn", (1, 1), 32, 0, [x])
        with pytest.raises(build.KernelError, match=r"CUDA answered with error 1$"):
            loaded.launch("product", (1, 1), 32, 1 << 20, [x])


def test_what_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(build.KernelError, match=r"NVRTC was not found, looked for .*libnvrtc\.so\.0"):
        build._nvrtc.__wrapped__()


@pytest.mark.slow
@pytest.mark.parametrize("kernel", kernels_of(cuda))
def test_two_blocks_fit_on_a_hopper_without_spilling_much(kernel):
    pytest.importorskip("triton", reason="Triton is not installed, which brings cuobjdump")
    skip_without_nvrtc()
    from tests.ops.ahead import cuda_compiling_for

    case = Case(SHAPES["fdat_medium"], 16, 32, (0, 16), torch.float16, CPU)
    with cuda_compiling_for((9, 0)) as compiled:
        KERNELS[kernel](case, cuda)
    (result,) = compiled
    assert result.fits((9, 0)) >= 2
    assert result.stack <= 64, "registers spilled"
