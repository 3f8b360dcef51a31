"""The truth: FDAT in plain torch, checkpoint-compatible with the community's, trainable."""

from .config import PRESETS, FDATConfig
from .fdat import FDAT, fdat_large, fdat_light, fdat_medium, fdat_medium_aligned, fdat_tiny, fdat_xl

__all__ = [
    "FDAT",
    "PRESETS",
    "FDATConfig",
    "fdat_large",
    "fdat_light",
    "fdat_medium",
    "fdat_medium_aligned",
    "fdat_tiny",
    "fdat_xl",
]
