"""Upscale VapourSynth clips with FDAT."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .models import list_models as list_models
    from .models import load_model as load_model
    from .plugin import upscale as upscale

__all__ = ["__version__", "list_models", "load_model", "upscale"]

# Resolved when first asked for: torch takes seconds to import, and `vsfdat --help` should not.
_HOMES = {"upscale": "plugin", "load_model": "models", "list_models": "models"}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("vsfdat")
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
