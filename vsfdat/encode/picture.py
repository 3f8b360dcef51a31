"""What the pictures of a file are, and how the upscaled ones are made to say and be the same."""

import logging
from dataclasses import dataclass
from fractions import Fraction

import vapoursynth as vs

from vsfdat.color import NO_MATRIX, guess_matrix

from .codecs import Codec
from .mastering import Mastering, read_mastering, tell_what_is_dynamic

_log = logging.getLogger(__name__)

_UNSPECIFIED = 2


@dataclass(frozen=True)
class Picture:
    """How the pictures of a file are to be read, as H.273 numbers it; `sample_aspect` is a pixel's width by height."""

    matrix: int
    primaries: int
    transfer: int
    is_full_range: bool
    chroma_location: int
    sample_aspect: Fraction
    mastering: Mastering | None = None


def describe(clip: vs.VideoNode) -> Picture:
    """Read the first frame's properties, and settle what they leave open.

    The matrix is always settled: a player guesses a missing one by the size, and the size is about to change.
    """
    with clip.get_frame(0) as frame:
        props = dict(frame.props)
    tell_what_is_dynamic(props)
    matrix = int(props.get("_Matrix", _UNSPECIFIED))
    if clip.format.color_family != vs.YUV:
        matrix = int(vs.MATRIX_BT709)
    elif matrix in NO_MATRIX:
        matrix = int(guess_matrix(clip.width, clip.height))
        _log.warning(
            "The file does not say which YUV matrix it has; taken as %s for %dx%d, and the output says so.",
            "BT.709" if matrix == vs.MATRIX_BT709 else "BT.601", clip.width, clip.height,
        )  # fmt: skip
    return Picture(
        matrix=matrix,
        primaries=int(props.get("_Primaries", _UNSPECIFIED)),
        transfer=int(props.get("_Transfer", _UNSPECIFIED)),
        is_full_range=clip.format.color_family != vs.RGB and props.get("_Range", vs.RANGE_LIMITED) == vs.RANGE_FULL,
        chroma_location=int(props.get("_ChromaLocation", vs.CHROMA_LEFT)),
        sample_aspect=Fraction(int(props.get("_SARNum", 1)) or 1, int(props.get("_SARDen", 1)) or 1),
        mastering=read_mastering(props),
    )


def settle_matrix(clip: vs.VideoNode, picture: Picture) -> vs.VideoNode:
    """Have a YUV clip's frames name the matrix that was settled on."""
    return clip.std.SetFrameProps(_Matrix=picture.matrix) if clip.format.color_family == vs.YUV else clip


def to_encoder(
    clip: vs.VideoNode, source: vs.VideoFormat, picture: Picture, codec: Codec, height: int | None
) -> vs.VideoNode:
    """Turn upscaled RGB into what the encoder takes, dithered.

    Args:
        clip: RGBS or RGBH.
        source: Format of the file's frames.
        picture: How the result is to be read.
        codec: Says how many bits and how much chroma it takes.
        height: In pixels, where not what the network gives; the width follows.
    """
    form = codec.choose_format(source)
    if height is not None and height != clip.height:
        width = max(2, round(clip.width * height / clip.height / 2) * 2)
        clip = clip.resize.Lanczos(width, height)
    clip = _crop_to_whole_chroma(clip, form)
    return clip.resize.Bicubic(
        format=form.id,
        matrix=picture.matrix,
        range=int(picture.is_full_range),
        chromaloc=picture.chroma_location if form.subsampling_h else None,
        dither_type="error_diffusion",
    )


def _crop_to_whole_chroma(clip: vs.VideoNode, form: vs.VideoFormat) -> vs.VideoNode:
    right, bottom = clip.width % (1 << form.subsampling_w), clip.height % (1 << form.subsampling_h)
    if not right and not bottom:
        return clip
    _log.warning("4:2:0 needs even sizes: of %dx%d the last column or row is cut off.", clip.width, clip.height)
    return clip.std.Crop(right=right, bottom=bottom)
