"""File to file: decode, upscale, encode, and copy whatever else the file holds."""

from vsfdat.options import Settings

from .batch import upscale_paths
from .job import Outcome, upscale_file

__all__ = ["Outcome", "Settings", "upscale_file", "upscale_paths"]
