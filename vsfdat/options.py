"""What a user may ask for: the choices, their defaults and their checks, for scripts and for the command.

Each field of a record is an option of the command, and its line under Args is what the help says. Without torch and
without VapourSynth, which take seconds to import: help and mistakes answer at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from .models import DEFAULT_MODEL

Precision = Literal["fp32", "fp16", "bf16"]
PrecisionChoice = Literal["auto", "fp32", "fp16", "bf16"]
Kind = Literal["exact", "reference"]
CodecName = Literal["h264", "hevc", "av1", "ffv1"]
EncoderKind = Literal["auto", "software", "nvenc", "qsv", "amf"]


_LARGEST_SCALE = 64
_STEPS = 256


class Moment(float):
    """A moment of a film, in seconds from its start."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Read 90, 1:30 or 0:01:30.5.

        Raises:
            ValueError: It is none of these.
        """
        try:
            parts = [float(part) for part in text.split(":")]
        except ValueError:
            parts = []
        if not 1 <= len(parts) <= 3 or "-" in text or not all(map(math.isfinite, parts)):
            raise ValueError(f"must be seconds or [hours:]minutes:seconds, passed {text!r}")
        return cls(sum(part * factor for part, factor in zip(reversed(parts), (1.0, 60.0, 3600.0), strict=False)))


@dataclass(frozen=True, kw_only=True)
class UpscaleOptions:
    """The arguments of `vsfdat.upscale`, which says more of each.

    Args:
        model: A name that `vsfdat models` lists, or the path of a checkpoint.
        device: auto, cpu, cuda, cuda:1, mps; several with commas between.
        precision: Of the arithmetic; auto is fp16 on CUDA, else fp32.
        tile: Width and height of the pieces that a frame is cut into, for short memory; the picture is then
            approximate.
        overlap: Pixels that neighbouring tiles share.
        num_streams: Frames at a time on each device.
        engine: exact gives the whole frame's picture fast and in little memory; reference runs the plain network.
        height: Of the output in pixels, its width follows; by default what the model gives. The model goes over the
            picture as often as that takes.
        scale: Width and height of the output in times the input's, instead of a height.
        square_pixels: Widen or narrow the output until its pixels are square.
        strength: Of what the model does, from 0, the plainly resized picture, to 1.
        ensemble: Take the mean of eight flips and rotations: eight times the work for a slightly better picture.
        dedup: The largest difference of a block of 8x8 pixels, in steps of 8 bits, by which a frame is still taken for
            a repetition of an earlier one; at 0 identical frames alone are computed once.
        frames: As many successive frames a temporal model looks at for each, odd; other models look at one.
        compile: Have torch.compile build the plain network of the reference, which takes minutes.

    Raises:
        ValueError: A number is out of range. Names of devices, precisions and engines are checked by who knows them.
    """

    model: str | Path = DEFAULT_MODEL
    device: str | Sequence[str] = "auto"
    precision: PrecisionChoice = "auto"
    tile: tuple[int, int] | None = None
    overlap: int = 16
    num_streams: int | None = None
    engine: Kind = "exact"
    height: int | None = None
    scale: float | None = None
    square_pixels: bool = False
    strength: float = 1.0
    ensemble: bool = False
    dedup: float | None = 0.0
    frames: int = 5
    compile: bool = False

    def __post_init__(self) -> None:
        pair = self.tile if isinstance(self.tile, Sequence) and len(self.tile) == 2 else (0, 0)
        if self.tile is not None and not all(_is_count(side, 1) for side in pair):
            raise ValueError(f"tile must be (width, height) in pixels, both at least 1, passed {self.tile!r}")
        if not _is_count(self.overlap, 0):
            raise ValueError(f"overlap must be at least 0 pixels, passed {self.overlap!r}")
        if self.num_streams is not None and not _is_count(self.num_streams, 1):
            raise ValueError(f"num_streams must be at least 1, passed {self.num_streams!r}")
        if self.height is not None and self.scale is not None:
            raise ValueError(f"name a height or a scale, passed both: {self.height!r} and {self.scale!r}")
        if self.height is not None and not _is_count(self.height, 2):
            raise ValueError(f"height must be at least 2 pixels, passed {self.height!r}")
        self._check_fractions()
        if not _is_count(self.frames, 3) or self.frames % 2 == 0:
            raise ValueError(f"frames must be odd and at least 3, passed {self.frames!r}")

    def _check_fractions(self) -> None:
        if self.scale is not None and not (_is_number(self.scale) and 0 < self.scale <= _LARGEST_SCALE):
            raise ValueError(f"scale must be above 0 and at most {_LARGEST_SCALE}, passed {self.scale!r}")
        if not (_is_number(self.strength) and 0 <= self.strength <= 1):
            raise ValueError(f"strength must be from 0 to 1, passed {self.strength!r}")
        if self.dedup is not None and not (_is_number(self.dedup) and 0 <= self.dedup < _STEPS):
            raise ValueError(f"dedup must be at least 0 and below {_STEPS} steps of 8 bits, passed {self.dedup!r}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user may ask of the command for a file.

    Args:
        codec: h264 plays everywhere, hevc and av1 are smaller, ffv1 is lossless.
        encoder: What encodes: nvenc, qsv and amf are NVIDIA's, Intel's and AMD's hardware, fast and larger at the same
            quality; auto is software.
        crf: The encoder's quality, lower is better and larger; by default 17 for h264, 18 for hevc, 24 for av1.
        preset: The encoder's speed, by its own names: medium for h264 and hevc, 6 for av1; p5 for nvenc, medium for
            qsv, quality for amf.
        start: Begin here: seconds, or [hours:]minutes:seconds.
        end: Stop before this moment of the input.
        no_audio: Leave sound out.
        no_subtitles: Leave subtitles out.
        overwrite: Replace an existing output.
        restart: Begin anew, though an earlier run has done a part.
        keep_partial: After Ctrl-C leave a playable file of what is done.
        cluster: Have the machines of a Ray cluster do the work: auto for the one that this machine is in, or its
            HOST:PORT.
        upscale: What the network is to do.
    """

    codec: CodecName = "h264"
    encoder: EncoderKind = "auto"
    crf: int | None = None
    preset: str | None = None
    start: Moment | None = None
    end: Moment | None = None
    no_audio: bool = False
    no_subtitles: bool = False
    overwrite: bool = False
    restart: bool = False
    keep_partial: bool = False
    cluster: str | None = None
    upscale: UpscaleOptions = field(default_factory=UpscaleOptions)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
