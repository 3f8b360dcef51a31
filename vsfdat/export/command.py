"""The sub-command `vsfdat export`."""

from pathlib import Path
from typing import Literal

from vsfdat import console
from vsfdat.errors import ExportError
from vsfdat.options import UpscaleOptions


def export(
    model: str,
    file: Path,
    /,
    *,
    size: str | None = None,
    precision: Literal["fp32", "fp16"] = "fp32",
    frames: int = UpscaleOptions.frames,
    overwrite: bool = False,
) -> None:
    """Write a model as an ONNX graph, for other runtimes, and hold it against the network on the spot.

    Parameters
    ----------
    model
        A name that `vsfdat models` lists, or the path of a checkpoint.
    file
        What to write, an .onnx file.
    size
        WIDTHxHEIGHT of frames in pixels, for a graph of this size alone, as some runtimes need it; by default any size.
    precision
        fp16 halves the file; norms, softmax and sums over the frame stay fp32.
    frames
        As many successive frames as a temporal model looks at for each, odd; others look at one.
    overwrite
        Replace an existing file.
    """
    _check(file, overwrite)
    UpscaleOptions(frames=frames)
    sides = _read_size(size)
    from vsfdat.models import load_model

    from .check import check
    from .write import write_onnx

    network, half = load_model(model), precision == "fp16"
    # Under another name until it is known to be right.
    fresh = file.with_name(f"{file.name}.unchecked")
    try:
        write_onnx(network, fresh, size=sides, half=half, frames=frames)
        said = check(network, fresh, size=sides, half=half, frames=frames)
        fresh.replace(file)
    except OSError as error:
        raise ExportError(f"{file} cannot be written ({error.strerror})") from error
    finally:
        fresh.unlink(missing_ok=True)
    console.show(f"{file}: {_shape(sides)}, {precision}, {file.stat().st_size / 1e6:.2f} MB; {said}")


def _check(file: Path, overwrite: bool) -> None:
    if file.suffix.lower() != ".onnx":
        raise ExportError(f"the file to write must end in .onnx, passed {file}")
    if file.is_dir() or not file.parent.is_dir():
        raise ExportError(f"{file} is a folder" if file.is_dir() else f"there is no folder {file.parent}")
    if file.exists() and not overwrite:
        raise ExportError(f"{file} exists (pass --overwrite to replace it)")


def _shape(sides: tuple[int, int] | None) -> str:
    return f"frames of {sides[0]}x{sides[1]}" if sides else "frames of any size"


def _read_size(size: str | None) -> tuple[int, int] | None:
    """Read 720x480.

    Raises:
        ExportError: It is no size.
    """
    if size is None:
        return None
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise ExportError(f"--size must be WIDTHxHEIGHT in pixels, passed {size!r}")
    return int(width), int(height)
