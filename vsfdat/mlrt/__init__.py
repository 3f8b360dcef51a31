"""Clips through vs-mlrt's plugins: other runtimes, on devices that PyTorch does not serve well or at all."""

from .clip import upscale

__all__ = ["upscale"]
