"""A clip that a plugin makes, with the properties that ours have."""

from collections.abc import Callable
from typing import Any

import vapoursynth as vs
import vsutil

from vsfdat import color
from vsfdat.arch import FDAT
from vsfdat.options import UpscaleOptions

from .plugins import run

# Makes what gives a frame's transparency in the size of a clip, as a clip of its length, or None.
type AlphaResizer = Callable[[vs.VideoNode], Callable[[vs.VideoFrame], vs.VideoNode | None]]


def upscale(
    source: vs.VideoNode, target: vs.VideoFormat, network: FDAT, options: UpscaleOptions, alpha_resizer: AlphaResizer
) -> vs.VideoNode:
    """Make the clip that an installed plugin makes with a network.

    Args:
        source: What `color.to_network` gave.
        target: Of the result.
        network: Of one frame; one of one channel is run on each plane.
        options: As `vsfdat.upscale` takes them.
        alpha_resizer: For transparency.

    Raises:
        ValueError: An option does not go with these plugins.
        ExportError: No such plugin is here, or it refuses the network.
    """
    shown = _clamped(vsutil.depth(source, 32, vs.FLOAT))
    apart = network.config.num_in_ch == 1 and shown.format.num_planes > 1
    made = [run(vs.core, part, network, options) for part in (shown.std.SplitPlanes() if apart else [shown])]
    picture = _clamped(vs.core.std.ShufflePlanes(made, [0, 0, 0], vs.RGB) if apart else made[0])
    return _described(vsutil.depth(picture, target.bits_per_sample, vs.FLOAT), source, alpha_resizer)


def _clamped(clip: vs.VideoNode) -> vs.VideoNode:
    return clip.std.Expr("x 0 max 1 min")


def _described(made: vs.VideoNode, source: vs.VideoNode, alpha_resizer: AlphaResizer) -> vs.VideoNode:
    resize_alpha = alpha_resizer(made)

    def maker(n: int, f: vs.VideoFrame) -> vs.VideoNode:  # noqa: ARG001 (FrameEval's parameters)
        alpha = resize_alpha(f)

        def selector(n: int, f: Any) -> vs.VideoFrame:  # noqa: ARG001
            frame = f[0].copy()
            frame.props.clear()  # of what resizing it has written down
            color.describe_output(frame, f[1].props, f[2] if alpha else None)
            return frame

        return made.std.ModifyFrame([made, source, *([alpha] if alpha else [])], selector)

    return made.std.FrameEval(maker, prop_src=source)
