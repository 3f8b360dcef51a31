"""Models by name: those that the package embeds, and those that others have published."""

import os
from dataclasses import dataclass
from pathlib import Path

from vsfdat.errors import UnknownModelError

from .public import SUFFIXES, PublicModel, list_public_models

DEFAULT_MODEL = "fdat-tiny-2x"

_WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class ModelInfo:
    """One model of the catalog: what it is for, and where its weights are."""

    name: str
    scale: int
    description: str
    license: str
    path: Path


_MODELS = tuple(
    ModelInfo(name, scale, description, license="MIT", path=_WEIGHTS / f"{name}.safetensors")
    for name, scale, description in (
        (DEFAULT_MODEL, 2, "fidelity, for clean or lightly compressed video, drawn and filmed"),
        ("fdat-tiny-2x-fast", 2, "the same about 3.5 times as fast on a CPU, a little less sharp"),
        ("fdat-tiny-2x-restore", 2, "for compressed sources: takes away what MPEG-2 and H.264 left"),
        ("fdat-tiny-1x-restore", 1, "the same without scaling"),
    )
)


def list_models() -> tuple[ModelInfo, ...]:
    """List the embedded models, the default first."""
    return _MODELS


def is_model(file: str | Path) -> bool:
    """Tell a model's name or a checkpoint from other files, by the name alone."""
    if Path(file).suffix.lower() in SUFFIXES or str(file) in [info.name for info in _MODELS]:
        return True
    return _published(str(file)) is not None and not Path(file).exists()


def find_model(model: str | Path) -> Path:
    """Turn a name or a path into the path of an existing file; a published model is fetched where it is not here.

    Raises:
        UnknownModelError: It is neither.
        DownloadError: A published model cannot be fetched.
    """
    for info in _MODELS:
        if model == info.name:
            return info.path
    path = _expanded(model) if isinstance(model, str | os.PathLike) else Path()
    try:
        if path.is_file():
            return path
    except OSError as error:  # a name too long, a folder that may not be searched
        raise UnknownModelError(f"model file cannot be read: {path} ({error.strerror})") from error
    if path.suffix.lower() in SUFFIXES:
        fault = "is a folder" if path.is_dir() else "is a pipe or a device" if path.exists() else "not found"
        raise UnknownModelError(f"model file {fault}: {path}")
    if published := _published(str(model)):
        from .fetch import fetch

        return fetch(published)
    names = ", ".join(info.name for info in _MODELS)
    raise UnknownModelError(
        f"model must be one of {names}, another of `vsfdat models --all`, or the path of a checkpoint file, "
        f"passed {str(model)!r}"
    )


def _published(name: str) -> PublicModel | None:
    return next((model for model in list_public_models() if model.name == name), None)


def _expanded(model: str | Path) -> Path:
    try:
        return Path(model).expanduser()
    except RuntimeError:  # a user of no home, or a file whose name begins with ~
        return Path(model)
