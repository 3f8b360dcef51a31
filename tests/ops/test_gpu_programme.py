"""The GPU programme of tests.bench.gpu, where there is no GPU."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.bench.gpu.setting import Report

ROOT = Path(__file__).parents[2]
STAGES = {
    "machine", "ceilings", "exactness", "target", "compile", "goals", "clips", "breakdown", "reloads", "comparison",
    "kernel_exactness", "beyond_int32",
}  # fmt: skip


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.bench.gpu", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.slow
def test_runs_through_every_stage_dry(tmp_path):
    pytest.importorskip("triton", reason="Triton is not installed: there are no kernels to measure")
    path = tmp_path / "gpu.json"
    done = run("--dry-run", "--out", path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(path.read_text())
    assert found["failures"] == []
    assert set(found) == STAGES | {"seconds", "failures"}


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which the programme would measure")
def test_cannot_pass_without_a_gpu(tmp_path):
    done = run("--out", tmp_path / "gpu.json")
    assert done.returncode == 2
    assert done.stdout.startswith("There is no CUDA device here: nothing was measured.")
    assert not (tmp_path / "gpu.json").exists()


def test_a_row_that_breaks_and_rows_without_time_are_failures_and_the_others_are_written(tmp_path):
    report = Report(tmp_path / "gpu.json", time.monotonic() + 600)
    report.rows("breaking", lambda: [lambda: {"ms": 1}, lambda: 1 / 0, lambda: {"ms": 3}], 60)
    report.rows("late", lambda: [lambda: time.sleep(0.05) or {"ms": 4}, lambda: {"ms": 5}], 0.01)
    report.rows("unprepared", lambda: {}["ceilings"], 60)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["breaking"] == [{"ms": 1}, {"ms": 3}]
    assert found["late"] == [{"ms": 4}]
    assert found["failures"] == [
        "breaking: ZeroDivisionError: division by zero",
        "late: out of time, 1 rows left out",
        "unprepared: KeyError: 'ceilings'",
    ]
