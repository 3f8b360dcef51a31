"""Any constant format to gamma-encoded RGB in [0, 1] for the network, and the properties of what comes out."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import vapoursynth as vs
import vsutil

from .notices import Once

_UNSPECIFIED = 2
# What `_Matrix` says when it says nothing usable: RGB on a YUV clip, unspecified, reserved.
NO_MATRIX = (vs.MATRIX_RGB, vs.MATRIX_UNSPECIFIED, 3)

# The numbers of H.273 that mean something; `resize` refuses whatever else a frame says, needed or not.
_PRIMARIES = {1, 2, *range(4, 13), 22}
_TRANSFERS = {1, 2, *range(4, 19)}
_MEANINGFUL: dict[str, Collection[int]] = {
    "_Primaries": _PRIMARIES,
    "_Transfer": _TRANSFERS,
    "_ChromaLocation": range(6),
    "_Range": (vs.RANGE_LIMITED, vs.RANGE_FULL),
}

_LINEAR_MATRICES = (1, 4, 5, 6, 7, 8, 9)
_CHROMATICITIES = _PRIMARIES - {2, 10}  # XYZ's own are none to derive a matrix from
# Matrices that depend on more than their number: with which primaries and transfers each can be undone, in words too.
_CONDITIONAL: dict[int, tuple[Collection[int], Collection[int], str]] = {
    10: (_PRIMARIES, {1, 6, 7, 14, 15}, "the transfer of BT.709, BT.601 or BT.2020 (1, 6, 7, 14, 15)"),
    12: (_CHROMATICITIES, _TRANSFERS, "primaries that are said (1, 4 to 9, 11, 12, 22)"),
    13: (_CHROMATICITIES, _TRANSFERS - {2, 8}, "primaries (1, 4 to 9, 11, 12, 22) and a transfer (1, 4 to 7, 9 to 18)"),
    14: ({9}, {16, 18}, "BT.2020's primaries (9) and the transfer PQ or HLG (16, 18)"),
}
_NAMES = {
    10: "BT.2020 constant luminance", 11: "ST 2085", 12: "chromaticity-derived",
    13: "chromaticity-derived constant luminance", 14: "ICtCp", 15: "IPT-C2", 16: "YCgCo-Re", 17: "YCgCo-Ro",
}  # fmt: skip


@dataclass(frozen=True)
class Colours:
    """How the samples of a frame mean colours, as H.273 numbers it, with what they leave open settled.

    `guess` words what was taken for a missing matrix; `obstacle` words why YUV of this matrix and RGB cannot become
    each other. Both are None where there is nothing to say.
    """

    matrix: int
    primaries: int
    transfer: int
    is_full_range: bool
    chroma_location: int
    guess: str | None = None
    obstacle: str | None = None


def describe(props: Mapping[str, Any], form: vs.VideoFormat, width: int, height: int) -> Colours:
    """Read how a frame is to be read: the one place that does, for scripts and for the command.

    Args:
        props: Of the frame. Numbers that mean nothing count as missing.
        form: Of the frame.
        width: In pixels; a missing matrix is guessed from the size, as VapourSynth's community does.
        height: Likewise.
    """
    said = {name: int(value) for name, value in props.items() if _means_something(name, value)}
    primaries, transfer = said.get("_Primaries", _UNSPECIFIED), said.get("_Transfer", _UNSPECIFIED)
    matrix, guess = _settle_matrix(int(props.get("_Matrix", _UNSPECIFIED)), form, width, height)
    return Colours(
        matrix=matrix,
        primaries=primaries,
        transfer=transfer,
        is_full_range=said.get("_Range", _usual_range(form)) == vs.RANGE_FULL,
        chroma_location=said.get("_ChromaLocation", int(vs.CHROMA_LEFT)),
        guess=guess,
        obstacle=why_not_rgb(matrix, primaries, transfer) if form.color_family == vs.YUV else None,
    )


def network_format(clip: vs.VideoNode, channels: int) -> vs.VideoFormat:
    """Choose what frames are when they leave; they meet the network as that, or as integers of the same colours.

    Half in RGB (or gray, for a network of one channel) stays half; everything else becomes single.

    Args:
        clip: As the user has it.
        channels: Of the network, 1 or 3. A network of one channel runs on gray as it is, and on each plane of RGB.
    """
    family = vs.GRAY if channels == 1 and clip.format.color_family == vs.GRAY else vs.RGB
    keeps_half = clip.format.color_family == family and clip.format.sample_type == vs.FLOAT
    bits = clip.format.bits_per_sample if keeps_half else 32
    return vs.core.query_video_format(family, vs.FLOAT, bits)


def to_network(clip: vs.VideoNode, target: vs.VideoFormat) -> vs.VideoNode:
    """Convert a clip to the network's colours by what its frames say of themselves.

    Nothing is read until frames are asked for, and every frame is taken at its own word: matrix, range, chroma
    location. Integers that have the colours already stay integers, for `levels` to tell what they mean: a device gets
    a quarter of the bytes.

    Args:
        clip: Any constant format, its frames as `sort_out` leaves them.
        target: What `network_format` gave.
    """
    if clip.format.id == target.id or _is_integer_of(clip.format, target):
        return clip
    # Floats for all else: integers of 16 bits would save half the upload, which hides behind the network's work, and
    # cost each device's picture its likeness to the CPU's.
    if clip.format.color_family == target.color_family:
        return vsutil.depth(clip, target.bits_per_sample, vs.FLOAT)
    return clip.resize.Bicubic(format=target.id)


def from_network(
    clip: vs.VideoNode, form: vs.VideoFormat, *, matrix: int, is_full_range: bool, chroma_location: int
) -> vs.VideoNode:
    """Convert upscaled pictures to a format, dithered.

    Args:
        clip: RGB of floats.
        form: To be had.
        matrix: Of YUV or gray, as H.273 numbers it.
        is_full_range: Of its samples.
        chroma_location: Where chroma lies that is less than luma in both directions.
    """
    return clip.resize.Bicubic(
        format=form.id,
        matrix=None if form.color_family == vs.RGB else matrix,
        range=int(is_full_range),
        chromaloc=chroma_location if form.subsampling_h else None,
        dither_type="error_diffusion",
    )


def levels(frame: vs.VideoFrame) -> tuple[int, int]:
    """Say which samples of a frame of `to_network` mean 0.0 and 1.0, by its range; RGB is full where it does not say.

    Args:
        frame: RGB or gray.
    """
    form = frame.format
    if form.sample_type == vs.FLOAT:
        return 0, 1
    if describe(frame.props, form, frame.width, frame.height).is_full_range:
        return 0, 2**form.bits_per_sample - 1
    return 16 << (form.bits_per_sample - 8), 235 << (form.bits_per_sample - 8)


def describe_output(frame: vs.VideoFrame, converted: vs.FrameProps, alpha: vs.VideoFrame | None = None) -> None:
    """Give an upscaled frame the properties of the frame that it came from; RGB has neither matrix nor chroma.

    Args:
        frame: To be described.
        converted: Properties of the frame that went into the network.
        alpha: Its transparency in the new size; None for none.
    """
    frame.props.update(converted)
    frame.props["_Range"] = vs.RANGE_FULL
    frame.props.pop("_ChromaLocation", None)
    frame.props.pop("_Alpha", None)
    if alpha is not None:
        frame.props["_Alpha"] = alpha


def resized(frame: vs.VideoFrame, width: int, height: int) -> vs.VideoNode | None:
    """Make a clip of one frame in another size and nothing else changed; None where VapourSynth cannot.

    Args:
        frame: Of any format, such as the transparency in another's properties.
        width: Of the result, in pixels.
        height: Likewise.
    """
    if frame.format.sample_type == vs.INTEGER and frame.format.bits_per_sample > 16:
        return None
    blank = vs.core.std.BlankClip(None, frame.width, frame.height, frame.format.id, length=1, keep=True)
    clip = blank.std.ModifyFrame(blank, lambda n, f: frame)  # noqa: ARG005
    # By its properties it could be half a picture, or none of this format. Linear, for what is in [0, 1] to stay there.
    return clip.std.RemoveFrameProps().resize.Bilinear(width, height).std.CopyFrameProps(clip)


def guess_matrix(width: int, height: int) -> vs.MatrixCoefficients:
    """Guess the matrix of a YUV clip that does not name it: standard definition BT.601, all else BT.709."""
    return vs.MATRIX_BT709 if width >= 1280 or height > 576 else vs.MATRIX_ST170_M


def sort_out() -> Callable[[vs.VideoFrame], vs.VideoFrame]:
    """Make what puts the properties of the frames of one clip in order for `resize`, one frame at a time.

    What is missing is guessed, and said once in the log.

    Raises:
        ValueError: By what it gives: a frame's matrix cannot be undone.
    """
    once = Once(logging.getLogger(__name__))

    def sorted_out(frame: vs.VideoFrame) -> vs.VideoFrame:
        frame = frame.copy()
        colours = describe(frame.props, frame.format, frame.width, frame.height)
        if colours.obstacle:
            raise ValueError(
                f"{colours.obstacle}; if the clip holds something else, say so with clip.std.SetFrameProps"
                "(_Matrix=..., _Primaries=..., _Transfer=...), else convert it to another matrix first"
            )
        if colours.guess:
            once.warning(
                "The clip %s. Say otherwise with clip.std.SetFrameProps(_Matrix=...), as in vs.MATRIX_BT709.",
                colours.guess,
            )
        _write_down(frame, colours)
        _call_progressive(frame, once)
        return frame

    return sorted_out


def why_not_rgb(matrix: int, primaries: int, transfer: int) -> str | None:
    """Say why YUV of a matrix cannot become RGB and RGB such YUV; None where both can.

    Args:
        matrix: As H.273 numbers it, and not one of `NO_MATRIX`.
        primaries: Likewise; 2 where nothing says it.
        transfer: Likewise.
    """
    if matrix in _LINEAR_MATRICES:
        return None
    said = f"the YUV matrix is {matrix} ({_NAMES.get(matrix, 'reserved')})"
    if matrix not in _CONDITIONAL:
        return f"{said}, which VapourSynth does not know"
    with_primaries, with_transfers, words = _CONDITIONAL[matrix]
    if primaries in with_primaries and transfer in with_transfers:
        return None
    return f"{said}, which needs {words}, and primaries are {primaries} and transfer {transfer} (2: not said)"


def _is_integer_of(form: vs.VideoFormat, target: vs.VideoFormat) -> bool:
    return bool(form.sample_type == vs.INTEGER and form.color_family == target.color_family)


def _means_something(name: str, value: object) -> bool:
    return name in _MEANINGFUL and value in _MEANINGFUL[name]


def _usual_range(form: vs.VideoFormat) -> vs.Range:
    return vs.RANGE_FULL if form.color_family == vs.RGB else vs.RANGE_LIMITED


def _settle_matrix(matrix: int, form: vs.VideoFormat, width: int, height: int) -> tuple[int, str | None]:
    """Give the matrix that `resize` is to be told, and what there is to say of it."""
    if form.color_family == vs.RGB:  # resize refuses a YUV matrix there, as ShufflePlanes leaves it
        return int(vs.MATRIX_RGB), None
    if form.color_family == vs.GRAY:  # resize refuses what it does not know, though gray needs none
        known = matrix in (_UNSPECIFIED, *_LINEAR_MATRICES, *_CONDITIONAL)
        return matrix if known else _UNSPECIFIED, None
    if matrix not in NO_MATRIX:
        return matrix, None
    guess = guess_matrix(width, height)
    name = "BT.709" if guess == vs.MATRIX_BT709 else "BT.601"
    return int(guess), f"does not say which YUV matrix it has; taken as {name} for {width}x{height}"


def _write_down(frame: vs.VideoFrame, colours: Colours) -> None:
    """Have a frame say what was read of it, and leave out what `resize` takes for granted where nothing is said."""
    settled = {
        "_Matrix": (colours.matrix, _UNSPECIFIED),
        "_Primaries": (colours.primaries, _UNSPECIFIED),
        "_Transfer": (colours.transfer, _UNSPECIFIED),
        "_ChromaLocation": (colours.chroma_location, vs.CHROMA_LEFT),
        "_Range": (vs.RANGE_FULL if colours.is_full_range else vs.RANGE_LIMITED, _usual_range(frame.format)),
    }
    for name, (value, granted) in settled.items():
        said = frame.props.get(name, granted)
        if said != value and value == granted:
            del frame.props[name]
        elif said != value:
            frame.props[name] = int(value)


def _call_progressive(frame: vs.VideoFrame, once: Once) -> None:
    if frame.props.get("_FieldBased", vs.FIELD_PROGRESSIVE) != vs.FIELD_PROGRESSIVE:
        once.warning(
            "The clip is marked interlaced and is upscaled as if it were progressive, which is right where its "
            "pictures are whole (a script says so with clip.std.SetFieldBased(0)); else deinterlace it first: a script "
            "with core.bwdif.Bwdif(clip, field=1) or core.vivtc, the command with --deinterlace auto."
        )
        frame.props["_FieldBased"] = vs.FIELD_PROGRESSIVE
