"""The video of an output: what its stream says, and when each of its frames is shown."""

import bisect
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsfdat.errors import EncodeError

from ..input.source import Source
from .codecs import Codec
from .encoders import Options
from .mastering import into_stream
from .picture import Picture


@dataclass(frozen=True)
class Video:
    """What is encoded, and how.

    `clip` is what `to_encoder` gave, `source` has the frames' times, `picture` says how the frames are to be read, and
    `options` are the encoder's.
    """

    clip: vs.VideoNode
    source: Source
    picture: Picture
    codec: Codec
    options: Options

    @property
    def time_base(self) -> Fraction:
        """Seconds that a tick of the times has."""
        return self.source.time_base

    @functools.cached_property
    def starts(self) -> Sequence[int]:
        """When each frame begins in the output, in ticks."""
        return [pts - self.source.origin for pts in self.source.pts]

    @functools.cached_property
    def ends(self) -> Sequence[int]:
        """When each frame goes."""
        return [*self.starts[1:], self.source.end - self.source.origin]

    def number_at(self, pts: int) -> int:
        """Find the frame that begins nearest to a time: encoders know it give or take a tick of theirs."""
        after = min(bisect.bisect_left(self.starts, pts), len(self.starts) - 1)
        return min((max(after - 1, 0), after), key=lambda number: abs(self.starts[number] - pts))

    def add_to(self, output: Any) -> Any:
        """Add a stream to a PyAV container, with an encoder that is open.

        Raises:
            EncodeError: The encoder takes none of this.
        """
        stream = output.add_stream(self.codec.encoder.name, rate=self.source.frame_rate)
        if self.picture.mastering:
            into_stream(stream, self.picture.mastering, self.codec.matroska_name)
        self._describe(stream.codec_context)
        if output.format.name in ("mp4", "mov") and self.codec.mp4_tag:
            stream.codec_context.codec_tag = self.codec.mp4_tag
        self._open(stream.codec_context)
        return stream

    def _describe(self, context: Any) -> None:
        clip, picture = self.clip, self.picture
        context.width, context.height = clip.width, clip.height
        context.pix_fmt = self.codec.encoder.pixel_format(clip.format)
        context.framerate, context.time_base = self.source.frame_rate, self.time_base
        # By frames where the encoder can, else by slices: PyAV's own choice has libx264 cut each frame into pieces that
        # know nothing of each other, which is slower and larger.
        context.thread_type = "AUTO"
        # By name, because PyAV's own attribute is of 2026; FFmpeg counts from 1 what H.273 counts from 0.
        location = {"chroma_sample_location": str(picture.chroma_location + 1)}
        context.options = location if clip.format.subsampling_h else {}
        context.sample_aspect_ratio = picture.sample_aspect
        context.colorspace, context.color_primaries = picture.matrix, picture.primaries
        context.color_trc, context.color_range = picture.transfer, 2 if picture.is_full_range else 1

    def _open(self, context: Any) -> None:
        """Open the encoder, and say in one sentence what it refuses."""
        codec, width, height = self.codec, context.width, context.height
        mine = codec.encoder.for_picture(self.options, width, height, self.picture.mastering)
        context.options = {**mine, **context.options}
        try:
            codec.encoder.open(context)
        except EncodeError as error:
            asked = ", ".join(f"{key} {self.options[key]}" for key in ("crf", "preset") if key in self.options)
            raise EncodeError(
                f"{codec.label} cannot encode {width}x{height}{f' with {asked}' * bool(asked)} ({error})"
            ) from error
