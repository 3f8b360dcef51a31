"""The C++ and CUDA sources read alike: as `.clang-format` says, in 120 columns."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for path in ROOT.glob("*/ops/**/*") if path.suffix in {".cpp", ".h", ".cu", ".cuh"})


def test_no_line_is_longer_than_120_columns() -> None:
    lines = ((path.name, number, line) for path in SOURCES for number, line in enumerate(_lines(path), 1))
    assert [(name, number) for name, number, line in lines if len(line) > 120] == []


def test_sources_are_formatted() -> None:
    if shutil.which("clang-format") is None:
        pytest.skip("clang-format is not installed, it comes with the dev group")
    done = subprocess.run(
        ["clang-format", "--dry-run", "--Werror", *map(str, SOURCES)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
