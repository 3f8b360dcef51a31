"""Engines around engines: what they do not change is the inner one's."""

import torch

from . import Engine


class Wrapper:
    """Hold an engine and answer for it; what derives from this says what it does with frames.

    Args:
        engine: The inner one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def device(self) -> torch.device:
        """Where pictures come from and go to."""
        return self._engine.device

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        return self._engine.scale
