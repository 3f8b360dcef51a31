"""What a command settles before its work, so that nothing is lost to a mistake: packages, output, device."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from vsfdat import console
from vsfdat.errors import TrainingError

if TYPE_CHECKING:
    import torch


def check_installed() -> None:
    """Refuse to begin what a missing package would end later.

    Raises:
        TrainingError: One is missing.
    """
    missing = [name for name in ("PIL", "av") if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainingError(console.missing(*missing, install='"vsfdat[train]"'))


def check_output(out: Path, ending: str = "") -> None:
    """Refuse before the work what could not be written after it.

    Args:
        out: The file to write.
        ending: How its name must end, ".png" for instance.

    Raises:
        TrainingError: The file has no folder, or is one itself, or ends otherwise.
    """
    if not out.parent.is_dir() or out.is_dir():
        raise TrainingError(f"out must be a file in a folder that exists, passed {out}")
    if not out.name.lower().endswith(ending):
        raise TrainingError(f"out must end in {ending}, passed {out}")


def choose_device(name: str) -> "torch.device":
    """Turn a name into a device that is there and takes work.

    Args:
        name: "auto" for the accelerator that torch found, or else the CPU; or "cpu", "cuda", "cuda:1", "mps".

    Raises:
        ValueError: The name means nothing to torch, there is no such device, or others keep it to themselves.
    """
    import torch

    from vsfdat.engine import find_devices

    (device,) = find_devices(name)
    try:
        torch.zeros(1, device=device).cpu()
    except RuntimeError as error:
        raise ValueError(f"device {str(device)!r} is not free, use another or cpu") from error
    return device
