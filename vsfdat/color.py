"""Any constant format to gamma-encoded RGB in [0, 1] for the network, and the properties of what comes out."""

import logging
from collections.abc import Callable

import vapoursynth as vs
import vsutil

from .notices import Once

# What `_Matrix` says when it says nothing usable: RGB on a YUV clip, unspecified, reserved.
NO_MATRIX = (vs.MATRIX_RGB, vs.MATRIX_UNSPECIFIED, 3)


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
    location. What is missing is guessed as the VapourSynth community does, and said once in the log. Integers that
    have the colours already stay integers, for `levels` to tell what they mean: a device gets a quarter of the bytes.

    Args:
        clip: Any constant format.
        target: What `network_format` gave.
    """
    clip = clip.std.ModifyFrame(clip, _sort_out(clip, Once(logging.getLogger(__name__))))
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


def describe_output(frame: vs.VideoFrame, converted: vs.FrameProps) -> None:
    """Give an upscaled frame the properties of the frame that it came from; RGB has neither matrix nor chroma."""
    frame.props.update(converted)
    frame.props["_Range"] = vs.RANGE_FULL
    frame.props.pop("_ChromaLocation", None)


def guess_matrix(width: int, height: int) -> vs.MatrixCoefficients:
    """Guess the matrix of a YUV clip that does not name it: standard definition BT.601, all else BT.709."""
    return vs.MATRIX_BT709 if width >= 1280 or height > 576 else vs.MATRIX_ST170_M


def _is_integer_of(form: vs.VideoFormat, target: vs.VideoFormat) -> bool:
    return bool(form.sample_type == vs.INTEGER and form.color_family == target.color_family)


def _sort_out(clip: vs.VideoNode, once: Once) -> Callable[[int, vs.VideoFrame], vs.VideoFrame]:
    """Make the selector that puts a frame's properties in order for `resize`."""
    family = clip.format.color_family
    guess = guess_matrix(clip.width, clip.height)

    def selector(n: int, f: vs.VideoFrame) -> vs.VideoFrame:  # noqa: ARG001 (ModifyFrame's parameters)
        frame = f.copy()
        matrix = frame.props.get("_Matrix", vs.MATRIX_UNSPECIFIED)
        # resize refuses a YUV matrix on RGB, as ShufflePlanes leaves it, and the RGB matrix on gray.
        if family == vs.RGB:
            frame.props["_Matrix"] = vs.MATRIX_RGB
        elif family == vs.GRAY and matrix == vs.MATRIX_RGB:
            frame.props["_Matrix"] = vs.MATRIX_UNSPECIFIED
        elif family == vs.YUV and matrix in NO_MATRIX:
            frame.props["_Matrix"] = guess
            once.warning(
                "The clip does not say which YUV matrix it has; taken as %s for %dx%d. "
                'Say otherwise with clip.std.SetFrameProps(_Matrix=...), as in vs.MATRIX_BT709.',
                "BT.709" if guess == vs.MATRIX_BT709 else "BT.601", clip.width, clip.height,
            )  # fmt: skip
        if frame.props.get("_FieldBased", vs.FIELD_PROGRESSIVE) != vs.FIELD_PROGRESSIVE:
            once.warning(
                "The clip is marked interlaced and is upscaled as if it were progressive, which is right where its "
                "pictures are whole (a script says so with clip.std.SetFieldBased(0)); else deinterlace it in a script."
            )
            frame.props["_FieldBased"] = vs.FIELD_PROGRESSIVE
        return frame

    return selector
