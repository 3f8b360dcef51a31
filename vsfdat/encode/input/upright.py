"""Pictures that a camera held turned or mirrored, made to stand upright."""

import logging
from collections.abc import Mapping
from typing import Any

import vapoursynth as vs

_log = logging.getLogger(__name__)

# Where chroma is sampled, right and down from the corner of a block of two by two, in halves of the block: left,
# center, top left, top, bottom left, bottom.
_PLACES = ((0, 1), (1, 1), (0, 0), (1, 0), (0, 2), (1, 2))


def turn_upright(clip: vs.VideoNode, props: Mapping[str, Any]) -> vs.VideoNode:
    """Mirror and turn a clip as its file asks for, and with it what its frames say of their sides.

    Args:
        clip: As the pictures are stored.
        props: Of one of its frames, as BestSource describes it.
    """
    rotation, is_flipped = int(props.get("Rotation", 0)) % 360, bool(props.get("FlipVertical", 0))
    if rotation % 90:
        _log.warning("The file asks for pictures turned by %d degrees; only quarter turns are done.", rotation)
        rotation = 0
    if is_flipped:
        clip = clip.std.FlipVertical()
    if rotation:
        clip = getattr(clip.std, f"Turn{rotation}")()
    if is_flipped or rotation:
        clip = clip.std.SetFrameProps(**_turn_props(props, rotation, is_flipped=is_flipped))
    return clip.std.RemoveFrameProps(["Rotation", "FlipVertical", "FlipHorizontal", "_Alpha"])


def _turn_props(props: Mapping[str, Any], rotation: int, *, is_flipped: bool) -> dict[str, int]:
    across, down = _PLACES[int(props.get("_ChromaLocation", vs.CHROMA_LEFT))]
    down = 2 - down if is_flipped else down
    for _ in range(rotation // 90):
        across, down = 2 - down, across
    # There is no word for the right; the middle is the nearest.
    turned = {"_ChromaLocation": _PLACES.index((min(across, 1), down))}
    if rotation in (90, 270) and "_SARNum" in props:
        turned |= {"_SARNum": int(props["_SARDen"]), "_SARDen": int(props["_SARNum"])}
    return turned
