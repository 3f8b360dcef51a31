"""File to file: decode, upscale, encode, and copy whatever else the file holds."""

from .job import Outcome, Settings, upscale_file

__all__ = ["Outcome", "Settings", "upscale_file"]
