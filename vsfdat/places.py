"""Where the user's own files are: what can be had again, what is configured, what is remembered."""

import os
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Name the folder for what can be fetched or made again; it may be deleted at any time, and need not be there.

    Args:
        kind: Of things, as in "models".
    """
    import platformdirs

    if (chosen := os.environ.get("VSFDAT_CACHE", "")) not in ("", "off"):
        return Path(chosen) / kind
    return Path(platformdirs.user_cache_path("vsfdat", appauthor=False)) / kind


def keeps_kernels() -> bool:
    """Tell whether compiled kernels are kept from run to run: unless the environment has VSFDAT_CACHE=off."""
    return os.environ.get("VSFDAT_CACHE") != "off"
