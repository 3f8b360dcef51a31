"""The command's whole work: open, upscale, write."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import vapoursynth as vs

from vsfdat.errors import EncodeError
from vsfdat.interrupt import stop_on_interrupt
from vsfdat.models.catalog import find_model
from vsfdat.options import Settings

from .container import cannot_be
from .formats import CONTAINERS
from .input.damage import DamageCount
from .input.source import Source, cut, open_source
from .output.codecs import Codec, find_codec
from .output.encoders import Options
from .output.landing import check_output, follow, landing, name_partial
from .output.picture import Picture, describe, settle_matrix, to_encoder
from .output.writer import Writer, check_fit
from .pump import Pace, write_all
from .streams import plan_streams

# Of a second or more, and of the whole time, that the network may wait for the encoder before anyone is told.
_WORTH_TELLING = 0.1

_TRACEBACK = "Traceback (most recent call last):\n"


@dataclass(frozen=True)
class Outcome:
    """What was written: `frames` of `total`, fewer where the user interrupted.

    `remark` says what held the work up, where something did that a user can change.
    """

    output: Path
    frames: int
    total: int
    width: int
    height: int
    seconds: float
    remark: str | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing interrupted."""
        return self.frames == self.total


def upscale_file(path: Path, output: Path, settings: Settings) -> Outcome:
    """Upscale a video file into another; sound, subtitles, times and colours are carried over.

    Ctrl-C, SIGTERM and SIGHUP end it after the frames under way, which are few, and leave a playable file of what is
    done; before the first frame they leave nothing.

    Args:
        path: Whatever BestSource decodes.
        output: Its ending chooses the container. It appears when it is whole; errors leave nothing behind.
        settings: All else.

    Raises:
        EncodeError: The input cannot be read, the output cannot be written, or a setting does not fit them.
        VsfdatError: The model is unknown or unusable.
    """
    codec = find_codec(settings.codec, settings.encoder)
    _check_settings(settings)
    options = codec.build_options(settings.crf, settings.preset)
    check_fit(codec, output)
    check_output(path, output, overwrite=settings.overwrite)
    options = codec.settle_options(options)
    began = time.monotonic()
    with _one_sentence():
        with cannot_be(path, "read"):
            kept = {"audio": settings.audio, "subtitles": settings.subtitles}
            plan = plan_streams(path, CONTAINERS[output.suffix.lower()], codec.encoder.name, **kept)
            source = cut(open_source(path), settings.start, settings.end)
        clip, picture = _upscale(source, codec, settings)
        target = follow(output)
        partial = name_partial(target)
        with (
            cannot_be(output, "written"),
            stop_on_interrupt(partial) as stop,
            landing(partial, target, overwrite=settings.overwrite),
            DamageCount(source) as damage,
            Writer(partial, clip, source, plan, picture, codec, plan.encoder_options(options)) as writer,
        ):
            pace = write_all(source.mending.watch(clip), writer, _least_ahead(settings), output.name, stop)
            damage.tell(writer.frames)
    seconds, remark = time.monotonic() - began, _remark(pace, codec, options)
    return Outcome(output, writer.frames, len(source.pts), clip.width, clip.height, seconds, remark)


def _upscale(source: Source, codec: Codec, settings: Settings) -> tuple[vs.VideoNode, Picture]:
    from vsfdat import plugin  # with torch, which takes seconds; a mistake in the arguments is told before that

    picture = source.mending.retry(lambda: describe(source.clip, codec))
    upscaled = plugin.upscale(settle_matrix(source.clip, picture), **vars(settings.upscale))
    return to_encoder(upscaled, source.clip.format, picture, codec, settings.scale_to_height), picture


def _least_ahead(settings: Settings) -> int:
    """Count the frames that must be under way for no device to wait: those worked on, and one that comes or goes."""
    from vsfdat import plugin  # loaded by now

    return 1 + plugin.count_slots(settings.upscale.device, settings.upscale.num_streams)


def _remark(pace: Pace, codec: Codec, options: Options) -> str | None:
    """Say that the encoder was what took the time, and what would be faster."""
    if pace.waited_seconds < max(1, _WORTH_TELLING * pace.seconds):
        return None
    preset, ways = options.get("preset"), codec.faster_ways(options)
    return (
        f"the network waited for the encoder {pace.waited_seconds / pace.seconds:.0%} of the time: "
        f"{codec.encoder.name}{f' at preset {preset}' if preset else ''} encodes {pace.encoder:.1f} frames a second, "
        f"the network makes {pace.clip:.1f}{f'; faster: {ways}' if ways else ''}"
    )


@contextlib.contextmanager
def _one_sentence() -> Iterator[None]:
    """Turn what VapourSynth complains of into the command's own error."""
    try:
        yield
    except vs.Error as error:
        raise EncodeError(_last_words(str(error)).removeprefix("vsfdat.upscale: ")) from error


def _last_words(text: str) -> str:
    """Find the message in what VapourSynth says of an error in a filter written in Python, which is its traceback."""
    _, _, trace = text.rpartition(_TRACEBACK)
    if trace == text:
        return text
    # The frames of the stack are indented; the type and the message follow them, and the message may have more lines.
    last = next((line for line in trace.splitlines() if line.strip() and not line.startswith(" ")), text)
    return last.partition(": ")[2] or last


def _check_settings(settings: Settings) -> None:
    height = settings.scale_to_height
    if height is not None and height < 2:
        raise EncodeError(f"scale_to_height must be at least 2, passed {height}")
    find_model(settings.upscale.model)
