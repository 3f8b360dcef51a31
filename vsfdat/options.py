"""What a user may ask for: the choices, their defaults and their checks, for scripts and for the command.

Without torch and without VapourSynth, which take seconds to import: help and mistakes answer at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .models import DEFAULT_MODEL

Precision = Literal["fp32", "fp16", "bf16"]
PrecisionChoice = Literal["auto", "fp32", "fp16", "bf16"]
Kind = Literal["exact", "reference"]
CodecName = Literal["h264", "hevc", "av1", "ffv1"]
EncoderKind = Literal["auto", "software", "nvenc", "qsv", "amf"]


@dataclass(frozen=True, kw_only=True)
class UpscaleOptions:
    """The arguments of `vsfdat.upscale`, which says what each means.

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
    compile: bool = False

    def __post_init__(self) -> None:
        pair = self.tile if isinstance(self.tile, Sequence) and len(self.tile) == 2 else (0, 0)
        if self.tile is not None and not all(_is_count(side, 1) for side in pair):
            raise ValueError(f"tile must be (width, height) in pixels, both at least 1, passed {self.tile!r}")
        if not _is_count(self.overlap, 0):
            raise ValueError(f"overlap must be at least 0 pixels, passed {self.overlap!r}")
        if self.num_streams is not None and not _is_count(self.num_streams, 1):
            raise ValueError(f"num_streams must be at least 1, passed {self.num_streams!r}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user may ask of the command for a file.

    `start` and `end` are in seconds, `scale_to_height` in pixels; `crf` and `preset` are the encoder's own. `audio` and
    `subtitles` are kept unless they are False. `restart` throws away what an earlier run has done of the film, and
    `keep_partial` leaves a playable file of what is done after an interrupt. `cluster` is "auto" or the HOST:PORT of a
    Ray cluster whose machines do the work.
    """

    codec: CodecName = "h264"
    encoder: EncoderKind = "auto"
    crf: int | None = None
    preset: str | None = None
    scale_to_height: int | None = None
    start: float | None = None
    end: float | None = None
    audio: bool = True
    subtitles: bool = True
    overwrite: bool = False
    restart: bool = False
    keep_partial: bool = False
    cluster: str | None = None
    upscale: UpscaleOptions = field(default_factory=UpscaleOptions)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
