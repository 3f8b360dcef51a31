"""What the pictures of a file are, and how the upscaled ones are made to say and be the same."""

import logging
from dataclasses import dataclass
from fractions import Fraction

import vapoursynth as vs

from vsfdat import color
from vsfdat.errors import EncodeError

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


def describe(clip: vs.VideoNode, codec: Codec) -> Picture:
    """Read the first frame's properties, and settle what they leave open or the codec cannot say.

    The matrix is always settled: a player guesses a missing one by the size, and the size is about to change.

    Args:
        clip: The file's frames.
        codec: Of the output.

    Raises:
        EncodeError: The matrix is one that cannot be undone.
    """
    with clip.get_frame(0) as frame:
        props = dict(frame.props)
    tell_what_is_dynamic(props)
    colours = color.describe(props, clip.format, clip.width, clip.height)
    _tell_of_the_matrix(colours)
    is_yuv, location = clip.format.color_family == vs.YUV, colours.chroma_location
    return Picture(
        matrix=colours.matrix if is_yuv else int(vs.MATRIX_BT709),
        primaries=_find_primaries(colours.primaries, codec),
        transfer=colours.transfer,
        is_full_range=colours.is_full_range and clip.format.color_family != vs.RGB,
        # Chroma is made anew, so that any place is as good as it is known.
        chroma_location=location if location in codec.chroma_locations else int(vs.CHROMA_LEFT),
        sample_aspect=Fraction(int(props.get("_SARNum", 1)) or 1, int(props.get("_SARDen", 1)) or 1),
        mastering=read_mastering(props),
    )


def _tell_of_the_matrix(colours: color.Colours) -> None:
    if colours.guess:
        _log.warning("The file %s, and the output says so.", colours.guess)
    if colours.obstacle:
        raise EncodeError(
            f"{colours.obstacle}; if the file holds something else, write that into it, as with ffmpeg -i IN -c copy "
            "-bsf:v hevc_metadata=matrix_coefficients=9 OUT (or h264_metadata, av1_metadata; colour_primaries, "
            "transfer_characteristics), else convert it to another matrix first"
        )


def _find_primaries(primaries: int, codec: Codec) -> int:
    if primaries in codec.primaries:
        return primaries
    _log.warning(
        "%s cannot say that primaries are %d (EBU Tech 3213-E), and the output leaves them open; "
        "--codec av1 and ffv1 keep them.", codec.name, primaries,
    )  # fmt: skip
    return _UNSPECIFIED


def settle_matrix(clip: vs.VideoNode, picture: Picture) -> vs.VideoNode:
    """Have a YUV clip's frames name the matrix that was settled on, and no frames carry what is left out."""
    clip = clip.std.RemoveFrameProps("_Alpha")
    return clip.std.SetFrameProps(_Matrix=picture.matrix) if clip.format.color_family == vs.YUV else clip


def to_encoder(clip: vs.VideoNode, source: vs.VideoFormat, picture: Picture, codec: Codec) -> vs.VideoNode:
    """Turn upscaled RGB into what the encoder takes, dithered.

    Args:
        clip: RGBS or RGBH.
        source: Format of the file's frames.
        picture: How the result is to be read.
        codec: Says how many bits and how much chroma it takes.

    Raises:
        EncodeError: The pictures are too small for the codec.
    """
    form = codec.choose_format(source)
    clip = _crop_to_whole_chroma(_double_single(clip), form)
    _check_size(clip, codec)
    return color.from_network(
        clip, form, matrix=picture.matrix, is_full_range=picture.is_full_range, chroma_location=picture.chroma_location
    )


def _double_single(clip: vs.VideoNode) -> vs.VideoNode:
    """Show the only column or row twice: no encoder takes one alone."""
    doubled = vs.core.std.StackHorizontal([clip, clip]) if clip.width == 1 else clip
    doubled = vs.core.std.StackVertical([doubled, doubled]) if clip.height == 1 else doubled
    if doubled is not clip:
        _log.warning("No encoder takes pictures of %dx%d; the only column or row is doubled.", clip.width, clip.height)
    return doubled


def _crop_to_whole_chroma(clip: vs.VideoNode, form: vs.VideoFormat) -> vs.VideoNode:
    right, bottom = clip.width % (1 << form.subsampling_w), clip.height % (1 << form.subsampling_h)
    if not right and not bottom:
        return clip
    _log.warning("4:2:0 needs even sizes: of %dx%d the last column or row is cut off.", clip.width, clip.height)
    return clip.std.Crop(right=right, bottom=bottom)


def _check_size(clip: vs.VideoNode, codec: Codec) -> None:
    least = codec.least_side
    if min(clip.width, clip.height) < least:
        raise EncodeError(
            f"{codec.name} needs pictures of at least {least}x{least}, and these become {clip.width}x{clip.height}; "
            "use --codec h264 or ffv1"
        )
