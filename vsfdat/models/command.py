"""The sub-command `vsfdat download`, and the longer list of `vsfdat models`."""

import time
from collections.abc import Iterator

from vsfdat import console
from vsfdat.errors import UnknownModelError

from .catalog import ModelInfo
from .public import PublicModel, list_public_models

_SILENCE = 2.0  # seconds between two lines


def download(name: str, /, *, accept_licence: bool = False) -> None:
    """Fetch a published model, once; afterwards its name is enough, without a network too.

    Parameters
    ----------
    name
        One that `vsfdat models --all` lists.
    accept_licence
        Accept a licence that allows non-commercial use only, once for each model.
    """
    from .fetch import fetch

    model = find_public_model(name)
    console.say(f"{model.name} by {model.author}: {model.architecture} {model.scale}x, {model.purpose}")
    console.say(f"licence: {model.licence} ({model.page})")
    console.show(str(fetch(model, accept_licence=accept_licence, progress=_Lines())))


def find_public_model(name: str) -> PublicModel:
    """Find an entry of the catalogue.

    Raises:
        UnknownModelError: There is none of that name.
        DownloadError: The user's catalogue is damaged.
    """
    for model in list_public_models():
        if model.name == name:
            return model
    raise UnknownModelError(f"name must be one that `vsfdat models --all` lists, passed {name!r}")


def describe_all(embedded: tuple[ModelInfo, ...]) -> Iterator[str]:
    """Say a line of each model, embedded and published.

    Raises:
        DownloadError: The user's catalogue is damaged.
    """
    for info in embedded:
        yield f"{info.name}  {info.scale}x  FDAT, {info.license}, comes with vsfdat: {info.description}"
    for model in list_public_models():
        size = f", {model.size / 1e6:.1f} MB" if model.size else ""
        where = model.url or f"by hand from {model.page}"
        yield (
            f"{model.name}  {model.scale}x  {model.architecture}, {model.licence}, by {model.author}{size}: "
            f"{model.purpose}; {where}"
        )


class _Lines:
    """Say how far a download is, every few seconds and at its end."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        if time.monotonic() - self._said < _SILENCE and done != total:
            return
        self._said = time.monotonic()
        of = f" of {total / 1e6:.1f}" if total else ""
        console.say(f"{done / 1e6:.1f}{of} MB")
