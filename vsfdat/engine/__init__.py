"""The fast twin of `arch`: a module becomes a callable on frames."""

from collections.abc import Callable
from typing import Protocol, get_args

import torch
from torch import Tensor

from vsfdat.arch import FDAT
from vsfdat.options import Kind, Precision

from . import reference, runner
from .device import DTYPES, choose_precision, find_devices

__all__ = ["KINDS", "Engine", "EngineFactory", "Kind", "Precision", "build", "choose_precision", "find_devices"]

KINDS: tuple[Kind, ...] = get_args(Kind)


class Engine(Protocol):
    """What upscales the frames of one slot, one at a time; several share their weights."""

    @property
    def device(self) -> torch.device:
        """Where pictures come from and go to."""

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""

    def __call__(self, frame: Tensor) -> Tensor:
        """Upscale a picture.

        Args:
            frame: [C_in, H, W] fp32 in [0, 1] on `device`.

        Returns:
            [C_out, H·scale, W·scale] fp32 on `device`, not clamped; valid until the next call.
        """


EngineFactory = Callable[[], Engine]


def build(
    module: FDAT, *, device: torch.device, precision: Precision, kind: Kind = "exact", compile: bool = False
) -> EngineFactory:
    """Prepare a network for a device.

    TFDAT's engines take what it aligns, [6, H, W]; `temporal` aligns, and `slots` puts that before them.

    Args:
        module: The network; it is copied, not changed.
        device: Where it will run.
        precision: What it computes in; frames are fp32 on both sides all the same.
        kind: "exact" for the whole frame's picture in strips, on folded weights; "reference" for the plain module.
        compile: Whether the plain module goes through torch.compile, which takes a minute or more at the first frame.

    Returns:
        A factory to call once a slot.

    Raises:
        ValueError: There is no such kind, or nothing to compile in it.
    """
    if kind not in KINDS:
        raise ValueError(f"engine must be one of {', '.join(KINDS)}, passed {kind!r}")
    if kind == "exact" and compile:
        raise ValueError('compile must be False with engine="exact", whose kernels are compiled already')
    dtype = DTYPES[precision]
    make: EngineFactory
    make = runner.build(module, device, dtype) if kind == "exact" else reference.build(module, device, dtype, compile)
    if device.type == "cuda":
        # The slots run on streams of their own, which do not wait for the one that lays out the weights.
        torch.cuda.current_stream(device).synchronize()
    return make
