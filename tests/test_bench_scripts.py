"""The scripts that measure by hand still run: else nobody notices before the next figure is wanted."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import encoder_rate
from tests.bench.encoder_rate import Paced
from vsfdat.encode.makers.segmented import Segmented

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path.stem for path in (ROOT / "tests/bench").glob("[a-z]*.py"))


def run(script: str, *arguments: str) -> str:
    line = [sys.executable, "-m", f"tests.bench.{script}", *arguments]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_each_imports_is_there(script: str) -> None:
    if script == "compile_matrix":
        pytest.importorskip("triton", reason="Triton is not installed, which brings cuobjdump")
    importlib.import_module(f"tests.bench.{script}")


@pytest.mark.parametrize(("kind", "name"), [(Paced, "stand-in of 200 fps"), (Segmented, "libx264 ultrafast")])
def test_the_encoders_rate(
    kind: type[Segmented], name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(encoder_rate, "SIZE", (64, 48))
    monkeypatch.setattr(encoder_rate, "at_work", [])
    monkeypatch.setattr(Paced, "rate", 200.0)
    encoder_rate.run("h264", "ultrafast", kind, frames=4, repeats=1)
    first, *ways, last = capsys.readouterr().out.splitlines()
    assert first == f"{name} 64x48, 4 frames, median of 1"
    assert [way[:20].rstrip() for way in ways] == ["the encoder alone", "one after the other", "side by side"]
    assert last.startswith("side by side the encoder was at work ")


def test_the_ends_of_processes() -> None:
    assert run("exit_loop", "3") == "abandon: 1 ended with 0\ndrop: 1 ended with 0\nhold: 1 ended with 0\n"


def test_damaged_films() -> None:
    first, second, summary = run("fuzz_files", "--count", "2").splitlines()
    assert first.split()[0] == "0"
    assert second.split()[0] == "1"
    assert summary.startswith("seed 0, 2 files: ")


def test_what_kernels_take() -> None:
    pytest.importorskip("triton", reason="Triton is not installed, which brings cuobjdump")
    chosen = ("--ops", "cuda", "--kernels", "conv3x3", "--capabilities", "12.0", "--dtypes", "fp16")
    table = run("compile_matrix", *chosen, "--presets", "fdat_tiny")
    assert [line.split()[0] for line in table.splitlines()] == ["op", "cuda", "conv3x3"]
