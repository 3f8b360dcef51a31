"""The video codecs of the command: all that is known of each, and what it is given by default."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import get_args

import vapoursynth as vs

from vsfdat.errors import EncodeError
from vsfdat.options import CodecName, EncoderKind

from ..extras import require
from . import encoders
from .encoders import Encoder, Options


@dataclass(frozen=True)
class Codec:
    """One codec, with defaults that look like the network's own output.

    `encoder` is the one that works, and `hardware` are those that a user may have instead. `matroska_name` is what
    Matroska calls it; `mp4_tag` is what MP4 and MOV are to call it, where FFmpeg's own choice is not right.
    `primaries` and `chroma_locations` are those that it, or its containers, have numbers for, of what the others write
    as it is; pictures have at least `least_side` pixels on each side.
    """

    name: CodecName
    matroska_name: str
    encoder: Encoder
    hardware: tuple[Encoder, ...] = ()
    crf: int | None = None
    min_bits: int = 10
    max_bits: int = 10
    is_lossless: bool = False
    keeps_chroma: bool = False
    mp4_tag: str | None = None
    primaries: Collection[int] = range(256)
    chroma_locations: Collection[int] = range(6)
    least_side: int = 1

    @property
    def label(self) -> str:
        """What a message calls it."""
        kind = self.encoder.kind
        return self.name if kind == "software" else f"{self.name} by {kind}"

    def choose_format(self, source: vs.VideoFormat) -> vs.VideoFormat:
        """Choose the encoder's YUV format: 4:2:0, or the source's chroma for a codec that keeps it."""
        bits = min(max(source.bits_per_sample, self.min_bits), self.max_bits, self.encoder.max_bits)
        bits = next(step for step in (8, 10, 12, 16) if bits <= step)
        chroma = (1, 1)
        if self.keeps_chroma and source.color_family != vs.GRAY:
            chroma = (min(source.subsampling_w, 1), min(source.subsampling_h, source.subsampling_w, 1))
        return vs.core.query_video_format(vs.YUV, vs.INTEGER, bits, *chroma)

    def build_options(self, crf: int | None, preset: str | None) -> Options:
        """Merge what the user asked for into the defaults.

        Raises:
            EncodeError: The codec has no such setting, or not that value of it.
        """
        self._check_options(crf, preset)
        chosen = crf if crf is not None else self.crf
        speed = preset or self.encoder.preset
        return {
            **self.encoder.options,
            **self.encoder.extras,
            **(self.encoder.quality(chosen) if chosen is not None else {}),
            **({"preset": speed} if speed else {}),
        }

    def _check_options(self, crf: int | None, preset: str | None) -> None:
        crfs, presets = self.encoder.crfs, self.encoder.presets
        for setting, asked, values in (("crf", crf, crfs), ("preset", preset, presets)):
            if asked is not None and not values:
                raise EncodeError(
                    f"--{setting} does not apply to {self.name}{', which is lossless' if self.is_lossless else ''}"
                )
        if crf is not None and crf not in crfs:
            raise EncodeError(f"crf must be from {crfs[0]} to {crfs[-1]} for {self.label}, passed {crf}")
        if preset is not None and preset not in presets:
            raise EncodeError(f"preset must be one of {', '.join(presets)} for {self.label}, passed {preset!r}")

    def settle_options(self, options: Options) -> Options:
        """See that the encoder is there, and leave out what this device has not got.

        Raises:
            EncodeError: It is not there; the message names those that are.
        """
        if self.encoder.name not in require("av").codecs_available:
            raise EncodeError(f"codec {self.label} is not in this build of PyAV, choose another with --codec")
        if self.encoder.kind == "software":
            return options
        try:
            return encoders.try_options(self.encoder, options, self._hardware_bits)
        except EncodeError as error:
            raise EncodeError(
                f"{self.encoder.kind} cannot encode {self.name} here ({error}); what can: --encoder {self._what_can()}"
            ) from None

    def faster_ways(self, options: Options) -> str:
        """Name what a user may pass to encode faster than with these options; empty where there is nothing."""
        ways = ["a faster --preset"] if options.get("preset") != self.encoder.fastest else []
        if self.hardware and self.encoder.kind == "software":
            ways.append(f"--encoder {', '.join(other.kind for other in self.hardware)} where there is such a GPU")
        return " or ".join(ways)

    @property
    def _hardware_bits(self) -> int:
        return min(self.max_bits, self.encoder.max_bits)

    def _what_can(self) -> str:
        """List the kinds of encoder that open here, as a user would pass one."""
        kinds = ["software"]
        for other in self.hardware:
            if other.kind != self.encoder.kind and other.name in require("av").codecs_available:
                try:
                    encoders.try_options(other, {}, self._hardware_bits)
                except EncodeError:
                    continue
                kinds.append(other.kind)
        return " or ".join(kinds)


_CODECS = (
    # 8 bits of an 8-bit source play everywhere; a deeper source has no use for them.
    Codec("h264", "V_MPEG4/ISO/AVC", encoders.X264, crf=17, min_bits=8, primaries=range(13),
          hardware=(encoders.nvenc("h264", range(1, 52)), encoders.qsv("h264"),
                    encoders.amf("h264", range(52), "ipb"))),
    # Both are decoded in 10 bits by whatever decodes them at all, and band less.
    # Apple's players want HEVC under the name hvc1; nobody minds.
    Codec("hevc", "V_MPEGH/ISO/HEVC", encoders.X265, crf=18, mp4_tag="hvc1", primaries=range(13),
          least_side=16,  # of less libx265 says nothing but that it is invalid
          hardware=(encoders.nvenc("hevc", range(1, 52)), encoders.qsv("hevc"),
                    encoders.amf("hevc", range(52), "ip"))),
    # AV1 counts quantizers to 255, four to one of its encoders' qualities.
    Codec("av1", "V_AV1", encoders.SVT_AV1, crf=24, chroma_locations=(vs.CHROMA_LEFT, vs.CHROMA_TOP_LEFT),
          least_side=16,  # of less SVT-AV1 writes beyond its memory
          hardware=(encoders.nvenc("av1", range(1, 64)), encoders.qsv("av1"),
                    encoders.amf("av1", range(64), "ipb", step=4))),
    Codec("ffv1", "V_FFV1", encoders.FFV1, max_bits=16, is_lossless=True, keeps_chroma=True,
          chroma_locations=(vs.CHROMA_LEFT, vs.CHROMA_CENTER, vs.CHROMA_TOP_LEFT, vs.CHROMA_TOP)),
)  # fmt: skip


def find_codec(name: str, encoder: str = "auto") -> Codec:
    """Find a codec by the name that users know it by.

    Args:
        name: One of `CodecName`.
        encoder: What is to encode it, one of `EncoderKind`; "auto" is software.

    Raises:
        EncodeError: There is none of that name, or none that such an encoder makes.
    """
    codec = next((codec for codec in _CODECS if codec.name == name), None)
    if codec is None:
        raise EncodeError(f"codec must be one of {', '.join(codec.name for codec in _CODECS)}, passed {name!r}")
    if encoder not in get_args(EncoderKind):
        raise EncodeError(f"encoder must be one of {', '.join(get_args(EncoderKind))}, passed {encoder!r}")
    if encoder in ("auto", "software"):
        return codec
    for hardware in codec.hardware:
        if hardware.kind == encoder:
            return replace(codec, encoder=hardware)
    others = ", ".join(codec.name for codec in _CODECS if codec.hardware)
    raise EncodeError(f"{encoder} does not encode {name}, choose one of {others} with --codec, or --encoder software")
