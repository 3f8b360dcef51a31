"""The mean of what an engine makes of a picture and of its flips and rotations."""

import itertools

import torch
from torch import Tensor

from .wrapper import Wrapper


class Ensemble(Wrapper):
    """Run an engine eight times a frame, each time on the picture turned another way, and take the mean.

    Source: Seven ways to improve example-based single image super resolution, Timofte et al., 2016.
    """

    def __call__(self, frame: Tensor) -> Tensor:
        """[..., C, H, W] -> [C, H·scale, W·scale], as the engine gives it."""
        total: Tensor | None = None
        for is_turned, *flips in itertools.product((False, True), repeat=3):
            axes = [axis for axis, is_flipped in zip((-1, -2), flips, strict=True) if is_flipped]
            turned = (frame.transpose(-1, -2) if is_turned else frame).flip(axes).contiguous()
            made = self._engine(turned).flip(axes)
            made = made.transpose(-1, -2) if is_turned else made
            # Summed in full, and not where the engine's next result goes.
            total = made.to(torch.float32, copy=True) if total is None else total.add_(made)
        assert total is not None
        return total.div_(8)
