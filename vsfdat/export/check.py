"""An ONNX file held against the network that it was made of."""

from pathlib import Path

import torch
import torch.nn.functional as F

from vsfdat.arch import FDAT, TFDAT
from vsfdat.errors import ExportError

# Of the picture's range. fp16 keeps a map's digits to 5e-4 of its size.
_TOLERANCE = {False: 1e-4, True: 2e-2}
_SIDES = ((67, 41), (34, 55))  # of frames for a graph of any size
_LARGEST = 256 * 256  # pixels for which the plain network is run on the spot


def check(network: FDAT, file: Path, *, size: tuple[int, int] | None, half: bool, frames: int) -> str:
    """Run an ONNX file beside the network that it was made of, where ONNX Runtime is installed.

    Args:
        network: As `write_onnx` took it.
        file: As `write_onnx` has written it.
        size: As `write_onnx` took it.
        half: As `write_onnx` took it.
        frames: As `write_onnx` took it.

    Returns:
        What came out, in words.

    Raises:
        ExportError: ONNX Runtime refuses the file, or its picture is another one.
    """
    try:
        import onnxruntime
    except ImportError:
        return "not checked: onnxruntime is not installed"
    if size is not None and size[0] * size[1] > _LARGEST:
        size_said = f"{size[0]}x{size[1]}"
        return f"not checked: at {size_said} that takes long; a graph of any size and one of 256x256 are checked"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        worst = max(_difference(network, session, sides, frames) for sides in ([size] if size else _SIDES))
    except ExportError:
        raise
    except Exception as error:  # its errors have no root of their own
        raise ExportError(f"ONNX Runtime cannot run it ({str(error).splitlines()[0]})") from error
    if not worst <= _TOLERANCE[half]:
        raise ExportError(f"ONNX Runtime makes another picture of it, off by {worst:.1e} of the range")
    return f"checked: ONNX Runtime's picture is off by {worst:.1e} of the range"


def _difference(network: FDAT, session: object, size: tuple[int, int], frames: int) -> float:
    picture = _picture(network.config.num_in_ch * (frames if isinstance(network, TFDAT) else 1), size)
    series = picture.view(1, frames, 3, *picture.shape[2:]) if isinstance(network, TFDAT) else picture
    with torch.inference_mode():
        expected = network(series)
    got = torch.from_numpy(session.run(None, {"input": picture.numpy()})[0])  # type: ignore[attr-defined]
    if got.shape != expected.shape:
        raise ExportError(f"ONNX Runtime makes a picture of {tuple(got.shape)} of it, not of {tuple(expected.shape)}")
    return float((got - expected).abs().max().nan_to_num(torch.inf))


def _picture(channels: int, size: tuple[int, int]) -> torch.Tensor:
    """Make a picture with soft shapes and a little noise, the same each time."""
    generator = torch.Generator().manual_seed(0)
    width, height = size
    soft = F.interpolate(torch.rand(1, channels, 5, 7, generator=generator), size=(height, width), mode="bilinear")
    return (soft + 0.05 * torch.randn(1, channels, height, width, generator=generator)).clamp(0, 1)
