"""The sub-command `vsfdat bench`."""

import json
from pathlib import Path

from vsfdat import console
from vsfdat.models import DEFAULT_MODEL
from vsfdat.options import PrecisionChoice


def bench(
    *,
    model: str = DEFAULT_MODEL,
    size: str = "480x272",
    precision: PrecisionChoice = "auto",
    device: str = "auto",
    engines: str = "ours,reference,openvino,onnxruntime",
    frames: int = 5,
    memory: bool = False,
    start: bool = False,
    json_file: Path | None = None,
) -> None:
    """Time ours beside everything else that runs FDAT here, in one interleaved run.

    Parameters
    ----------
    model
        A name that `vsfdat models` lists, a checkpoint, or a preset such as fdat_medium for random weights.
    size
        Width and height of the frame in pixels.
    precision
        Of everybody's arithmetic; auto is fp16 on CUDA, else fp32.
    device
        auto, cpu, cuda, cuda:1, mps.
    engines
        Some of ours, reference, compile, openvino, onnxruntime, with commas between; and without_time, for what looking
        at neighbours costs.
    frames
        Timed frames of each; the medians count. 0 times nothing, for the memory alone.
    memory
        Measure peak memory too, in one more process for each.
    start
        Time instead how long the first frame takes, stage by stage, with nothing kept from earlier and again.
    json_file
        A file for all the figures.
    """
    if start:
        from .start import measure_start
        from .start import to_table as to_stages

        console.show(to_stages(measure_start(model, _size(size), precision, device)))
        return
    from .measure import Settings, compare
    from .report import to_json, to_table

    width, height = _size(size)
    if frames < (0 if memory else 1):
        raise ValueError(f"--frames must be at least 1, or 0 with --memory, passed {frames}")
    settings = Settings(model, width, height, precision, device, tuple(engines.split(",")), frames, memory)
    results = compare(settings, console.say)
    facts = to_json(settings, results)
    console.show(to_table(settings, results, facts))
    if json_file is not None:
        json_file.write_text(json.dumps(facts, indent=1) + "\n")


def _size(size: str) -> tuple[int, int]:
    """Read 480x272.

    Raises:
        ValueError: It is no size.
    """
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise ValueError(f"--size must be WIDTHxHEIGHT in pixels, passed {size!r}")
    return int(width), int(height)
