"""The sub-command `vsfdat try`."""

import time
from pathlib import Path

from vsfdat.errors import EncodeError
from vsfdat.models.catalog import find_model, list_models
from vsfdat.options import Settings

_DEFAULTS = Settings()
_MOST_MOMENTS = 24


def try_out(
    file: Path,
    /,
    *,
    models: str | None = None,
    out: Path | None = None,
    moments: int = 6,
    reference: Path | None = None,
    no_forecast: bool = False,
    settings: Settings = _DEFAULTS,
) -> None:
    """See a few moments of a film by several models, and how long and how large all of it would be.

    Writes one HTML page that opens from disk; nothing else is kept.

    Parameters
    ----------
    file
        The video.
    models
        What to show beside bicubic, with commas between; by default the embedded models of 2x.
    out
        The page; by default the video's name with _try.html, in the current folder.
    moments
        How many to show.
    reference
        The same film in the output's size, to measure against (with vapoursynth-vszip).
    no_forecast
        Show the moments alone: no frames beside them are made for a forecast of the whole film's time and size.
    settings
        As the whole film is to be made. The forecast is for the model named here, or for the first one shown.
    """
    began = time.monotonic()
    if not 1 <= moments <= _MOST_MOMENTS:
        raise ValueError(f"--moments must be from 1 to {_MOST_MOMENTS}, passed {moments}")
    out = out or Path(f"{file.stem}_try.html")
    if out.suffix.lower() not in (".html", ".htm"):
        raise EncodeError(f"--out must end in .html, passed {out.name!r}")
    shown = _choose_models(models, settings)
    from .work import Request, try_film

    try_film(Request(file, out, shown, moments, reference, settings, not no_forecast, began))


def _choose_models(models: str | None, settings: Settings) -> list[str]:
    """List what to show, the forecast's first; each is there."""
    asked = str(settings.upscale.model)
    if models is None:
        shown = [info.name for info in list_models() if info.scale == 2]
    else:
        shown = [name.strip() for name in models.split(",") if name.strip()]
    if not shown:
        raise EncodeError(f"--models must be names or files with commas between, passed {models!r}")
    if asked in shown or asked != _DEFAULTS.upscale.model:
        shown = [asked, *shown]
    shown = list(dict.fromkeys(shown))
    for name in shown:
        find_model(name)
    return shown
