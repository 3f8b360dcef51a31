"""One film or many, as the command is given them: which they are, which are done, and what became of each."""

from .command import upscale_paths

__all__ = ["upscale_paths"]
