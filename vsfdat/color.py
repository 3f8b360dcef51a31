"""Any constant format to gamma-encoded RGB in [0, 1] for the network, and the properties of what comes out."""

import logging
from collections.abc import Callable, Collection, MutableMapping
from typing import Any

import vapoursynth as vs
import vsutil

from .notices import Once

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


def levels(frame: vs.VideoFrame) -> tuple[int, int]:
    """Say which samples of a frame of `to_network` mean 0.0 and 1.0, by its range; RGB is full where it does not say.

    Args:
        frame: RGB or gray.
    """
    form = frame.format
    if form.sample_type == vs.FLOAT:
        return 0, 1
    usual = vs.RANGE_FULL if form.color_family == vs.RGB else vs.RANGE_LIMITED
    if frame.props.get("_Range", usual) == vs.RANGE_FULL:
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


def sort_out(clip: vs.VideoNode) -> Callable[[vs.VideoFrame], vs.VideoFrame]:
    """Make what puts the properties of a clip's frames in order for `resize`, for one frame at a time.

    What is missing is guessed as the VapourSynth community does, and said once in the log.

    Raises:
        ValueError: By what it gives: a frame's matrix cannot be undone.
    """
    once = Once(logging.getLogger(__name__))
    settle = {vs.RGB: _settle_rgb, vs.GRAY: _settle_gray, vs.YUV: _settle_yuv}[clip.format.color_family]

    def sorted_out(frame: vs.VideoFrame) -> vs.VideoFrame:
        frame = frame.copy()
        drop_reserved(frame.props)
        settle(frame, once)
        if frame.props.get("_FieldBased", vs.FIELD_PROGRESSIVE) != vs.FIELD_PROGRESSIVE:
            once.warning(
                "The clip is marked interlaced and is upscaled as if it were progressive, which is right where its "
                "pictures are whole (a script says so with clip.std.SetFieldBased(0)); else deinterlace it in a script."
            )
            frame.props["_FieldBased"] = vs.FIELD_PROGRESSIVE
        return frame

    return sorted_out


def drop_reserved(props: MutableMapping[str, Any]) -> None:
    """Forget primaries, transfer, chroma location and range where their numbers mean nothing."""
    for name, meaningful in _MEANINGFUL.items():
        if name in props and props[name] not in meaningful:
            del props[name]


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


def _settle_rgb(frame: vs.VideoFrame, once: Once) -> None:  # noqa: ARG001 (as the others)
    # resize refuses a YUV matrix on RGB, as ShufflePlanes leaves it.
    frame.props["_Matrix"] = vs.MATRIX_RGB


def _settle_gray(frame: vs.VideoFrame, once: Once) -> None:  # noqa: ARG001
    # resize refuses the RGB matrix on gray, and those that it does not know, though gray needs none.
    if frame.props.get("_Matrix", 2) not in (2, *_LINEAR_MATRICES, *_CONDITIONAL):
        frame.props["_Matrix"] = vs.MATRIX_UNSPECIFIED


def _settle_yuv(frame: vs.VideoFrame, once: Once) -> None:
    matrix, primaries, transfer = (int(frame.props.get(name, 2)) for name in ("_Matrix", "_Primaries", "_Transfer"))
    if matrix in NO_MATRIX:
        guess = guess_matrix(frame.width, frame.height)
        frame.props["_Matrix"] = guess
        once.warning(
            "The clip does not say which YUV matrix it has; taken as %s for %dx%d. "
            'Say otherwise with clip.std.SetFrameProps(_Matrix=...), as in vs.MATRIX_BT709.',
            "BT.709" if guess == vs.MATRIX_BT709 else "BT.601", frame.width, frame.height,
        )  # fmt: skip
    elif problem := why_not_rgb(matrix, primaries, transfer):
        raise ValueError(
            f"{problem}; if the clip holds something else, say so with clip.std.SetFrameProps"
            "(_Matrix=..., _Primaries=..., _Transfer=...), else convert it to another matrix first"
        )
