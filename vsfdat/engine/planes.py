"""Networks of one channel on pictures of three."""

from dataclasses import dataclass

import torch
from torch import Tensor

from . import Engine


@dataclass(frozen=True)
class PerPlane:
    """Upscale the channels of a picture one after the other; an engine too.

    Args:
        engine: Its network has one channel in and one out.
    """

    engine: Engine

    @property
    def device(self) -> torch.device:
        """The engine's."""
        return self.engine.device

    @property
    def scale(self) -> int:
        """The engine's."""
        return self.engine.scale

    def __call__(self, frame: Tensor) -> Tensor:
        """[C, H, W] -> [C, H·scale, W·scale]."""
        channels, height, width = frame.shape
        picture = frame.new_empty(channels, height * self.scale, width * self.scale)
        for index in range(channels):
            picture[index] = self.engine(frame[index : index + 1])[0]
        return picture
