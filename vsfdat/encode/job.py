"""The command's whole work: open, upscale, write."""

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsfdat.errors import EncodeError

from .codecs import Codec, CodecName, find_codec
from .extras import require
from .interrupt import stop_on_interrupt
from .picture import Picture, describe, settle_matrix, to_encoder
from .progress import show_progress
from .source import Source, cut, open_source
from .writer import Writer, landing


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

    Ctrl-C ends after the frame in hand and leaves a playable file of what is done.

    Args:
        path: Whatever BestSource decodes.
        output: Its ending chooses the container. It appears when it is whole; errors leave nothing behind.
        settings: All else.

    Raises:
        EncodeError: The input cannot be read, the output cannot be written, or a setting does not fit them.
        VsfdatError: The model is unknown or unusable.
    """
    _check_output(path, output, overwrite=settings.overwrite)
    codec = find_codec(settings.codec)
    options = codec.build_options(settings.crf, settings.preset)
    began = time.monotonic()
    with _one_sentence(output):
        source = cut(open_source(path), settings.start, settings.end)
        clip, picture = _upscale(source, codec, settings)
        with (
            contextlib.closing(_frames(clip)) as frames,
            landing(output) as partial,
            Writer(partial, clip, source, picture, codec, options) as writer,
        ):
            _write_all(frames, writer, len(source.pts), output.name)
    return Outcome(output, writer.frames, len(source.pts), clip.width, clip.height, time.monotonic() - began)


def _upscale(source: Source, codec: Codec, settings: Settings) -> tuple[vs.VideoNode, Picture]:
    from vsfdat import plugin  # with torch, which takes seconds; a mistake in the arguments is told before that

    picture = describe(source.clip)
    upscaled = plugin.upscale(settle_matrix(source.clip, picture), **settings.upscale)
    return to_encoder(upscaled, source.clip.format, picture, codec, settings.scale_to_height), picture


def _frames(clip: vs.VideoNode) -> Generator[vs.VideoFrame]:
    """Yield a clip's frames in order, as many under way as VapourSynth has threads.

    Those under way are waited for even where nobody wants them any more: a core that ends under them crashes.
    """
    ahead = vs.core.num_threads
    waiting = deque(clip.get_frame_async(n) for n in range(min(ahead, clip.num_frames)))
    try:
        for n in range(clip.num_frames):
            with waiting.popleft().result() as frame:
                if n + ahead < clip.num_frames:
                    waiting.append(clip.get_frame_async(n + ahead))
                yield frame
    finally:
        wait(waiting)


def _write_all(frames: Iterable[vs.VideoFrame], writer: Writer, total: int, title: str) -> None:
    with stop_on_interrupt() as stop, show_progress(total, title) as advance:
        for frame in frames:
            writer.write(frame)
            advance()
            if stop.is_set():
                break
    writer.finish(is_whole=writer.frames == total)


@contextlib.contextmanager
def _one_sentence(output: Path) -> Iterator[None]:
    """Turn what VapourSynth, FFmpeg and the disk complain of into the command's own error."""
    try:
        yield
    except vs.Error as error:
        raise EncodeError(str(error).removeprefix("vsfdat.upscale: ")) from error
    except (require("av").FFmpegError, OSError) as error:
        raise EncodeError(f"{output}: cannot be written ({error.strerror or error})") from error


def _check_output(path: Path, output: Path, *, overwrite: bool) -> None:
    if output.exists() and path.exists() and output.samefile(path):
        raise EncodeError(f"output is the input: {output}")
    if output.exists() and not overwrite:
        raise EncodeError(f"output exists: {output} (pass --overwrite to replace it)")
    if not output.absolute().parent.is_dir():
        raise EncodeError(f"output folder not found: {output.absolute().parent}")
