"""The VapourSynth door: clips to clips."""

from vsfdat.engine.slots import count_slots, settle_precision

from .clip import upscale

__all__ = ["count_slots", "settle_precision", "upscale"]
