"""Upscale VapourSynth clips with FDAT."""
