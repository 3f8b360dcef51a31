"""Interleaved runs, medians, peak memory in a process of its own."""

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from vsfdat.arch import FDAT, TFDAT
from vsfdat.engine import Precision, choose_precision, find_devices
from vsfdat.models import DEFAULT_MODEL, load_model
from vsfdat.options import UpscaleOptions

from .contestants import CONTESTANTS, Run, Task, UnavailableError, temporary_folder


@dataclass(frozen=True)
class Settings:
    """What to compare.

    Args:
        model: A name in the catalog, the path of a checkpoint, or a preset's name for random weights.
        width: Of the frame, in pixels.
        height: Of the frame, in pixels.
        precision: "auto", "fp32", "fp16" or "bf16".
        device: One device.
        engines: Names in `CONTESTANTS`.
        frames: Timed runs of each, after one that is not counted; 0 for the memory alone.
        memory: Whether to measure peak memory too, in one more process an engine.
    """

    model: str = DEFAULT_MODEL
    width: int = 480
    height: int = 272
    precision: str = "auto"
    device: str = "auto"
    engines: Sequence[str] = ("ours", "reference")
    frames: int = 5
    memory: bool = True


@dataclass(frozen=True)
class Result:
    """One contestant's figures; `why_not` instead where it could not run.

    Args:
        name: The contestant's.
        seconds: Of each timed run.
        difference: Largest difference from the plain module in fp32, in picture values of 0 to 1.
        peak_bytes: Most memory taken above what the process had before the first frame.
        why_not: A sentence, or the command that installs what is missing.
    """

    name: str
    seconds: tuple[float, ...] = ()
    difference: float | None = None
    peak_bytes: int | None = None
    why_not: str | None = None

    @property
    def median(self) -> float:
        """Seconds a frame."""
        return statistics.median(self.seconds)


def compare(settings: Settings, tell: Callable[[str], None]) -> list[Result]:
    """Run all contestants in turn, frame by frame, so that a machine that slows down slows them all.

    Args:
        settings: What to compare.
        tell: Hears what is going on.

    Raises:
        ValueError: A setting is unusable.
    """
    unknown = set(settings.engines) - CONTESTANTS.keys()
    if unknown:
        raise ValueError(f"engines must be some of {', '.join(CONTESTANTS)}, passed {', '.join(sorted(unknown))}")
    results = _race(settings, tell) if settings.frames else {name: Result(name) for name in settings.engines}
    if settings.memory:
        results = {name: _with_peak(settings, result, tell) for name, result in results.items()}
    return list(results.values())


def _race(settings: Settings, tell: Callable[[str], None]) -> dict[str, Result]:
    with temporary_folder() as folder:
        task = make_task(settings, Path(folder))
        torch.manual_seed(0)
        frame = make_frame(task)
        tell("running the plain module, for the differences")
        truth = _plain(task, frame)
        runs, absent = _build_all(task, settings.engines, tell)
        pictures = {name: run.upscale(frame.to(task.device)).clone() for name, run in runs.items()}
        differences = {name: _difference(pictures[name], truth) for name, run in runs.items() if run.is_same}
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(settings.frames):
            tell(f"round {number + 1} of {settings.frames}")
            for name, run in runs.items():
                seconds[name].append(_timed(run, frame.to(task.device)))
    present = {name: Result(name, tuple(seconds[name]), differences.get(name)) for name in runs}
    return {name: present.get(name) or absent[name] for name in settings.engines}


def _with_peak(settings: Settings, result: Result, tell: Callable[[str], None]) -> Result:
    if result.why_not is not None:
        return result
    tell(f"measuring the memory of {result.name}")
    try:
        return replace(result, peak_bytes=_peak_bytes(settings, result.name))
    except UnavailableError as error:
        return replace(result, why_not=str(error))


def make_task(settings: Settings, folder: Path) -> Task:
    """Settle the device and the precision, and load the weights."""
    device = find_devices(settings.device)[0]
    precision: Precision = choose_precision(settings.precision, device)
    return Task(_network(settings.model), settings.width, settings.height, precision, device, folder)


def make_frame(task: Task) -> Tensor:
    """Make what is upscaled: noise [3, H, W], or five frames of it for a model that looks at neighbours."""
    count = (UpscaleOptions.frames,) if isinstance(task.network, TFDAT) else ()
    return torch.rand(*count, 3, task.height, task.width)


def _network(model: str) -> FDAT:
    from vsfdat.arch import PRESETS

    if model not in PRESETS:
        return load_model(model)
    torch.manual_seed(0)
    return FDAT(PRESETS[model], scale=2).eval().requires_grad_(False)


def _build_all(
    task: Task, names: Sequence[str], tell: Callable[[str], None]
) -> tuple[dict[str, Run], dict[str, Result]]:
    runs, absent = {}, {}
    for name in names:
        tell(f"preparing {name}")
        try:
            runs[name] = CONTESTANTS[name](task)
        except UnavailableError as error:
            absent[name] = Result(name, why_not=str(error))
    return runs, absent


def _plain(task: Task, frame: Tensor) -> Tensor:
    with torch.inference_mode():
        picture: Tensor = task.network.to(task.device)(frame.unsqueeze(0).to(task.device))[0].cpu()
    task.network.to("cpu")
    return picture


def _difference(picture: Tensor, truth: Tensor) -> float:
    return (picture.float().cpu() - truth).abs().max().item()


def _timed(run: Run, frame: Tensor) -> float:
    start = time.perf_counter()
    run.upscale(frame)
    if frame.device.type != "cpu":
        torch.accelerator.synchronize()
    return (time.perf_counter() - start) / run.at_once


def _peak_bytes(settings: Settings, name: str) -> int | None:
    """Run one contestant for one frame in a fresh process and see how far its memory rises."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_rise_of_contestant, (settings, name))


def _rise_of_contestant(settings: Settings, name: str) -> int | None:
    with temporary_folder() as folder:
        task = make_task(settings, Path(folder))
        run = CONTESTANTS[name](task)
        frame = make_frame(task).to(task.device)
        if task.device.type == "cuda":
            return _rise_on_cuda(lambda: run.upscale(frame), task.device)
        if task.device.type == "cpu" and sys.platform == "linux":
            return rise_of_memory(lambda: run.upscale(frame))
        return None


def _rise_on_cuda(work: Callable[[], object], device: torch.device) -> int:
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return torch.cuda.max_memory_allocated(device) - before


def rise_of_memory(work: Callable[[], object]) -> int:
    """Measure how far a piece of work lifts the process's resident memory, in bytes; on Linux."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of what came before
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
