"""Triton's interpreter must be chosen before Triton is imported, and would slow the other tests: hence a process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.ops.kernel_cases import SHAPES
from vsfdat.ops import triton as ops

SHAPE = SHAPES["fdat_medium"].network
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_kernels_run_through_the_interpreter():
    pytest.importorskip("triton", reason="Triton is not installed: there are no kernels to test")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/ops/interpreted"]
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert re.search(r"\d+ passed", run.stdout), run.stdout
    assert "skipped" not in run.stdout, run.stdout


def test_kernels_are_for_cuda_and_the_reason_is_said():
    reason = "the kernels are for CUDA devices, this is cpu"
    assert ops.why_not(torch.device("cpu"), torch.float16, SHAPE) == reason


@pytest.mark.parametrize(
    ("capability", "dtype", "reason"),
    [
        ((7, 5), torch.float16, "the kernels need compute capability 8.0 or newer, cuda:0 has 7.5"),
        ((8, 0), torch.float32, None),
        ((8, 9), torch.float16, None),
        ((8, 9), torch.float32, "in fp32 the kernels need more shared memory than cuda:0 has; fp16 fits"),
        ((12, 0), torch.float32, "in fp32 the kernels need more shared memory than cuda:0 has; fp16 fits"),
        ((10, 3), torch.bfloat16, None),
    ],
)
def test_the_gpu_decides(monkeypatch, capability, dtype, reason):
    pytest.importorskip("triton", reason="Triton is not installed: that would be the reason")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(ops, "_obstacle", lambda device: None)
    assert ops.why_not(torch.device("cuda:0"), dtype, SHAPE) == reason


def test_without_a_c_compiler_the_kernels_are_not_used(monkeypatch):
    """Triton calls one at the first launch; its wheel brings none along."""
    pytest.importorskip("triton", reason="Triton is not installed: that would be the reason")

    def fail(*operands):
        raise RuntimeError("Failed to find C compiler. Please specify via CC environment variable\nor so")

    monkeypatch.setattr("vsfdat.ops.triton.matrix.product", fail)
    monkeypatch.setattr(torch, "ones", lambda *size, device, **others: torch.zeros(*size, **others))
    said = ops._obstacle.__wrapped__(torch.device("cuda:0"))
    assert said == (
        "Triton cannot launch a kernel on cuda:0: Failed to find C compiler. Please specify via CC environment variable"
    )


@pytest.mark.slow
def test_asking_does_not_import_triton():
    program = "import sys, torch; from vsfdat.ops import NetworkShape, triton as ops"
    program += "; ops.why_not(torch.device('cpu'), torch.float16, NetworkShape(120, 4, 240, 8))"
    program += "; assert 'vsfdat.ops.triton.tile' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
