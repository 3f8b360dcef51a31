"""Clips through `vsfdat.upscale`: how near they come to the engine's own speed, and what is left after reloads."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import vapoursynth as vs

import vsfdat
from tests.random_weights import random_network
from vsfdat.engine.slots import build_slot

from .setting import Report, Setting, significant

# What decodes and converts faster than the network runs: frames of one colour, made once.
_TABLE = [
    ("fdat_medium", (1920, 1080), vs.RGB24), ("fdat_medium", (1280, 720), vs.RGB24),
    ("fdat_tiny", (1920, 1080), vs.RGB24), ("fdat_tiny", (1280, 720), vs.RGB24),
    ("fdat_tiny", (1920, 1080), vs.YUV420P8),
]  # fmt: skip
_WARM, _SECONDS = 6, 4.0


def speeds(setting: Setting) -> list[Callable[[], Any]]:
    """Frames a second through the plugin with its defaults beside a slot's own on frames that lie ready: rows."""
    return [partial(_speed, setting, *row) for row in (_TABLE[-1:] if setting.dry else _TABLE)]


def _speed(setting: Setting, preset: str, size: Any, form: vs.PresetVideoFormat) -> dict[str, Any]:
    width, height = setting.size(*size)
    module = random_network(setting.network(preset))
    alone = _engine_fps(setting, module, width, height)
    count = 2 if setting.dry else int(min(max(alone * _SECONDS, 24), 400))
    blank = vs.core.std.BlankClip(None, width // 2 * 2, height // 2 * 2, form, length=_WARM + count, keep=True)
    clip = vsfdat.upscale(blank.std.SetFrameProps(_Matrix=1), module, device=str(setting.device))
    frames = clip.frames(prefetch=8, close=True)
    for _ in range(_WARM):
        next(frames)
    start = time.perf_counter()
    made = sum(1 for _ in frames)
    through = made / (time.perf_counter() - start)
    return {
        "preset": preset, "size": f"{width}x{height}", "format": form.name, "engine_fps": significant(alone),
        "upscale_fps": significant(through), "share": significant(through / alone),
    }  # fmt: skip


def _engine_fps(setting: Setting, module: vsfdat.arch.FDAT, width: int, height: int) -> float:
    upscale = build_slot(module, setting.device, "fp32" if setting.dry else "fp16")()
    frame = torch.rand(3, height, width, device=setting.device)
    return 1e3 / setting.milliseconds(lambda: upscale(frame), 10)


def reloads(setting: Setting, report: Report, seconds: float) -> dict[str, Any]:
    """What a previewer's process holds after the first reload and after the last, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.gpu.reloads", str(setting.device), str(2 if setting.dry else 20)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    held = [json.loads(line) for line in done.stdout.splitlines()]
    first, last = held[0], held[-1]
    for name in ("allocated", "reserved"):
        report.expect(last[name] <= first[name], f"reloads: {name} grew from {first[name]} to {last[name]} bytes")
    return {"count": len(held), "after_first": first, "after_last": last}
