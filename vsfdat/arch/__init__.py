"""The truth: FDAT, and TFDAT that looks at neighbours, in plain torch, checkpoint-compatible, trainable."""

from .config import PRESETS, FDATConfig, TFDATConfig
from .fdat import FDAT, fdat_large, fdat_light, fdat_medium, fdat_medium_aligned, fdat_tiny, fdat_xl
from .tfdat import TFDAT, build_network

__all__ = [
    "FDAT",
    "PRESETS",
    "TFDAT",
    "FDATConfig",
    "TFDATConfig",
    "build_network",
    "fdat_large",
    "fdat_light",
    "fdat_medium",
    "fdat_medium_aligned",
    "fdat_tiny",
    "fdat_xl",
]
