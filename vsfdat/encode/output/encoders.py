"""FFmpeg's encoders: how each is asked for a quality and a speed, and whether it can be had here."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import vapoursynth as vs

from vsfdat.errors import EncodeError
from vsfdat.options import EncoderKind

from ..extras import require
from .mastering import Mastering, for_svt, for_x264, for_x265

type Options = Mapping[str, str]

_log = logging.getLogger(__name__)

# In their codecs' two names for the same thing.
_INTERLEAVED = {"yuv420p": "nv12", "yuv420p10le": "p010le"}


@dataclass(frozen=True)
class Encoder:
    """One encoder of FFmpeg's.

    `quality` gives the options for a value of `crfs`, `by_size` those for a width and height, `extras` are those that
    not every device has, the rarest last, and `mastering` words HDR10's metadata for the option `params`. `fastest` is
    one of `presets`.
    """

    kind: EncoderKind
    name: str
    crfs: range = range(0)
    quality: Callable[[int], Options] = lambda crf: {"crf": str(crf)}
    presets: tuple[str, ...] = ()
    preset: str | None = None
    fastest: str | None = None
    max_bits: int = 16
    is_interleaved: bool = False
    options: Options = field(default_factory=dict)
    by_size: Callable[[int, int], Options] = lambda width, height: {}  # noqa: ARG005
    extras: Options = field(default_factory=dict)
    params: str = ""
    mastering: Callable[[Mastering], str] = lambda mastering: ""  # noqa: ARG005
    environment: Options = field(default_factory=dict)

    def pixel_format(self, form: vs.VideoFormat) -> str:
        """Name FFmpeg's pixel format for frames of a YUV format."""
        planar = planar_format(form)
        return _INTERLEAVED[planar] if self.is_interleaved else planar

    def for_picture(self, options: Options, width: int, height: int, mastering: Mastering | None) -> Options:
        """Add to the options what depends on a picture's size, and HDR10's metadata where there is an option for it."""
        worded = self.mastering(mastering) if mastering else ""
        parts = [part for part in (options.get(self.params, ""), worded) if part]
        return {**options, **self.by_size(width, height), **({self.params: ":".join(parts)} if worded else {})}

    def open(self, context: Any) -> None:
        """Open a context of this encoder's, without a word on the terminal where the library can be told so.

        Raises:
            EncodeError: It does not open; the message is the library's or the driver's.
        """
        av = require("av")
        with _environment(self.environment), _libraries_words() as said:
            try:
                context.open()
            except (av.FFmpegError, ValueError, OSError) as error:
                reason = said[0][2] if said else getattr(error, "strerror", None) or str(error)
                raise EncodeError(reason.strip().rstrip(".")) from error


def planar_format(form: vs.VideoFormat) -> str:
    """Name FFmpeg's pixel format for the planes of a YUV format as VapourSynth keeps them."""
    chroma = {(0, 0): "444", (1, 0): "422", (1, 1): "420"}[form.subsampling_w, form.subsampling_h]
    return f"yuv{chroma}p" + (f"{form.bits_per_sample}le" if form.bits_per_sample > 8 else "")


def try_options(encoder: Encoder, options: Options, bits: int) -> Options:
    """Open a hardware encoder once, for what it is like.

    Returns:
        `options`, without as many of the extras, from the last one on, as this device has not got.

    Raises:
        EncodeError: There is no such device, or it has no such encoder; the message is the driver's.
    """
    extras = [key for key in options if key in encoder.extras]
    why: list[str] = []
    for count in range(len(extras) + 1):
        left_out = extras[len(extras) - count :]
        tried = {key: value for key, value in options.items() if key not in left_out}
        try:
            encoder.open(_trial(encoder, tried, bits))
        except EncodeError as error:
            why.append(str(error))
            continue
        if left_out:
            _log.info("%s goes without %s here (%s).", encoder.name, ", ".join(left_out), why[0])
        return tried
    raise EncodeError(why[-1])


def _trial(encoder: Encoder, options: Options, bits: int) -> Any:
    """Make a context for a size that every device takes."""
    context = require("av").CodecContext.create(encoder.name, "w")
    context.width, context.height, context.framerate = 640, 360, 25
    context.pix_fmt = encoder.pixel_format(vs.core.query_video_format(vs.YUV, vs.INTEGER, bits, 1, 1))
    context.options = dict(options)
    return context


@contextlib.contextmanager
def _environment(wanted: Options) -> Iterator[None]:
    """Set what the user has not set, for those libraries that listen to nothing else."""
    mine = {key: value for key, value in wanted.items() if key not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for key in mine:
            os.environ.pop(key, None)


@contextlib.contextmanager
def _libraries_words() -> Iterator[list[tuple[int, str, str]]]:
    """Collect the errors that FFmpeg logs, as (level, who, what); PyAV drops them else, and those that come twice."""
    log = require("av").logging
    level, skips = log.get_level(), log.get_skip_repeated()
    log.set_level(log.ERROR)
    log.set_skip_repeated(False)
    try:
        with log.Capture() as said:
            yield said
    finally:
        log.set_level(level)
        log.set_skip_repeated(skips)


_X26_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip

X264 = Encoder(
    "software", "libx264", range(52), presets=_X26_PRESETS, preset="medium", fastest="ultrafast",
    params="x264-params", mastering=for_x264,
)  # fmt: skip
X265 = Encoder(
    "software", "libx265", range(52), presets=_X26_PRESETS, preset="medium", fastest="ultrafast",
    options={"x265-params": "log-level=error"}, params="x265-params", mastering=for_x265,
)  # fmt: skip
SVT_AV1 = Encoder(
    "software", "libsvtav1", range(64), presets=tuple(map(str, range(14))), preset="6", fastest="13",
    params="svtav1-params", mastering=for_svt, environment={"SVT_LOG": "1"},
)  # fmt: skip
# Each slice has a thread: 24 are for 24 cores, and take 0.2 to 0.9 % less room than 4 from 640×360 up.
FFV1 = Encoder(
    "software", "ffv1", options={"level": "3", "slicecrc": "1"},
    by_size=lambda width, height: {"slices": "24" if min(width, height) >= 16 else "4"},
)  # fmt: skip


def nvenc(codec: str, crfs: range) -> Encoder:
    """NVIDIA's: quality by `cq`, of which 0 would mean that it chooses, with no limit to the bits."""
    return Encoder(
        "nvenc", f"{codec}_nvenc", crfs, lambda crf: {"cq": str(crf)},
        presets=("p1", "p2", "p3", "p4", "p5", "p6", "p7"), preset="p5", fastest="p1", max_bits=_bits(codec),
        is_interleaved=True, options={"tune": "hq", "rc": "vbr", "b": "0"},
        extras={"spatial-aq": "1", "rc-lookahead": "32", "bf": "3", "b_ref_mode": "middle"},
    )  # fmt: skip


def qsv(codec: str) -> Encoder:
    """Intel's: quality by ICQ, which is what `global_quality` without a bit rate asks for."""
    lookahead = {"look_ahead": "1"} if codec == "h264" else {"extbrc": "1"}
    return Encoder(
        "qsv", f"{codec}_qsv", range(1, 52), lambda crf: {"global_quality": str(crf)},
        presets=("veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"), preset="medium",
        fastest="veryfast", max_bits=_bits(codec), is_interleaved=True,
        extras={"bf": "3", "b_strategy": "1", **lookahead, "look_ahead_depth": "40"},
    )  # fmt: skip


def amf(codec: str, crfs: range, frames: str, step: int = 1) -> Encoder:
    """AMD's: constant quantizers, which its lookahead does not go with.

    Args:
        codec: Its name at FFmpeg.
        crfs: What a user may ask for.
        frames: The kinds of frame that it takes a quantizer for, such as "ipb".
        step: Quantizers to one of `crfs`.
    """
    return Encoder(
        "amf", f"{codec}_amf", crfs, lambda crf: {f"qp_{kind}": str(crf * step) for kind in frames},
        presets=("speed", "balanced", "quality"), preset="quality", fastest="speed", max_bits=_bits(codec),
        is_interleaved=True, options={"rc": "cqp"}, extras={"bf": "3"} if "b" in frames else {},
    )  # fmt: skip


def _bits(codec: str) -> int:
    # Hardly any device writes H.264 in 10 bits, and hardly any reads it.
    return 8 if codec == "h264" else 10
