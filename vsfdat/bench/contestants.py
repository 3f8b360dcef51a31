"""Everything that runs FDAT: each one a function from a frame [3, H, W] to a picture, on the same weights.

Peers run only where they are installed; where they are not, the error says which command installs them.
"""

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vsfdat import console
from vsfdat.arch import FDAT, TFDAT, FDATConfig, TFDATConfig
from vsfdat.engine import Precision
from vsfdat.engine.device import DTYPES
from vsfdat.engine.slots import build_slot
from vsfdat.errors import ExportError
from vsfdat.export.write import write_onnx


@dataclass(frozen=True)
class Run:
    """A contestant, ready.

    Args:
        upscale: Turns a frame [3, H, W] into its picture, `at_once` times side by side.
        at_once: How many frames it takes to keep the device busy; a frame's time is a call's divided by this.
        is_same: Whether its picture is to be the plain module's.
    """

    upscale: Callable[[Tensor], Tensor]
    at_once: int = 1
    is_same: bool = True


@dataclass(frozen=True)
class Task:
    """What everybody is asked to do.

    Args:
        network: The weights.
        width: Of the frame, in pixels.
        height: Of the frame, in pixels.
        precision: Of the arithmetic.
        device: Where.
        folder: For files that a peer reads.
    """

    network: FDAT
    width: int
    height: int
    precision: Precision
    device: torch.device
    folder: Path


class UnavailableError(Exception):
    """A contestant cannot run here; the message says why, or which command installs it."""


def ours(task: Task) -> Run:
    """The exact engine, as a slot of `vsfdat.upscale` runs it."""
    return Run(build_slot(task.network, task.device, task.precision)())


def without_time(task: Task) -> Run:
    """The same network without its neighbours, to see what they cost: FDAT's own body in the exact engine."""
    config = task.network.config
    if not isinstance(config, TFDATConfig):
        raise UnavailableError("is for models that look at neighbours")
    plain = FDAT(FDATConfig(**{field.name: getattr(config, field.name) for field in fields(FDATConfig) if field.init}))
    run = build_slot(plain.eval().requires_grad_(False), task.device, task.precision)()
    return Run(lambda frames: run(frames[len(frames) // 2]), is_same=False)


def reference(task: Task) -> Run:
    """The plain module as the community runs it: spandrel's, eager."""
    return _running(_spandrels(task), task)


def compiled(task: Task) -> Run:
    """The plain module under torch.compile."""
    mode = "max-autotune" if task.device.type == "cuda" else None
    return _running(torch.compile(_spandrels(task), mode=mode), task)


def openvino(task: Task) -> Run:
    """OpenVINO through vs-mlrt, whole frame: what VapourSynth's users run on a CPU.

    Its build gives each frame one core, whatever it is asked for, so it gets as many frames at once as there are cores.
    """
    _need_cpu(task)
    import vapoursynth as vs

    if not hasattr(vs.core, "ov"):
        raise UnavailableError(console.missing("vapoursynth-mlrt-ov", install="vapoursynth-mlrt-ov"))
    path, cores = _export(task), torch.get_num_threads()
    source = vs.core.std.BlankClip(format=vs.RGBS, width=task.width, height=task.height, length=1 << 20, keep=True)
    shown: list[Tensor] = []
    clip = source.std.ModifyFrame(source, functools.partial(_show, shown))
    hints = {"INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}[task.precision]}
    upscaled = vs.core.ov.Model([clip], str(path), device="CPU", num_streams=cores, config=lambda: hints)
    numbers = iter(range(1 << 20))

    def run(frame: Tensor) -> Tensor:
        shown[:] = [frame]
        pictures = [upscaled.get_frame_async(next(numbers)) for _ in range(cores)]
        planes = [_planes(picture.result()) for picture in pictures]
        return torch.stack(planes[0])

    return Run(run, at_once=cores)


def onnxruntime(task: Task) -> Run:
    """ONNX Runtime on the CPU, whole frame; it has no low precision there."""
    _need_cpu(task)
    if task.precision != "fp32":
        raise UnavailableError("runs FDAT on a CPU in fp32 only")
    ort = console.require("onnxruntime", UnavailableError, install="onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = ort.InferenceSession(str(_export(task)), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(frame: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: frame.unsqueeze(0).numpy()})[0])[0]

    return Run(run)


CONTESTANTS: dict[str, Callable[[Task], Run]] = {
    "ours": ours,
    "without_time": without_time,
    "reference": reference,
    "compile": compiled,
    "openvino": openvino,
    "onnxruntime": onnxruntime,
}


def _spandrels(task: Task) -> nn.Module:
    if isinstance(task.network, TFDAT):
        raise UnavailableError("runs no models that look at neighbours")
    from spandrel import MAIN_REGISTRY

    module: nn.Module = MAIN_REGISTRY.load(dict(task.network.state_dict())).model.eval()
    module = module.to(task.device, DTYPES[task.precision])
    return module.to(memory_format=torch.channels_last) if task.device.type == "cuda" else module


def _running(module: Callable[[Tensor], Tensor], task: Task) -> Run:
    def run(frame: Tensor) -> Tensor:
        with torch.inference_mode():
            return module(frame.unsqueeze(0).to(DTYPES[task.precision]))[0].float()

    return Run(run)


def _need_cpu(task: Task) -> None:
    if task.device.type != "cpu":
        raise UnavailableError("is compared on the CPU")


def _export(task: Task) -> Path:
    """Write the plain ONNX graph of the network at the frame's size, once a size."""
    path = task.folder / f"fdat-{task.width}x{task.height}.onnx"
    try:
        if not path.exists():
            write_onnx(task.network, path, size=(task.width, task.height))
    except ExportError as error:
        raise UnavailableError(str(error)) from None
    return path


def _show(shown: list[Tensor], n: int, f: Any) -> Any:  # noqa: ARG001
    frame = f.copy()
    for plane in range(3):
        np.copyto(np.asarray(frame[plane]), shown[0][plane].numpy())
    return frame


def _planes(picture: Any) -> list[Tensor]:
    with picture:
        return [torch.from_numpy(np.array(picture[plane])) for plane in range(3)]


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Make the folder for a task's files; it goes when its `with` ends."""
    return tempfile.TemporaryDirectory(prefix="vsfdat-bench-")
