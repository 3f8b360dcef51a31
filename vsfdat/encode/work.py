"""A film as it is opened for work: whoever makes a segment of it opens it like this, here or on another machine."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsfdat.options import Settings

from .input.source import Source, cut, open_source
from .output.codecs import Codec
from .output.encoders import Options
from .output.picture import Picture, describe, settle_matrix, to_encoder
from .output.video import Video
from .pace import Arrivals
from .streams import Plan, plan_streams


@dataclass(frozen=True)
class Work:
    """A film's frames, upscaled when they are asked for, and what becomes of them and of all else in the file.

    `least_ahead` frames must be under way for no device to wait: those worked on, and one that comes or goes.
    `arrivals` knows which are decoded.
    """

    source: Source
    plan: Plan
    video: Video
    least_ahead: int
    arrivals: Arrivals = field(default_factory=Arrivals)


def open_work(
    path: Path, container: str, settings: Settings, codec: Codec, options: Options, network: Any = None
) -> Work:
    """Open a film.

    Args:
        path: The film.
        container: FFmpeg's name of the output's.
        settings: What the user asked for.
        codec: As these name it.
        options: The encoder's, without what depends on the film.
        network: What `load_model` gave, where several films share it.

    Raises:
        EncodeError: It cannot be read, or a setting does not fit it.
        vapoursynth.Error: The network cannot be run on it.
    """
    kept = {"audio": not settings.no_audio, "subtitles": not settings.no_subtitles}
    plan = plan_streams(path, container, codec.encoder.name, **kept)
    source = cut(open_source(path), settings.start, settings.end)
    arrivals = Arrivals()
    clip, picture = _upscale(source, codec, settings, network, arrivals)
    video = Video(clip, source, picture, codec, plan.encoder_options(options))
    return Work(source, plan, video, _least_ahead(settings), arrivals)


def _upscale(
    source: Source, codec: Codec, settings: Settings, network: Any, arrivals: Arrivals
) -> tuple[vs.VideoNode, Picture]:
    from vsfdat import plugin  # with torch, which takes seconds; a mistake in the arguments is told before that

    picture = source.mending.retry(lambda: describe(source.clip, codec))
    options = vars(settings.upscale) | ({"model": network} if network is not None else {})
    upscaled = plugin.upscale(settle_matrix(arrivals.watch(source.clip), picture), **options)
    if settings.upscale.square_pixels:
        picture = replace(picture, sample_aspect=Fraction(1))
    return to_encoder(upscaled, source.clip.format, picture, codec), picture


def _least_ahead(settings: Settings) -> int:
    from vsfdat import plugin  # loaded by now

    return 1 + plugin.count_slots(settings.upscale.device, settings.upscale.num_streams)
