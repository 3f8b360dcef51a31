"""Where the programme runs and at which sizes; how it times; what it writes down."""

import json
import statistics
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from vsfdat.arch.config import PRESETS, FDATConfig

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class Setting:
    """The device, or for a dry run the CPU at sizes that the interpreter can bear."""

    device: torch.device
    dry: bool

    def network(self, preset: str, **overrides: Any) -> FDATConfig:
        """A preset at scale 2; in a dry run so small that it says nothing but that the programme runs."""
        small = {"embed_dim": 24, "num_heads": 2, "num_groups": 1, "depth_per_group": 1}
        overrides = {"scale": 2} | overrides | (small if self.dry else {})
        return FDATConfig(**(PRESETS[preset].__dict__ | overrides))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The size, a 480th of it in a dry run."""
        return (width // 480, height // 480) if self.dry else (width, height)

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def milliseconds(self, work: Callable[[], Any], repeats: int = 20) -> float:
        """The median time of some work, by device events, after three runs that do not count."""
        repeats, warm = (1, 0) if self.dry else (repeats, 3)
        for _ in range(warm):
            work()
        self.synchronize()
        return statistics.median(self._one(work) for _ in range(repeats))

    def _one(self, work: Callable[[], Any]) -> float:
        if self.device.type != "cuda":
            start = time.perf_counter()
            work()
            return 1e3 * (time.perf_counter() - start)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)


def significant(value: float) -> float:
    """Four digits: more would be noise."""
    return float(f"{value:.4g}")


@dataclass
class Report:
    """What has been found so far; written after every row, so that a run that is cut short leaves its results.

    Args:
        path: Of the JSON.
        deadline: On `time.monotonic`; no stage begins a row after it.
    """

    path: Path
    deadline: float
    content: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def stage(self, name: str, work: Callable[[], Any]) -> None:
        """Run a stage of one result; what it raises is a failure and the next one goes on."""
        start = time.perf_counter()
        self.content[name] = self._attempt(name, work)
        self._end(name, start)

    def rows(self, name: str, prepare: Callable[[], Sequence[Callable[[], Any]]], seconds: float) -> None:
        """Run a stage of many results, the most important first.

        Args:
            name: Under which they are written.
            prepare: Gives one callable a row; what that raises is a failure and the next one goes on.
            seconds: After which none is begun; that some are missing is a failure too.
        """
        start, deadline = time.perf_counter(), min(self.deadline, time.monotonic() + seconds)
        found = self.content[name] = []
        left = list(self._attempt(name, prepare) or ())
        while left and time.monotonic() < deadline:
            row = self._attempt(name, left.pop(0))
            found += [row] if row is not None else []
            self.write()
        self.expect(not left, f"{name}: out of time, {len(left)} rows left out")
        self._end(name, start)

    def _attempt(self, name: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:
            self.failures.append(f"{name}: {type(error).__name__}: {str(error)[:500]}")
            traceback.print_exc()
            return None

    def _end(self, name: str, start: float) -> None:
        took = time.perf_counter() - start
        self.content.setdefault("seconds", {})[name] = round(took, 1)
        print(f"[{took:6.1f} s] {name}: {json.dumps(self.content.get(name))}", flush=True)
        self.write()

    def expect(self, holds: bool, message: str) -> None:
        """Note a failure unless something holds."""
        if not holds:
            self.failures.append(message)

    def write(self) -> None:
        """Leave the JSON."""
        self.path.write_text(json.dumps(self.content | {"failures": self.failures}, indent=2) + "\n")


def machine(setting: Setting) -> dict[str, Any]:
    """Device, versions, commit: what every figure must carry."""
    import spandrel
    import triton

    facts: dict[str, Any] = {"dry_run": setting.dry, "date": datetime.now(UTC).isoformat(timespec="seconds")}
    if setting.device.type == "cuda":
        properties = torch.cuda.get_device_properties(setting.device)
        facts |= {
            "device": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "driver": _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        }
    versions = {"torch": torch.__version__, "triton": triton.__version__, "spandrel": spandrel.__version__}
    commit = _output("git", "rev-parse", "HEAD") + ("+" if _output("git", "status", "--porcelain", "-uno") else "")
    return facts | versions | {"cuda": torch.version.cuda, "commit": commit}


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
