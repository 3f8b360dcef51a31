"""The video codecs of the command, and what each is given by default."""

from dataclasses import dataclass
from typing import Literal

import vapoursynth as vs

from vsfdat.errors import EncodeError

from .extras import require

CodecName = Literal["h264", "hevc", "av1", "ffv1"]


@dataclass(frozen=True)
class Codec:
    """One codec: its encoders in order of preference, and defaults that look like the network's own output."""

    name: CodecName
    encoders: tuple[str, ...]
    crf: int | None
    preset: str | None
    min_bits: int
    max_bits: int
    max_crf: int | None = None
    presets: tuple[str, ...] = ()
    keeps_chroma: bool = False
    options: tuple[tuple[str, str], ...] = ()

    def choose_format(self, source: vs.VideoFormat) -> vs.VideoFormat:
        """Choose the encoder's YUV format: 4:2:0, or the source's chroma for a codec that keeps it."""
        bits = min(max(source.bits_per_sample, self.min_bits), self.max_bits)
        bits = next(step for step in (8, 10, 12, 16) if bits <= step)
        chroma = (1, 1)
        if self.keeps_chroma and source.color_family != vs.GRAY:
            chroma = (min(source.subsampling_w, 1), min(source.subsampling_h, source.subsampling_w, 1))
        return vs.core.query_video_format(vs.YUV, vs.INTEGER, bits, *chroma)

    def encoder(self) -> str:
        """Name the encoder that this build of PyAV has.

        Raises:
            EncodeError: It has none.
        """
        av = require("av")
        for name in self.encoders:
            if name in av.codecs_available:
                return name
        raise EncodeError(f"codec {self.name} is not in this build of PyAV, choose another with --codec")

    def build_options(self, crf: int | None, preset: str | None) -> dict[str, str]:
        """Merge what the user asked for into the defaults.

        Raises:
            EncodeError: The codec has no such setting, or not that value of it.
        """
        for setting, asked, default in (("crf", crf, self.crf), ("preset", preset, self.preset)):
            if asked is not None and default is None:
                raise EncodeError(f"--{setting} does not apply to {self.name}, which is lossless")
        if crf is not None and self.max_crf is not None and not 0 <= crf <= self.max_crf:
            raise EncodeError(f"crf must be from 0 to {self.max_crf} for {self.name}, passed {crf}")
        if preset is not None and preset not in self.presets:
            raise EncodeError(f"preset must be one of {', '.join(self.presets)} for {self.name}, passed {preset!r}")
        chosen = {"crf": crf if crf is not None else self.crf, "preset": preset or self.preset}
        return dict(self.options) | {key: str(value) for key, value in chosen.items() if value is not None}


_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")

_CODECS = (
    # 8 bits of an 8-bit source play everywhere; a deeper source has no use for them.
    Codec("h264", ("libx264",), crf=17, preset="medium", min_bits=8, max_bits=10, max_crf=51, presets=_PRESETS),
    # Both are decoded in 10 bits by whatever decodes them at all, and band less.
    Codec("hevc", ("libx265",), crf=18, preset="medium", min_bits=10, max_bits=10, max_crf=51, presets=_PRESETS,
          options=(("x265-params", "log-level=error"),)),
    Codec("av1", ("libsvtav1",), crf=24, preset="6", min_bits=10, max_bits=10, max_crf=63,
          presets=tuple(map(str, range(14)))),
    Codec("ffv1", ("ffv1",), crf=None, preset=None, min_bits=10, max_bits=16, keeps_chroma=True,
          options=(("level", "3"), ("slices", "4"), ("slicecrc", "1"))),
)  # fmt: skip


def find_codec(name: str) -> Codec:
    """Find a codec by the name that users know it by.

    Raises:
        EncodeError: There is none of that name.
    """
    for codec in _CODECS:
        if codec.name == name:
            return codec
    names = ", ".join(codec.name for codec in _CODECS)
    raise EncodeError(f"codec must be one of {names}, passed {name!r}")
