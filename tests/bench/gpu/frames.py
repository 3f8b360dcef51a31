"""Whole frames: exactness end to end, the comparison table, CUDA graphs, memory."""

import copy
import gc
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from tests.random_weights import random_network
from vsfdat.arch import FDAT, FDATConfig
from vsfdat.engine import Engine, runner
from vsfdat.engine.graphs import Graphed, Recorded
from vsfdat.engine.slots import build_slot
from vsfdat.ops import Backend, choose, triton
from vsfdat.ops.triton.launch import is_large

from . import peer
from .networks import spandrels
from .setting import DTYPES, Report, Setting, significant

_TABLE = [
    ("fdat_medium", (1920, 1080), {}), ("fdat_medium", (720, 480), {}), ("fdat_medium", (3840, 2160), {}),
    ("fdat_light", (1920, 1080), {}), ("fdat_xl", (1920, 1080), {}),
    ("fdat_medium", (1920, 1080), {"unshuffle_mod": True}),
]  # fmt: skip


_DRY = Backend("triton", triton, cuts_itself=True)  # through the interpreter


def engine(setting: Setting, module: FDAT, dtype: torch.dtype) -> runner.ExactEngine:
    """The exact engine on the kernels that it should choose; in a dry run on Triton's.

    Only the GPUs of data centres have the shared memory for all of them; on others it is reported what was chosen.
    """
    backend = _DRY if setting.dry else choose(setting.device, dtype, runner.shape_of(module.config))
    expected = "triton" if setting.dry or dtype == torch.float32 else "cuda"
    if backend.name != expected and is_large(torch.cuda.get_device_capability(setting.device)):
        raise RuntimeError(f"the engine chose {backend.name}, not {expected}")
    print(f"{module.config.embed_dim} channels, {dtype}: {backend.name}")
    return runner.build(module, setting.device, dtype, backend=backend)()


def exactness(setting: Setting, report: Report) -> list[Callable[[], Any]]:
    """The engine and the plain module at each precision, both against the plain module in float64: rows."""
    sizes = [(5, 3)] if setting.dry else [(203, 121), (64, 64)]
    return [
        partial(_errors, setting, report, size, precision)
        for size in sizes
        for precision in (["fp32"] if setting.dry else DTYPES)
    ]


def _errors(setting: Setting, report: Report, wanted: tuple[int, int], precision: str) -> dict[str, Any]:
    module = random_network(setting.network("fdat_medium"))
    frame = torch.rand(3, wanted[1], wanted[0], device=setting.device)
    with torch.inference_mode():
        truth = copy.deepcopy(module).to(setting.device, torch.float64)(frame[None].double())[0]
    dtype = DTYPES[precision]
    plain = copy.deepcopy(module).to(setting.device, dtype)
    upscale = engine(setting, module, dtype)
    with torch.inference_mode():
        theirs = plain(frame[None].to(dtype))[0]
        picture = upscale(frame).clone()
        again = upscale(frame)
    size = f"{frame.shape[2]}x{frame.shape[1]}"
    errors = {name: float((made.double() - truth).abs().max()) for name, made in (("ours", picture), ("torch", theirs))}
    report.expect(errors["ours"] <= 2 * errors["torch"] + 1e-6, f"fdat_medium {size} {precision}: errors {errors}")
    report.expect(torch.equal(picture, again), f"fdat_medium {size} {precision}: a second run differs from the first")
    return {"size": size, "precision": precision} | errors


def comparison(setting: Setting, report: Report, found: dict[str, Any]) -> list[Callable[[], Any]]:
    """Milliseconds a frame in fp16: ours, ours as a CUDA graph, spandrel's eager module in channels_last: rows.

    The first is what the project's goals are for.
    """
    table = _TABLE[-1:] if setting.dry else _TABLE
    return [partial(_row, setting, report, found, preset, size, overrides) for preset, size, overrides in table]


def _row(
    setting: Setting, report: Report, found: dict[str, Any], preset: str, size: Any, overrides: Any
) -> dict[str, Any]:
    config = setting.network(preset, **overrides)
    width, height = setting.size(*size)
    module = random_network(config)
    frame = torch.rand(3, height, width, device=setting.device)
    row: dict[str, Any] = {"preset": preset, "size": f"{width}x{height}"} | overrides
    row |= _ours(setting, report, module, frame)
    row["spandrel_eager"] = _theirs(setting, spandrels(config, module), frame)
    row["tflop"] = significant(2e-12 * multiply_adds(config) * width * height)
    best = min(row["ours"]["ms"], row["ours_graphed"]["ms"])
    row["share_of_matmul_rate"] = significant(1e3 * row["tflop"] / best / found["ceilings"]["matmul_tflop_s"]["fp16"])
    if "ms" in row["spandrel_eager"]:
        row["times_faster_than_eager"] = significant(row["spandrel_eager"]["ms"] / best)
    return row


def _ours(setting: Setting, report: Report, module: FDAT, frame: Tensor) -> dict[str, Any]:
    """The engine launch by launch; and as a slot runs it: replayed from a graph, whose maps count too, and checked."""
    upscale = engine(setting, module, torch.float16)
    plain = _measured(setting, partial(upscale, frame), 10)
    picture = upscale(frame).cpu()
    del upscale
    slot = _slot(setting, module)
    replayed = _measured(setting, partial(slot, frame), 10)
    size = f"{frame.shape[2]}x{frame.shape[1]}"
    report.expect(torch.equal(slot(frame).cpu(), picture), f"{size}: the CUDA graph's picture differs")
    report.expect(setting.dry or _replays(slot), f"{size}: no CUDA graph could be recorded")
    return {"ours": plain, "ours_graphed": replayed}


def _slot(setting: Setting, module: FDAT) -> Engine:
    make = partial(build_slot, module, setting.device, "fp16")
    if not setting.dry:
        return make()()
    with patch.object(runner, "choose", lambda *_: _DRY):
        return make()()


def _replays(engine: Any) -> bool:
    while not isinstance(engine, Graphed):
        engine = engine._engine
    return isinstance(engine._work, Recorded)


def _theirs(setting: Setting, module: nn.Module, frame: Tensor) -> dict[str, Any]:
    module.to(setting.device, torch.float16, memory_format=torch.channels_last)
    batch = frame[None].half().contiguous(memory_format=torch.channels_last)
    return _measured(setting, lambda: module(batch), 3)


def _measured(setting: Setting, work: Any, repeats: int) -> dict[str, Any]:
    """Time and the allocator's peak above what was there before; or that memory ran out, a result too for a peer."""
    before = _prepare_peak(setting)
    try:
        with torch.inference_mode():
            took = setting.milliseconds(work, repeats)
    except torch.OutOfMemoryError:
        return {"out_of_memory": True}
    peaks = {name: round((peak - before[name]) / 2**20, 1) for name, peak in _peaks(setting).items()}
    return {"ms": significant(took)} | peaks


def _prepare_peak(setting: Setting) -> dict[str, int]:
    if setting.device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(setting.device)
    return _peaks(setting)


def _peaks(setting: Setting) -> dict[str, int]:
    """Bytes in tensors, and bytes held: a graph holds what its launches needed between them."""
    if setting.device.type != "cuda":
        return {"peak_mib": 0, "peak_held_mib": 0}
    device = setting.device
    return {
        "peak_mib": torch.cuda.max_memory_allocated(device), "peak_held_mib": torch.cuda.max_memory_reserved(device)
    }  # fmt: skip


def multiply_adds(config: FDATConfig) -> float:
    """Multiply-adds a frame pixel as the plain network is defined, the channel attention folded."""
    c, d, tokens = config.embed_dim, config.ffn_dim, config.window_size**2
    spatial = 4 * c * c + 2 * tokens * c
    channel = 2 * c * c
    blocks = [spatial if kind == "spatial" else channel for kind in config.block_types] * config.num_groups
    body = sum(blocks) + len(blocks) * (2 * c * d + 9 * (c + d)) + (config.num_groups + 1) * 9 * c * c
    ends = 9 * c * (config.num_in_ch * config.unshuffle**2) + 4 * c * config.num_out_ch * config.head_scale**2
    return (body + ends) / config.unshuffle**2


def compiled(setting: Setting, seconds: float) -> dict[str, Any]:
    """Spandrel's module under torch.compile, in a process that can be stopped: its autotuning may take minutes."""
    if setting.dry:
        return peer.measure(setting)
    command = [sys.executable, "-m", "tests.bench.gpu.peer"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    except subprocess.TimeoutExpired:
        return {"stopped_after_s": round(seconds)}
    except subprocess.CalledProcessError as error:
        raise RuntimeError(error.stderr[-500:]) from None
    return json.loads(run.stdout.splitlines()[-1])
