"""The whole work of `vsfdat try`: open the film, choose moments, make them in every way, forecast, write the page."""

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsfdat import console
from vsfdat.encode.container import cannot_be, open_container
from vsfdat.encode.extras import require
from vsfdat.encode.job import one_sentence
from vsfdat.encode.output.codecs import find_codec
from vsfdat.encode.output.landing import check_output, follow
from vsfdat.encode.work import Work, open_work
from vsfdat.engine import find_devices
from vsfdat.errors import EncodeError
from vsfdat.models import load_model
from vsfdat.options import Settings

from . import scores
from .forecast import Forecast, forecast
from .moments import Moment, choose_moments
from .page import Facts, Scene, build_page
from .stills import PLAIN, Shown, Still, make_stills, seconds_a_frame, show_all
from .words import say_forecast, say_note, say_settings, say_size, say_time


@dataclass(frozen=True)
class Request:
    """What to show of which film, on which page; the first model is the forecast's. `began` is when, by the clock."""

    film: Path
    page: Path
    models: Sequence[str]
    moments: int
    reference: Path | None
    settings: Settings
    forecasts: bool
    began: float


def try_film(request: Request) -> None:
    """Do it all, and say what is done on the way.

    Raises:
        EncodeError: The film cannot be read, the page cannot be written, or a setting does not fit.
        VsfdatError: A model is unusable.
    """
    require("PIL")
    open_container(request.film).close()
    check_output(request.film, request.page, overwrite=request.settings.overwrite)
    measures = _can_measure(request)
    with one_sentence(), cannot_be(request.film, "read"):
        page = Trial.open(request).make(measures=measures)
    _write(request.page, page)
    console.show(f"{request.page}: {len(page.encode()) / 1e6:.1f} MB, open it in a browser")


@dataclass(frozen=True)
class Trial:
    """A film that is open, with its networks by name, and the seconds that this took for the first of them."""

    request: Request
    work: Work
    networks: Mapping[str, Any]
    opening: float

    @classmethod
    def open(cls, request: Request) -> "Trial":
        """Open what a request names, its first model first."""
        console.say(f"opening {request.film}")
        settings = request.settings
        codec = find_codec(settings.codec, settings.encoder)
        options = codec.settle_options(codec.build_options(settings.crf, settings.preset))
        first = load_model(request.models[0])
        work = open_work(request.film, "matroska", settings, codec, options, first)
        opening = time.monotonic() - request.began
        networks = [first, *map(load_model, request.models[1:])]
        return cls(request, work, dict(zip(_shorten(request.models), networks, strict=True)), opening)

    def make(self, *, measures: bool) -> str:
        """Make the page."""
        shown = show_all(self.work, self.networks, self.request.settings.upscale)
        reference = self._open_reference(shown) if measures else None
        clip = self.work.source.clip
        moments = self.work.source.mending.retry(lambda: choose_moments(clip, self.request.moments))
        stills = self._make_stills(shown, moments)
        numbers = [moment.number for moment in moments]
        measured = scores.measure(reference, numbers, stills) if reference else {}
        expected = self._forecast(numbers) if self.request.forecasts else None
        return build_page(self._describe(shown, stills, measured, expected), self._scenes(moments, stills))

    def _open_reference(self, shown: Sequence[Shown]) -> vs.VideoNode:
        assert self.request.reference is not None
        clip = shown[0].clip
        return scores.open_reference(self.request.reference, (clip.width, clip.height), clip.num_frames)

    def _make_stills(self, shown: Sequence[Shown], moments: Sequence[Moment]) -> list[dict[str, Still]]:
        stills = []
        for place, moment in enumerate(moments, 1):
            console.say(f"moment {place} of {len(moments)}, at {self._time(moment)}: {moment.why}")
            stills.append(make_stills(self.work, shown, moment.number))
        return stills

    def _forecast(self, numbers: Sequence[int]) -> Forecast:
        console.say("a few frames beside them, for the forecast")
        upscale = self.request.settings.upscale
        devices = {device.type for device in find_devices(upscale.device)}
        return forecast(self.work, numbers, opening=self.opening, dedup=upscale.dedup, shares_cpu="cpu" in devices)

    def _describe(
        self,
        shown: Sequence[Shown],
        stills: Sequence[Mapping[str, Still]],
        measured: Mapping[str, str],
        expected: Forecast | None,
    ) -> Facts:
        source, clip, name = self.work.source.clip, shown[0].clip, next(iter(self.networks))
        seconds = {model: f"{value:.2g} s a frame" for model, value in seconds_a_frame(stills).items()}
        lines = {
            model: "; ".join(filter(None, [seconds[model] if model != PLAIN else "", measured.get(model)]))
            for model in seconds
        }
        for model, line in lines.items():
            console.show(f"{model}: {line}" if line else model)
        line = ""
        if expected:
            line = say_forecast(expected, name)
            console.show(line)
        film = f"{say_size(source)} to {say_size(clip)}, {say_settings(self.work.video)}"
        aspect = float(self.work.video.picture.sample_aspect)
        return Facts(self.request.film.name, film, line, say_note(expected) if expected else "", lines, aspect)

    def _scenes(self, moments: Sequence[Moment], stills: Sequence[Mapping[str, Still]]) -> list[Scene]:
        return [
            Scene(moment.why, self._time(moment), {name: still.pixels() for name, still in made.items()})
            for moment, made in zip(moments, stills, strict=True)
        ]

    def _time(self, moment: Moment) -> str:
        source = self.work.source
        return say_time(float((source.pts[moment.number] - source.film.origin) * source.time_base))


def _shorten(models: Sequence[str]) -> list[str]:
    """Name models by their files alone where that tells them apart."""
    names = [Path(model).name for model in models]
    return [model if names.count(name) > 1 else name for model, name in zip(models, names, strict=True)]


def _can_measure(request: Request) -> bool:
    if request.reference is None:
        return False
    if not request.reference.is_file():
        raise EncodeError(f"reference not found: {request.reference}")
    if not scores.is_installed():
        console.say(f"vsfdat: {scores.INSTALL}")
        return False
    return True


def _write(page: Path, text: str) -> None:
    """Give the page its name when it is whole."""
    with cannot_be(page, "written"):
        target = follow(page)
        partial = target.with_name(f".{secrets.token_hex(4)}.part")
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, target)  # noqa: PTH105
        finally:
            partial.unlink(missing_ok=True)
