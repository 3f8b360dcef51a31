"""Feature maps too large for the device: they stay in host memory, and an op's rows travel."""

from typing import Any

import torch
from torch import Tensor

from vsfdat.ops import Ops
from vsfdat.ops.weights import Rows

from .strips import Strip, around


class OnHost:
    """Run ops on maps in host memory: the same names and signatures.

    Args:
        ops: Runs on the device.
        device: Where.
        window: What the first row of a piece must be a multiple of, so that windows stay where they are.
    """

    def __init__(self, ops: Ops, device: torch.device, window: int) -> None:
        self._ops = ops
        self._device = device
        self._window = window

    def spatial_reduce(self, x: Tensor, weights: Any, rows: Rows) -> Tensor:
        """As the op."""
        strip = self._around(x, rows)
        return self._ops.spatial_reduce(self._bring(x, strip), weights, strip.inner)

    def spatial_apply(
        self, x: Tensor, out: Tensor, weights: Any, projection: Tensor, projection_bias: Tensor, rows: Rows
    ) -> None:
        """As the op."""
        strip = self._around(x, rows)
        made = self._room(out, strip)
        self._ops.spatial_apply(self._bring(x, strip), made, weights, projection, projection_bias, strip.inner)
        self._take(made, out, strip)

    def channel_reduce(self, x: Tensor, weights: Any, rows: Rows) -> tuple[Tensor, Tensor]:
        """As the op."""
        strip = self._around(x, rows)
        return self._ops.channel_reduce(self._bring(x, strip), weights, strip.inner)

    def channel_apply(self, x: Tensor, out: Tensor, weights: Any, matrix: Tensor, bias: Tensor, rows: Rows) -> None:
        """As the op."""
        strip = self._around(x, rows)
        made = self._room(out, strip)
        self._ops.channel_apply(self._bring(x, strip), made, weights, matrix, bias, strip.inner)
        self._take(made, out, strip)

    def ffn(self, x: Tensor, out: Tensor, weights: Any, rows: Rows) -> None:
        """As the op."""
        strip = self._around(x, rows)
        made = self._room(out, strip)
        self._ops.ffn(self._bring(x, strip), made, weights, strip.inner)
        self._take(made, out, strip)

    def conv3x3(self, x: Tensor, out: Tensor, weights: Any, residual: Tensor | None, rows: Rows) -> None:
        """As the op."""
        strip = self._around(x, rows)
        made = self._room(out, strip)
        added = None if residual is None else self._bring(residual, strip)
        self._ops.conv3x3(self._bring(x, strip), made, weights, added, strip.inner)
        self._take(made, out, strip)

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """As the op: these are small, and on the device."""
        return self._ops.product(a, b)

    def _around(self, x: Tensor, rows: Rows) -> Strip:
        return around(rows, x.shape[0], halo=1, align=self._window)

    def _bring(self, x: Tensor, strip: Strip) -> Tensor:
        return x[strip.top : strip.bottom].to(self._device, non_blocking=True)

    def _room(self, out: Tensor, strip: Strip) -> Tensor:
        return out.new_empty(strip.bottom - strip.top, *out.shape[1:], device=self._device)

    def _take(self, made: Tensor, out: Tensor, strip: Strip) -> None:
        start, stop = strip.inner
        out[strip.start : strip.stop].copy_(made[start:stop])
