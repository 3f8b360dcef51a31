"""What was asked for beyond the network's own pictures: another size, some of the plain picture, another format."""

import contextlib
import math
from dataclasses import dataclass
from fractions import Fraction

import vapoursynth as vs

from vsfdat import color
from vsfdat.options import UpscaleOptions


@dataclass(frozen=True)
class Finish:
    """How upscaled pictures become what was asked for.

    `passes` is how often the network goes over them, `size` their width and height at the end, `strength` the share of
    the network's picture beside the plainly resized one, `is_square` whether pixels are made square.
    """

    passes: int
    size: tuple[int, int]
    strength: float
    is_square: bool


def settle(clip: vs.VideoNode, scale: int, options: UpscaleOptions) -> Finish:
    """Settle what is to be done, by the options and the clip's size.

    Args:
        clip: The source. Its first frame is read where pixels are to be made square.
        scale: The network's.
        options: `height`, `scale`, `square_pixels`, `strength`.

    Raises:
        ValueError: The size is none.
    """
    factor: Fraction | float = scale
    if options.height is not None:
        factor = Fraction(options.height, clip.height)
    elif options.scale is not None:
        factor = options.scale
    passes = max(1, math.ceil(math.log(factor, scale) - 1e-9)) if scale > 1 else 1
    aspect = _read_aspect(clip) if options.square_pixels else Fraction(1)
    if aspect == 1 and factor == scale:
        size = clip.width * scale, clip.height * scale
    else:
        size = _even(clip.width * factor * aspect), options.height or _even(clip.height * factor)
    return Finish(passes, size, options.strength, options.square_pixels)


def finish(clip: vs.VideoNode, source: vs.VideoNode, how: Finish) -> vs.VideoNode:
    """Resize upscaled pictures, blend the plain ones in, and call their pixels square.

    Args:
        clip: What the network made.
        source: Its first pictures, of the same colours.
        how: What `settle` gave.
    """
    if (clip.width, clip.height) != how.size:
        clip = _resized_with_alpha(clip, how.size)
    if how.strength < 1:
        plain = source.resize.Lanczos(*how.size, format=vs.RGBS if clip.format.color_family == vs.RGB else vs.GRAYS)
        full = clip.resize.Point(format=plain.format.id)
        clip = plain.std.Merge(full, how.strength).std.CopyFrameProps(clip).resize.Point(format=clip.format.id)
    return clip.std.SetFrameProps(_SARNum=1, _SARDen=1) if how.is_square else clip


def to_format(clip: vs.VideoNode, wanted: int, source: vs.VideoNode) -> vs.VideoNode:
    """Turn upscaled RGB into another format, dithered, with the source's matrix, range and siting.

    Args:
        clip: Upscaled.
        wanted: A number such as `vs.YUV420P10`.
        source: The user's clip; its first frame is read.

    Raises:
        ValueError: There is no such format, or the size does not suit its chroma.
    """
    form = _find_format(wanted)
    if clip.width % (1 << form.subsampling_w) or clip.height % (1 << form.subsampling_h):
        raise ValueError(f"format {form.name} needs even sizes, and pictures become {clip.width}x{clip.height}")
    with source.get_frame(0) as frame:
        colours = color.describe(frame.props, source.format, source.width, source.height)
    is_yuv, is_rgb = (source.format.color_family == family for family in (vs.YUV, vs.RGB))
    return color.from_network(
        clip, form,
        matrix=colours.matrix if is_yuv else int(color.guess_matrix(clip.width, clip.height)),
        is_full_range=form.color_family == vs.RGB or (colours.is_full_range and not is_rgb),
        chroma_location=colours.chroma_location,
    )  # fmt: skip


def _find_format(wanted: object) -> vs.VideoFormat:
    with contextlib.suppress(vs.Error, TypeError, OverflowError):
        form = vs.core.get_video_format(wanted)
        if form.color_family != vs.UNDEFINED:
            return form
    raise ValueError(f"format must be one of VapourSynth's, as in vs.YUV420P10, passed {wanted!r}")


def _even(length: Fraction | float) -> int:
    return max(2, round(length / 2) * 2)


def _read_aspect(clip: vs.VideoNode) -> Fraction:
    """Read a pixel's width by its height; 1 where the first frame does not say it."""
    with clip.get_frame(0) as frame:
        width, height = (int(frame.props.get(name, 1)) for name in ("_SARNum", "_SARDen"))
    return Fraction(width, height) if width > 0 and height > 0 else Fraction(1)


def _resized_with_alpha(clip: vs.VideoNode, size: tuple[int, int]) -> vs.VideoNode:
    """Resize a clip, and what its frames have of transparency."""
    resized = clip.resize.Lanczos(*size)

    def choose(n: int, f: vs.VideoFrame) -> vs.VideoNode:  # noqa: ARG001 (FrameEval's parameters)
        alpha = f.props.get("_Alpha")
        if alpha is None:
            return resized
        grown = color.resized(alpha, *size)
        if grown is None:
            return resized.std.RemoveFrameProps("_Alpha")
        return resized.std.ModifyFrame([resized, grown.std.Loop(resized.num_frames)], _with_alpha)

    return resized.std.FrameEval(choose, prop_src=clip)


def _with_alpha(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001 (ModifyFrame's parameters)
    frame = f[0].copy()
    frame.props["_Alpha"] = f[1]
    return frame
