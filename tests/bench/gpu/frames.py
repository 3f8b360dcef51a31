"""Whole frames: exactness end to end, the comparison table, CUDA graphs, memory."""

import copy
import json
import logging
import subprocess
import sys
from typing import Any

import torch
from torch import Tensor, nn

from tests.random_weights import random_network
from vsfdat.arch import FDAT, FDATConfig
from vsfdat.engine import runner
from vsfdat.engine.graphs import Graphed
from vsfdat.notices import Once
from vsfdat.ops import Backend, choose, triton

from . import peer
from .networks import spandrels
from .setting import DTYPES, Report, Setting, significant

_TABLE = [
    ("fdat_medium", (1920, 1080), {}), ("fdat_medium", (720, 480), {}), ("fdat_medium", (3840, 2160), {}),
    ("fdat_light", (1920, 1080), {}), ("fdat_xl", (1920, 1080), {}),
    ("fdat_medium", (1920, 1080), {"unshuffle_mod": True}),
]  # fmt: skip


def engine(setting: Setting, module: FDAT, dtype: torch.dtype) -> runner.ExactEngine:
    """The exact engine on the Triton kernels, in a dry run through the interpreter."""
    backend = Backend("triton", triton, cuts_itself=True) if setting.dry else choose(setting.device, dtype)
    if backend.name != "triton":
        raise RuntimeError(f"the engine chose {backend.name}, not the Triton kernels")
    return runner.build(module, setting.device, dtype, backend=backend)()


def exactness(setting: Setting, report: Report) -> list[dict[str, Any]]:
    """The engine and the plain module at each precision, both against the plain module in float64."""
    module = random_network(setting.network("fdat_medium"))
    found = []
    for width, height in [(5, 3)] if setting.dry else [(203, 121), (64, 64)]:
        frame = torch.rand(3, height, width, device=setting.device)
        with torch.inference_mode():
            truth = copy.deepcopy(module).to(setting.device, torch.float64)(frame[None].double())[0]
        for precision in ["fp32"] if setting.dry else DTYPES:
            found.append(_errors(setting, report, module, frame, truth, precision))
    return found


def _errors(
    setting: Setting, report: Report, module: FDAT, frame: Tensor, truth: Tensor, precision: str
) -> dict[str, Any]:
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


def comparison(setting: Setting, ceilings: dict[str, Any]) -> list[dict[str, Any]]:
    """Milliseconds a frame in fp16: ours, ours as a CUDA graph, spandrel's eager module in channels_last."""
    table = _TABLE[-1:] if setting.dry else _TABLE
    return [_row(setting, ceilings, preset, size, overrides) for preset, size, overrides in table]


def _row(setting: Setting, ceilings: dict[str, Any], preset: str, size: Any, overrides: Any) -> dict[str, Any]:
    config = setting.network(preset, **overrides)
    width, height = setting.size(*size)
    module = random_network(config)
    frame = torch.rand(3, height, width, device=setting.device)
    row: dict[str, Any] = {"preset": preset, "size": f"{width}x{height}"} | overrides
    row |= _ours(setting, module, frame)
    row["spandrel_eager"] = _theirs(setting, spandrels(config, module), frame)
    row["tflop"] = significant(2e-12 * multiply_adds(config) * width * height)
    best = min(row["ours"]["ms"], row["ours_graphed"]["ms"])
    row["share_of_matmul_rate"] = significant(1e3 * row["tflop"] / best / ceilings["matmul_tflop_s"]["fp16"])
    if "ms" in row["spandrel_eager"]:
        row["times_faster_than_eager"] = significant(row["spandrel_eager"]["ms"] / best)
    return row


def _ours(setting: Setting, module: FDAT, frame: Tensor) -> dict[str, Any]:
    """Launch by launch, and replayed from a graph."""
    upscale = engine(setting, module, torch.float16)
    plain = _measured(setting, lambda: upscale(frame), 10)
    graphed = Graphed(upscale, Once(logging.getLogger(__name__)))
    replayed = _measured(setting, lambda: graphed(frame), 10)
    equal = torch.equal(graphed(frame).clone(), upscale(frame))
    return {"ours": plain, "ours_graphed": replayed, "graphed_equals_ours": equal}


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
    peak = torch.cuda.max_memory_allocated(setting.device) - before if setting.device.type == "cuda" else 0
    return {"ms": significant(took), "peak_mib": round(peak / 2**20, 1)}


def _prepare_peak(setting: Setting) -> int:
    if setting.device.type != "cuda":
        return 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(setting.device)
    return torch.cuda.memory_allocated(setting.device)


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
