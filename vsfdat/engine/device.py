"""Which devices, and which precision on them: settled before anything is built."""

from typing import get_args

import torch

from vsfdat.options import Precision

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def find_devices(wanted: object) -> list[torch.device]:
    """Turn names into devices that are there.

    Args:
        wanted: "auto" for the accelerator that torch found, or else the CPU; a name such as "cpu", "cuda:1" or "mps";
            or several names, with commas between or as a list.

    Raises:
        ValueError: A name means nothing to torch, or no such device is there.
    """
    if isinstance(wanted, str):
        names: list[object] = [name.strip() for name in wanted.split(",")]
    else:
        names = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    devices = [_find(name) for name in names if isinstance(name, str)]
    if not names or len(devices) < len(names):
        raise ValueError(f"device must be a name or a list of names, passed {wanted!r}")
    return devices


def choose_precision(wanted: str, device: torch.device) -> Precision:
    """Settle "auto": fp16 on CUDA, where it is at least twice as fast and nobody sees it; fp32 everywhere else.

    Raises:
        ValueError: It is no precision.
    """
    if wanted == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    for precision in PRECISIONS:
        if wanted == precision:
            return precision
    raise ValueError(f"precision must be one of auto, {', '.join(PRECISIONS)}, passed {wanted!r}")


def is_full(error: RuntimeError) -> bool:
    """Whether an error says that a device has no memory left; not every call of CUDA or MPS has a type for that."""
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)


def await_work(device: torch.device) -> None:
    """Sleep until a CUDA device has done what this thread gave it: torch's own waiting keeps a core busy."""
    if device.type == "cuda":
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(device))
        done.synchronize()


def _find(name: str) -> torch.device:
    here = _here()
    if name == "auto":
        return torch.device(here[0])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device must be one of auto, {', '.join(here)}, passed {name!r}") from None
    device = torch.device("cpu") if device.type == "cpu" else torch.device(device.type, device.index or 0)
    if str(device) not in here:
        raise ValueError(f"device {name!r} is not here, use one of auto, {', '.join(here)}")
    return device


def _here() -> list[str]:
    """List the devices of this machine, the best first."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return ["cpu"]
    count = torch.accelerator.device_count()
    return [f"{accelerator.type}:{index}" for index in range(count)] + ["cpu"]
