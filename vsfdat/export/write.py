"""A network to an ONNX file: the plain graph, that each runtime folds and fuses as it knows best."""

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vsfdat import console
from vsfdat.arch import FDAT, TFDAT
from vsfdat.errors import ExportError
from vsfdat.options import UpscaleOptions

from .half import to_half

OPSET = 17  # the first with LayerNormalization, which vs-mlrt has known for years

# What a graph of any size is traced on: padded, and unlike on both axes, so that nothing of it is taken for granted.
_TRACED = (43, 29)


class _Series(nn.Module):
    """TFDAT for runtimes, whose pictures have planes: the frames one after another."""

    def __init__(self, network: TFDAT, frames: int) -> None:
        super().__init__()
        self._network, self._frames = network, frames

    def forward(self, x: Tensor) -> Tensor:
        """[1, T·3, H, W] -> [1, 3, H·scale, W·scale]."""
        picture: Tensor = self._network(x.view(x.shape[0], self._frames, 3, *x.shape[2:]))
        return picture


def write_onnx(
    network: FDAT,
    file: Path,
    *,
    size: tuple[int, int] | None = None,
    half: bool = False,
    frames: int = UpscaleOptions.frames,
) -> None:
    """Write a network as an ONNX graph, whole or not at all.

    The graph takes `input`, [1, C, H, W] fp32 in [0, 1], and gives `output`, [1, C, H·scale, W·scale] fp32, not
    clamped.

    Args:
        network: What `load_model` gave; it is not changed. A TFDAT takes its frames one after another, C = T·3.
        file: To be written or replaced.
        size: Width and height in pixels of a graph for frames of this size alone; None for any size.
        half: Whether weights and maps are fp16, and norms, softmax and sums over the frame fp32; not for TFDAT.
        frames: As many as a TFDAT looks at, odd.

    Raises:
        ExportError: A package is missing, the network is not for fp16, or PyTorch cannot export it.
        OSError: The file cannot be written.
    """
    if half and isinstance(network, TFDAT):
        raise ExportError("a TFDAT is exported in fp32 alone: fp16 has too few digits for where its frames have moved")
    onnx = require("onnx")
    module: nn.Module = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    if isinstance(module, TFDAT):
        module = _Series(module, frames)
    width, height = size or _TRACED
    part = file.with_name(file.name + ".part")
    try:
        _trace(module, torch.zeros(1, _channels(network, frames), height, width), part, is_dynamic=size is None)
        if half:
            onnx.save(to_half(onnx.load(part), network), part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def require(name: str) -> Any:
    """Import a package of the extra `onnx`.

    Raises:
        ExportError: It is not installed.
    """
    return console.require(name, ExportError, install='"vsfdat[onnx]"')


def _channels(network: FDAT, frames: int) -> int:
    return network.config.num_in_ch * (frames if isinstance(network, TFDAT) else 1)


def _trace(module: nn.Module, example: Tensor, file: Path, *, is_dynamic: bool) -> None:
    axes = {"input": {2: "height", 3: "width"}, "output": {2: "output_height", 3: "output_width"}}
    with warnings.catch_warnings():
        # That the tracer is the older exporter, and what of it could be wrong; `check` holds the graph to the network.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module, (example,), str(file), dynamo=False, opset_version=OPSET, input_names=["input"],
                output_names=["output"], dynamic_axes=axes if is_dynamic else None,
            )  # fmt: skip
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            raise ExportError(f"PyTorch cannot export this network ({str(error).splitlines()[0]})") from error
