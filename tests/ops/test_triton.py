"""Triton's interpreter must be chosen before Triton is imported, and would slow the other tests: hence a process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vsfdat.ops import triton as ops

ROOT = Path(__file__).parents[2]


def test_kernels_run_through_the_interpreter():
    pytest.importorskip("triton", reason="Triton is not installed: there are no kernels to test")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/ops/interpreted"]
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert re.search(r"\d+ passed", run.stdout), run.stdout
    assert "skipped" not in run.stdout, run.stdout


def test_kernels_are_for_cuda_and_the_reason_is_said():
    assert ops.available(torch.device("cpu")) == (False, "the kernels are for CUDA devices, this is cpu")


def test_asking_does_not_import_triton():
    program = "import sys, torch; from vsfdat.ops import triton as ops; ops.available(torch.device('cpu'))"
    program += "; assert not any(name.startswith('vsfdat.ops.triton.') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
