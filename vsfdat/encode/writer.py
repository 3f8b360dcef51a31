"""Upscaled frames into a video file."""

import contextlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsfdat.errors import EncodeError

from .codecs import Codec
from .extras import require
from .formats import CONTAINERS
from .picture import Picture
from .source import Source
from .streams import CopiedStreams, Plan

# Apple's players want HEVC under this name; nobody minds.
_MP4_TAGS = {"hevc": "hvc1"}


def check_fit(codec: Codec, output: Path) -> None:
    """Refuse an output that no container, or not the codec's, is known by.

    Raises:
        EncodeError: Its ending says so.
    """
    container = CONTAINERS.get(output.suffix.lower())
    if container is None:
        raise EncodeError(f"output must end in .mkv, .mp4, .mov or .webm, passed {output.name!r}")
    with require("av").open(io.BytesIO(), "w", format=container) as nothing:
        if not {codec.encoder(), codec.name} & nothing.supported_codecs:
            raise EncodeError(f"{codec.name} does not fit into {container}, choose an output that ends in .mkv")


class Writer:
    """A video file in the making; `finish` makes it whole, however few frames it got.

    Args:
        path: Its ending chooses the container.
        clip: What `to_encoder` gave.
        source: The frames' times, and the streams to copy.
        plan: What becomes of these.
        picture: How the frames are to be read.
        codec: Encodes them.
        options: As `Codec.build_options` gives them.

    Raises:
        EncodeError: The container or the codec takes none of this.
    """

    def __init__(
        self, path: Path, clip: vs.VideoNode, source: Source, plan: Plan, picture: Picture, codec: Codec,
        options: dict[str, str],
    ) -> None:  # fmt: skip
        self._time_base = source.time_base
        starts = [pts - source.origin for pts in source.pts]
        ends = [*starts[1:], source.end - source.origin]
        self._spans = list(zip(starts, ends, strict=True))
        self._durations = {start: end - start for start, end in self._spans}
        self.frames = 0
        with contextlib.ExitStack() as stack, _worded(clip, codec, options):
            self._output = stack.enter_context(contextlib.closing(_create(path)))
            self._stream = _add_video(self._output, clip, source, picture, codec, options)
            self._copied = stack.enter_context(contextlib.closing(CopiedStreams(source, plan, self._output)))
            self._output.start_encoding()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What an earlier error left half-written may not close cleanly either, and the earlier one is the news.
        with contextlib.suppress(Exception) if error else contextlib.nullcontext():
            self._stack.close()

    def write(self, frame: vs.VideoFrame) -> None:
        """Encode the next frame, then copy what else plays until its end."""
        start, end = self._spans[self.frames]
        picture = require("av").VideoFrame(frame.width, frame.height, self._stream.pix_fmt)
        for index, plane in enumerate(picture.planes):
            _copy_plane(np.asarray(frame[index]), plane)
        picture.pts, picture.time_base, picture.duration = start, self._time_base, end - start
        picture = self._copied.caption(picture)
        self._mux(self._stream.encode(picture))
        self.frames += 1
        self._copied.advance(end * self._time_base)

    def finish(self, *, is_whole: bool) -> None:
        """Write what the encoder still holds.

        Args:
            is_whole: Every frame came, so what plays on after the last one is copied too.
        """
        self._mux(self._stream.encode())
        self._copied.finish(is_whole=is_whole)

    def _mux(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            # Encoders know when a frame begins; how long it stays is in none of their books when rates vary.
            packet.duration = self._durations[packet.pts]
            self._output.mux(packet)


def _create(path: Path) -> Any:
    container = CONTAINERS[path.suffix.lower()]
    options = {"movflags": "+faststart"} if container in ("mp4", "mov") else {}
    return require("av").open(str(path), "w", format=container, options=options)


def _add_video(
    output: Any, clip: vs.VideoNode, source: Source, picture: Picture, codec: Codec, options: dict[str, str]
) -> Any:
    stream = output.add_stream(codec.encoder(), rate=source.frame_rate)
    context = stream.codec_context
    context.width, context.height = clip.width, clip.height
    context.pix_fmt = _pixel_format(clip.format)
    context.time_base = source.time_base
    # By name, because PyAV's own attribute is of 2026; FFmpeg counts from 1 what H.273 counts from 0.
    chroma = {"chroma_sample_location": str(picture.chroma_location + 1)} if clip.format.subsampling_h else {}
    context.options = options | chroma
    context.sample_aspect_ratio = picture.sample_aspect
    context.colorspace, context.color_primaries = picture.matrix, picture.primaries
    context.color_trc, context.color_range = picture.transfer, 2 if picture.is_full_range else 1
    if output.format.name in ("mp4", "mov") and codec.name in _MP4_TAGS:
        context.codec_tag = _MP4_TAGS[codec.name]
    return stream


def _pixel_format(form: vs.VideoFormat) -> str:
    chroma = {(0, 0): "444", (1, 0): "422", (1, 1): "420"}[form.subsampling_w, form.subsampling_h]
    return f"yuv{chroma}p" + (f"{form.bits_per_sample}le" if form.bits_per_sample > 8 else "")


def _copy_plane(pixels: NDArray[Any], plane: Any) -> None:
    """Copy [H, W] pixels into rows that the encoder has padded as it likes."""
    rows = np.frombuffer(plane, pixels.dtype).reshape(-1, plane.line_size // pixels.itemsize)
    rows[: pixels.shape[0], : pixels.shape[1]] = pixels


@contextlib.contextmanager
def _worded(clip: vs.VideoNode, codec: Codec, options: dict[str, str]) -> Iterator[None]:
    """Say in one sentence what the encoder refused; the details are what it wrote to stderr itself."""
    try:
        yield
    except OSError:
        raise  # the disk's, and not the encoder's
    except (require("av").FFmpegError, ValueError) as error:
        asked = ", ".join(f"{key} {options[key]}" for key in ("crf", "preset") if key in options)
        raise EncodeError(
            f"{codec.name} cannot encode {clip.width}x{clip.height}{f' with {asked}' * bool(asked)} "
            f"({getattr(error, 'strerror', None) or error})"
        ) from error
