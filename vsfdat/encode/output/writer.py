"""Upscaled frames into a video file."""

import bisect
import contextlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsfdat.errors import EncodeError

from ..container import ffmpeg_path
from ..extras import require
from ..formats import CONTAINERS
from ..input.source import Source
from ..streams import CopiedStreams, Plan
from .codecs import Codec
from .encoders import Options, planar_format
from .mastering import into_stream
from .picture import Picture

# Frames: in films shorter than its delay libx265 leaves the times to decode at to what its memory holds.
_FEW = 4


def check_fit(codec: Codec, output: Path) -> None:
    """Refuse an output that no container, or not the codec's, is known by.

    Raises:
        EncodeError: Its ending says so.
    """
    container = CONTAINERS.get(output.suffix.lower())
    if container is None:
        raise EncodeError(f"output must end in .mkv, .mp4, .mov or .webm, passed {output.name!r}")
    with require("av").open(io.BytesIO(), "w", format=container) as nothing:
        if not {codec.encoder.name, codec.name} & nothing.supported_codecs:
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
        options: Options,
    ) -> None:  # fmt: skip
        self._time_base = source.time_base
        self._starts = [pts - source.origin for pts in source.pts]
        self._ends = [*self._starts[1:], source.end - source.origin]
        self._planes = planar_format(clip.format)
        self._prepared = 0
        self.frames = 0
        with contextlib.ExitStack() as stack:
            self._output = stack.enter_context(contextlib.closing(_create(path)))
            self._stream = _add_video(self._output, clip, source, picture, codec)
            self._copied = stack.enter_context(contextlib.closing(CopiedStreams(source, plan, self._output)))
            _open(self._stream.codec_context, codec, options, picture)
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

    def prepare(self, frame: vs.VideoFrame) -> Any:
        """Copy the next frame into one that FFmpeg can keep, with its time; this may run beside `write`."""
        picture = require("av").VideoFrame(frame.width, frame.height, self._planes)
        for index, plane in enumerate(picture.planes):
            _copy_plane(np.asarray(frame[index]), plane)
        start, end = self._starts[self._prepared], self._ends[self._prepared]
        picture.pts, picture.time_base, picture.duration = start, self._time_base, end - start
        self._prepared += 1
        return picture

    def write(self, picture: Any) -> None:
        """Encode what `prepare` gave, then copy what else plays until its end."""
        picture = self._copied.caption(picture)
        self._mux(self._stream.encode(picture))
        self._copied.advance(self._ends[self.frames] * self._time_base)
        self.frames += 1

    def finish(self, *, is_whole: bool) -> None:
        """Write what the encoder still holds.

        Args:
            is_whole: Every frame came, so what plays on after the last one is copied too.
        """
        rest = self._stream.encode()
        if len(rest) == self.frames <= _FEW:
            _set_decoding_times(rest)
        self._mux(rest)
        self._copied.finish(is_whole=is_whole)

    def _mux(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            # Encoders know when a frame begins, give or take a tick of theirs; how long it stays is in none of their
            # books when rates vary.
            number = self._number_at(packet.pts)
            packet.duration = self._ends[number] - self._starts[number]
            self._output.mux(packet)

    def _number_at(self, pts: int) -> int:
        """Find the frame that begins nearest to a time."""
        after = min(bisect.bisect_left(self._starts, pts), len(self._starts) - 1)
        return min((max(after - 1, 0), after), key=lambda number: abs(self._starts[number] - pts))


def _create(path: Path) -> Any:
    container = CONTAINERS[path.suffix.lower()]
    options = {"movflags": "+faststart"} if container in ("mp4", "mov") else {}
    return require("av").open(ffmpeg_path(path), "w", format=container, options=options)


def _add_video(output: Any, clip: vs.VideoNode, source: Source, picture: Picture, codec: Codec) -> Any:
    stream = output.add_stream(codec.encoder.name, rate=source.frame_rate)
    if picture.mastering:
        into_stream(stream, picture.mastering, codec.matroska_name)
    context = stream.codec_context
    context.width, context.height = clip.width, clip.height
    context.pix_fmt = codec.encoder.pixel_format(clip.format)
    context.framerate, context.time_base = source.frame_rate, source.time_base
    # By frames where the encoder can, else by slices: PyAV's own choice has libx264 cut each frame into pieces that
    # know nothing of each other, which is slower and larger.
    context.thread_type = "AUTO"
    # By name, because PyAV's own attribute is of 2026; FFmpeg counts from 1 what H.273 counts from 0.
    context.options = {"chroma_sample_location": str(picture.chroma_location + 1)} if clip.format.subsampling_h else {}
    context.sample_aspect_ratio = picture.sample_aspect
    context.colorspace, context.color_primaries = picture.matrix, picture.primaries
    context.color_trc, context.color_range = picture.transfer, 2 if picture.is_full_range else 1
    if output.format.name in ("mp4", "mov") and codec.mp4_tag:
        context.codec_tag = codec.mp4_tag
    return stream


def _open(context: Any, codec: Codec, options: Options, picture: Picture) -> None:
    """Open the encoder, and say in one sentence what it refuses."""
    mine = codec.encoder.for_picture(options, context.width, context.height, picture.mastering)
    context.options = {**mine, **context.options}
    try:
        codec.encoder.open(context)
    except EncodeError as error:
        asked = ", ".join(f"{key} {options[key]}" for key in ("crf", "preset") if key in options)
        raise EncodeError(
            f"{codec.label} cannot encode {context.width}x{context.height}{f' with {asked}' * bool(asked)} ({error})"
        ) from error


def _set_decoding_times(packets: Sequence[Any]) -> None:
    """Give the packets of a very short film times to decode them at: in their order, each before it is shown."""
    first = min(packet.pts for packet in packets)
    for left, packet in enumerate(reversed(packets)):
        packet.dts = first - left


def _copy_plane(pixels: NDArray[Any], plane: Any) -> None:
    """Copy [H, W] pixels into rows that the encoder has padded as it likes."""
    rows = np.frombuffer(plane, pixels.dtype).reshape(-1, plane.line_size // pixels.itemsize)
    rows[: pixels.shape[0], : pixels.shape[1]] = pixels
