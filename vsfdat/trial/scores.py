"""How near each picture is to the same film's original in full size, as the plugin vszip measures it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import vapoursynth as vs

from vsfdat.encode.input.source import open_source
from vsfdat.errors import EncodeError

from .stills import Still, to_rgb

# What pages are shown as; SSIMULACRA2 makes light of it.
_SRGB = 13

INSTALL = "to measure against the reference: pip install vapoursynth-vszip"


def is_installed() -> bool:
    """Tell whether VapourSynth has the plugin."""
    return hasattr(vs.core, "vszip")


def open_reference(path: Path, size: tuple[int, int], frames: int) -> vs.VideoNode:
    """Open the original.

    Args:
        path: Its file.
        size: Width and height of the pictures to be measured.
        frames: Of the film.

    Raises:
        EncodeError: It cannot be read, or is not the same film in that size.
    """
    clip = open_source(path).clip
    if (clip.width, clip.height) != size or clip.num_frames != frames:
        raise EncodeError(
            f"--reference must be the same film in the output's size, {size[0]}x{size[1]} with {frames} frames, "
            f"passed {path} of {clip.width}x{clip.height} with {clip.num_frames}"
        )
    return to_rgb(clip)


def measure(reference: vs.VideoNode, numbers: Sequence[int], stills: Sequence[Mapping[str, Still]]) -> dict[str, str]:
    """Measure pictures, the mean of all moments by name, in words.

    Args:
        reference: The original, RGBS.
        numbers: Of the frames.
        stills: What became of them.
    """
    figures = {
        name: np.mean(
            [measure_one(reference[number], made[name].clip) for number, made in zip(numbers, stills, strict=True)], 0
        )
        for name in stills[0]
    }
    return {
        name: f"{ssimulacra:.1f} SSIMULACRA2, {xpsnr:.2f} dB XPSNR" for name, (ssimulacra, xpsnr) in figures.items()
    }


def measure_one(reference: vs.VideoNode, made: vs.VideoNode) -> tuple[float, float]:
    """Measure a clip of one frame: SSIMULACRA2, 100 for the same, and luma's XPSNR in dB."""
    clips = [
        clip.std.RemoveFrameProps().std.SetFrameProps(_Matrix=vs.MATRIX_RGB, _Transfer=_SRGB)
        for clip in (reference, made)
    ]
    compared = vs.core.vszip.SSIMULACRA2(*clips)
    luma = [clip.resize.Bicubic(format=vs.YUV444P10, matrix=vs.MATRIX_BT709) for clip in clips]
    weighed = vs.core.vszip.XPSNR(*luma, temporal=0, verbose=0)
    with compared.get_frame(0) as first, weighed.get_frame(0) as second:
        return float(first.props["SSIMULACRA2"]), float(second.props["XPSNR_Y"])
