"""HDR10's metadata: what display a film was graded on, and how bright it gets."""

import io
import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..extras import require

_log = logging.getLogger(__name__)

# What frames know of metadata that changes from scene to scene, by BestSource's names.
_DYNAMIC = {"DolbyVisionRPU": "Dolby Vision", "HDR10Plus": "HDR10+"}

_UNSPECIFIED = 2

# Matroska's elements, in the order of `Mastering`'s numbers.
_CORNERS = ("55d1", "55d2", "55d3", "55d4", "55d5", "55d6", "55d7", "55d8")
_LUMINANCE = ("55d9", "55da")
_LEVELS = ("55bc", "55bd")


@dataclass(frozen=True)
class Mastering:
    """The static metadata of HDR10, each part None where the file leaves it out.

    `primaries` are x and y of red, green, blue and white; `luminance` is the display's most and least, `levels` are
    the film's own, MaxCLL and MaxFALL, all in cd/m².
    """

    primaries: tuple[float, ...] | None
    luminance: tuple[float, float] | None
    levels: tuple[int, int] | None


def read_mastering(props: Mapping[str, Any]) -> Mastering | None:
    """Read what a frame's properties say; None where that is nothing, or nonsense."""
    xs, ys = (props.get(f"MasteringDisplayPrimaries{axis}", ()) for axis in "XY")
    white = [props.get(f"MasteringDisplayWhitePoint{axis}", -1) for axis in "XY"]
    corners = (*(value for pair in zip(xs, ys, strict=True) for value in pair), *white)
    most, least = (float(props.get(f"MasteringDisplay{end}Luminance", -1)) for end in ("Max", "Min"))
    levels = tuple(int(props.get(f"ContentLightLevel{kind}", -1)) for kind in ("Max", "Average"))
    found = Mastering(
        primaries=corners if len(corners) == 8 and all(0 <= value <= 1 for value in corners) else None,
        luminance=(most, least) if 0 <= least < most < 2**16 else None,
        levels=(levels[0], levels[1]) if all(0 <= level < 2**16 for level in levels) else None,
    )
    return found if found != Mastering(None, None, None) else None


def tell_what_is_dynamic(props: Mapping[str, Any]) -> None:
    """Warn of metadata that no encoder here writes."""
    names = [name for prop, name in _DYNAMIC.items() if prop in props]
    if names:
        # Profile 5 has colours of its own, and its pictures state no others.
        is_strange = "DolbyVisionRPU" in props and props.get("_Transfer", _UNSPECIFIED) == _UNSPECIFIED
        _log.warning(
            "The file's %s metadata is left out; the output looks as on players that do without it%s.",
            " and ".join(names), ", in false colours if this is profile 5" if is_strange else "",
        )  # fmt: skip


def for_x264(mastering: Mastering) -> str:
    """Word it as two of x264's parameters."""
    return _join({"mastering-display": _in_units(mastering), "cll": _levels(mastering)})


def for_x265(mastering: Mastering) -> str:
    """Word it as two of x265's parameters."""
    return _join({"master-display": _in_units(mastering), "max-cll": _levels(mastering)})


def for_svt(mastering: Mastering) -> str:
    """Word it as two of SVT-AV1's parameters: fractions, of which it cuts off what AV1's binary digits cannot hold."""
    display = _display(mastering, _binary(16), _binary(8), _binary(14))
    return _join({"mastering-display": display, "content-light": _levels(mastering)})


def into_stream(stream: Any, mastering: Mastering, matroska_name: str) -> None:
    """Have an output's container say it.

    An encoder's context takes this from FFmpeg's own structures alone, which PyAV fills only from a file that is read.
    So one is made that has a header and nothing else.

    Args:
        stream: Fresh from `add_stream`: whatever is set before this is set anew.
        mastering: To be said.
        matroska_name: The codec's name in Matroska.
    """
    av = require("av")
    with av.open(io.BytesIO(_header(mastering, matroska_name)), format="matroska") as template:
        av.BitStreamFilterContext("null", template.streams.video[0], stream)


def _in_units(mastering: Mastering) -> str:
    return _display(mastering, _units(50000), _units(10000), _units(10000))


def _units(to_one: int) -> Callable[[float], str]:
    return lambda value: str(round(value * to_one))


def _binary(digits: int) -> Callable[[float], str]:
    return lambda value: f"{round(value * 2**digits) / 2**digits:.16f}"


def _display(
    mastering: Mastering, corner: Callable[[float], str], most: Callable[[float], str], least: Callable[[float], str]
) -> str:
    """Write out the display's colours and luminance, each number as said; encoders take both or neither."""
    if mastering.primaries is None or mastering.luminance is None:
        return ""
    rx, ry, gx, gy, bx, by, wx, wy = map(corner, mastering.primaries)
    high, low = mastering.luminance
    return f"G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({most(high)},{least(low)})"


def _levels(mastering: Mastering) -> str:
    return ",".join(map(str, mastering.levels)) if mastering.levels else ""


def _join(parameters: Mapping[str, str]) -> str:
    return ":".join(f"{name}={value}" for name, value in parameters.items() if value)


def _header(mastering: Mastering, codec: str) -> bytes:
    """Write a Matroska file of one track, which has no frames but HDR10's metadata."""
    display = _doubles(_CORNERS, mastering.primaries) + _doubles(_LUMINANCE, mastering.luminance)
    levels = b"".join(_number(name, value) for name, value in zip(_LEVELS, mastering.levels or (), strict=False))
    video = _number("b0", 16) + _number("ba", 16) + _element("55b0", levels + _element("55d0", display))
    track = _number("d7", 1) + _number("73c5", 1) + _number("83", 1) + _element("86", codec.encode())
    segment = _element("1654ae6b", _element("ae", track + _element("e0", video))) + _element("1f43b675", b"")
    return _element("1a45dfa3", _element("4282", b"matroska")) + _element("18538067", segment)


def _element(name: str, content: bytes) -> bytes:
    return bytes.fromhex(name) + (0x4000 | len(content)).to_bytes(2) + content


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(4))


def _doubles(names: Sequence[str], values: Sequence[float] | None) -> bytes:
    return b"".join(_element(name, struct.pack(">d", value)) for name, value in zip(names, values or (), strict=False))
