"""The command's whole work: open, upscale, write."""

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsfdat.errors import EncodeError
from vsfdat.interrupt import stop_on_interrupt
from vsfdat.models.catalog import find_model

from .codecs import Codec, CodecName, find_codec
from .container import cannot_be
from .landing import check_output, follow, landing, name_partial
from .picture import Picture, describe, settle_matrix, to_encoder
from .progress import show_progress
from .source import Source, cut, open_source
from .writer import Writer, check_fit

# Of work under way, which an interrupt waits for.
_SECONDS_AHEAD = 2

_TRACEBACK = "Traceback (most recent call last):\n"


@dataclass(frozen=True)
class Settings:
    """What a user may ask for; `upscale` holds the keyword arguments of `vsfdat.upscale`.

    `start` and `end` are in seconds, `scale_to_height` in pixels; `crf` and `preset` are the encoder's own.
    """

    codec: CodecName = "h264"
    crf: int | None = None
    preset: str | None = None
    scale_to_height: int | None = None
    start: float | None = None
    end: float | None = None
    overwrite: bool = False
    upscale: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What was written: `frames` of `total`, fewer where the user interrupted."""

    output: Path
    frames: int
    total: int
    width: int
    height: int
    seconds: float

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
    codec = find_codec(settings.codec)
    _check_settings(settings)
    options = codec.build_options(settings.crf, settings.preset)
    check_fit(codec, output)
    check_output(path, output, overwrite=settings.overwrite)
    began = time.monotonic()
    with _one_sentence():
        with cannot_be(path, "read"):
            source = cut(open_source(path), settings.start, settings.end)
        clip, picture = _upscale(source, codec, settings)
        target = follow(output)
        partial = name_partial(target)
        with (
            cannot_be(output, "written"),
            stop_on_interrupt(partial) as stop,
            landing(partial, target, overwrite=settings.overwrite),
            Writer(partial, clip, source, picture, codec, options) as writer,
        ):
            _write_all(clip, writer, _least_ahead(settings), output.name, stop)
    return Outcome(output, writer.frames, len(source.pts), clip.width, clip.height, time.monotonic() - began)


def _upscale(source: Source, codec: Codec, settings: Settings) -> tuple[vs.VideoNode, Picture]:
    from vsfdat import plugin  # with torch, which takes seconds; a mistake in the arguments is told before that

    picture = describe(source.clip)
    upscaled = plugin.upscale(settle_matrix(source.clip, picture), **settings.upscale)
    return to_encoder(upscaled, source.clip.format, picture, codec, settings.scale_to_height), picture


def _least_ahead(settings: Settings) -> int:
    """Count the frames that must be under way for no device to wait: those worked on, and one that comes or goes."""
    from vsfdat import plugin  # loaded by now

    asked = {name: settings.upscale[name] for name in ("device", "num_streams") if name in settings.upscale}
    return 1 + plugin.count_slots(**asked)


def _frames(clip: vs.VideoNode, least: int, stop: threading.Event) -> Generator[vs.VideoFrame]:
    """Yield a clip's frames in order until asked to stop, the last of them those that were under way by then.

    Those under way are waited for even after an error: a core that ends under them crashes. Where frames are slow they
    are the `least`, and where they are quick as many as two seconds bring, up to VapourSynth's threads: a user who
    stops waits no longer, and all threads have work.
    """
    numbers = iter(range(clip.num_frames))
    waiting = deque(clip.get_frame_async(n) for n in itertools.islice(numbers, least))
    began, done = time.monotonic(), 0
    try:
        while waiting:
            with waiting.popleft().result() as frame:
                done += 1
                quick = int(_SECONDS_AHEAD * done / max(time.monotonic() - began, 1e-9))
                room = 0 if stop.is_set() else max(least, min(quick, vs.core.num_threads)) - len(waiting)
                waiting.extend(clip.get_frame_async(n) for n in itertools.islice(numbers, max(room, 0)))
                yield frame
    finally:
        wait(waiting)


def _write_all(clip: vs.VideoNode, writer: Writer, least: int, title: str, stop: threading.Event) -> None:
    if stop.is_set():
        raise KeyboardInterrupt  # before there is a frame, so there is nothing to keep
    with (
        show_progress(clip.num_frames, title, stop) as advance,
        contextlib.closing(_frames(clip, least, stop)) as frames,
    ):
        for frame in frames:
            writer.write(frame)
            advance()
    writer.finish(is_whole=writer.frames == clip.num_frames)


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
    height, model = settings.scale_to_height, settings.upscale.get("model")
    if height is not None and height < 2:
        raise EncodeError(f"scale_to_height must be at least 2, passed {height}")
    if isinstance(model, str | Path):
        find_model(model)
