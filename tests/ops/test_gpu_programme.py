"""The GPU programme of tests.bench.gpu, where there is no GPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
STAGES = {
    "machine", "ceilings", "kernel_exactness", "beyond_int32", "exactness", "breakdown", "comparison", "compile",
    "goals",
}  # fmt: skip


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.bench.gpu", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def test_runs_through_every_stage_dry(tmp_path):
    pytest.importorskip("triton", reason="Triton is not installed: there are no kernels to measure")
    path = tmp_path / "gpu.json"
    done = run("--dry-run", "--out", path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(path.read_text())
    assert found["failures"] == []
    assert set(found) == STAGES | {"seconds", "failures"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which the programme would measure")
def test_cannot_pass_without_a_gpu(tmp_path):
    done = run("--out", tmp_path / "gpu.json")
    assert done.returncode == 2
    assert done.stdout.startswith("There is no CUDA device here: nothing was measured.")
    assert not (tmp_path / "gpu.json").exists()
