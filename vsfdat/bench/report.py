"""Results for people and for programs."""

import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from .contestants import temporary_folder
from .measure import Result, Settings, make_task
from .work import multiply_adds

_VERSIONS = ("vsfdat", "torch", "vapoursynth", "spandrel", "vapoursynth-mlrt-ov", "onnxruntime")


def to_table(settings: Settings, results: Sequence[Result], facts: dict[str, Any]) -> str:
    """Lay the figures and the facts that `to_json` gave out for a terminal, each contestant beside ours."""
    ours = next((result.median for result in results if result.name == "ours" and result.seconds), None)
    timed = f"medians of {settings.frames} interleaved frames" if settings.frames else "memory alone"
    header = f"{'engine':12} {'ms':>8} {'fps':>7} {'GFLOP/s':>8} {'peak MiB':>9} {'largest diff':>12}  against ours"
    lines = [
        f"{facts['model']} {settings.width}x{settings.height} {facts['precision']} on {facts['device']}, "
        f"{facts['threads']} threads, {timed}",
        header,
    ]
    for result, row in zip(results, facts["results"], strict=True):
        if result.why_not is not None:
            lines.append(f"{result.name:12} not run: {result.why_not}")
            continue
        times = f"{'':8} {'':7} {'':8}"
        if result.seconds:
            times = f"{1000 * result.median:8.0f} {1 / result.median:7.2f} {row['gflops']:8.0f}"
        peak = "" if result.peak_bytes is None else f"{result.peak_bytes / 2**20:.0f}"
        difference = "" if result.difference is None else f"{result.difference:.1e}"
        ratio = f"{result.median / ours:.2f} x the time" if ours and result.seconds else ""
        lines.append(f"{result.name:12} {times} {peak:>9} {difference:>12}  {ratio}".rstrip())
    lines.append(
        f"{facts['machine']}; " + ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    )
    return "\n".join(lines)


def to_json(settings: Settings, results: Sequence[Result]) -> dict[str, Any]:
    """Give everything that was measured, and on what."""
    with temporary_folder() as folder:
        task = make_task(settings, Path(folder))
    pixels = -(-settings.width // task.network.config.unshuffle) * -(-settings.height // task.network.config.unshuffle)
    flops = 2 * multiply_adds(task.network) * pixels
    return {
        "model": settings.model,
        "width": settings.width,
        "height": settings.height,
        "precision": task.precision,
        "device": _device_name(task.device),
        "threads": torch.get_num_threads(),
        "machine": f"{_processor()}, {platform.system()}",
        "versions": {name: version for name in _VERSIONS if (version := _version(name))},
        "gflop_per_frame": flops / 1e9,
        "results": [
            asdict(result)
            | ({"median": result.median, "gflops": flops / result.median / 1e9} if result.seconds else {})
            for result in results
        ],
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
