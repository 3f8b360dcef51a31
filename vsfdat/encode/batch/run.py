"""The films of a batch, one after the other, with one network; what fails stops nothing."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsfdat import interrupt
from vsfdat.errors import EncodeError, VsfdatError
from vsfdat.models import load_model
from vsfdat.options import Settings

from ..container import reason
from ..identity import identify
from ..job import Outcome, upscale_file
from ..output.codecs import find_codec
from ..probe import estimate_work
from ..progress import Show, Whole
from ..segments import Identity
from .finished import Finished
from .plan import Item


@dataclass(frozen=True)
class Result:
    """What became of a film: an outcome, an error, or neither where it was done before."""

    item: Item
    outcome: Outcome | None = None
    error: str | None = None


def weigh(items: Sequence[Item]) -> Whole:
    """Estimate how much work each film is; of what cannot be read, as much as of the others."""
    found = [estimate_work(item.input) for item in items]
    known = [work for work in found if work]
    usual = sum(known) / len(known) if known else 1.0
    return Whole([work or usual for work in found])


def upscale_all(items: Sequence[Item], folder: Path, settings: Settings, whole: Whole, show: Show) -> Iterator[Result]:
    """Upscale films; those that are finished by the same settings are passed over.

    An interrupt ends it after the film that is at work, of which it leaves what `upscale_file` leaves.

    Args:
        items: The films.
        folder: Where the list of finished ones lies.
        settings: For all of them.
        whole: Told how far they are.
        show: Shows each film.

    Yields:
        What became of each.

    Raises:
        VsfdatError: The settings or the model do not serve for any film.
    """
    codec = find_codec(settings.codec, settings.encoder)
    options = codec.build_options(settings.crf, settings.preset)
    network, finished = load_model(settings.upscale.model), Finished(folder)
    for place, item in enumerate(items):
        whole.begin(place)
        try:
            streams = {"audio": not settings.no_audio, "subtitles": not settings.no_subtitles}
            identity: Identity = {**identify(item.input, codec, options, settings), **streams}
            if not settings.restart and finished.has(item.output, identity):
                whole.skip(place)
                yield Result(item)
                continue
            item.output.parent.mkdir(parents=True, exist_ok=True)
            outcome = upscale_file(item.input, item.output, settings, network, show)
        except (VsfdatError, OSError, ValueError) as error:
            whole.skip(place)
            yield Result(item, error=_word(item, error))
            continue
        if outcome.is_whole:
            with contextlib.suppress(OSError):  # then the film is made again one day
                finished.add(item.output, identity)
            interrupt.set_last_words("vsfdat: stopped; the films above are whole")
        yield Result(item, outcome)
        if outcome.is_stopped:
            return
        interrupt.listen_again()


def _word(item: Item, error: Exception) -> str:
    if isinstance(error, VsfdatError | ValueError):
        return str(error)
    return str(EncodeError(f"{item.input}: cannot be read ({reason(error)})"))
