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


def user_catalogue() -> Path:
    """Name the file in which a user lists models beside ours."""
    import platformdirs

    return Path(platformdirs.user_config_path("vsfdat", appauthor=False)) / "models.toml"


def memory_file() -> Path:
    """Name the file that remembers what was fetched, and which licences were accepted."""
    import platformdirs

    return Path(platformdirs.user_state_path("vsfdat", appauthor=False)) / "models.json"
