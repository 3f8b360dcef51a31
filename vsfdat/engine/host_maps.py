"""Feature maps too large for the device: they stay in host memory, and an op's rows travel."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from vsfdat.ops import Ops, reference

from .strips import Strip, around


def on_host(ops: Ops, device: torch.device, window: int) -> Ops:
    """Let ops run on maps in host memory, under the same names and with the same arguments.

    Args:
        ops: What runs on the device.
        device: Where the ops run, and where everything but the maps is.
        window: What the first row of a piece must be a multiple of, so that windows stay where they are.
    """
    return cast("Ops", _OnHost(ops, device, window))


class _OnHost:
    """Of any op `x` and `residual` travel to the device, as far as its rows need them, and the rows of `out` come back.

    An op without rows has no maps, and runs as it is.
    """

    def __init__(self, ops: Ops, device: torch.device, window: int) -> None:
        self._ops = ops
        self._device = device
        self._window = window

    def __getattr__(self, name: str) -> Callable[..., Any]:
        op, parameters = getattr(self._ops, name), _parameters(name)
        return functools.partial(self._run, op, parameters) if "rows" in parameters else op

    def _run(self, op: Callable[..., Any], parameters: list[str], *arguments: Any) -> Any:
        given = dict(zip(parameters, arguments, strict=True))
        strip, out = around(given["rows"], given["x"].shape[0], halo=1, align=self._window), given.get("out")
        moved = given | {name: self._bring(given[name], strip) for name in ("x", "residual") if name in given}
        if out is None:
            return op(*(moved | {"rows": strip.inner}).values())
        made = out.new_empty(strip.bottom - strip.top, *out.shape[1:], device=self._device)
        op(*(moved | {"rows": strip.inner, "out": made}).values())
        start, stop = strip.inner
        out[strip.start : strip.stop].copy_(made[start:stop])
        return None

    def _bring(self, x: Tensor | None, strip: Strip) -> Tensor | None:
        return None if x is None else x[strip.top : strip.bottom].to(self._device, non_blocking=True)


@functools.cache
def _parameters(op: str) -> list[str]:
    """Name what an op is called with, in its order: `reference` says so for all backends."""
    return list(inspect.signature(getattr(reference, op)).parameters)
