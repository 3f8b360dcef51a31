"""Which moments of a film tell most: found by a sample of small frames, the same ones for the same film."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsfdat.frames import planes
from vsfdat.plugin.neighbours import are_different, thumbnail

# Places of a film that are looked at, two frames each: enough that the busiest of them is busy, in a minute of seeking.
_SAMPLES = 96
_WIDTH = 480
# Of the contrast of thumbnails, and of the median detail: with less, there is next to nothing to see.
_LEAST_CONTRAST = 0.02
_LEAST_DETAIL = 0.3


@dataclass(frozen=True)
class Moment:
    """The number of a frame, and what it was chosen for."""

    number: int
    why: str


@dataclass(frozen=True)
class _Look:
    """A frame at a glance; motion is how far the next one is from it, 0 at a cut."""

    number: int
    small: NDArray[np.float32]
    brightness: float
    detail: float
    motion: float


def choose_moments(clip: vs.VideoNode, count: int) -> list[Moment]:
    """Choose the busiest moment, the darkest, that of the most motion, a typical one, and others far from these.

    Args:
        clip: Of a constant format.
        count: How many; fewer where the clip has no more frames.

    Returns:
        In the order of the film. They are in different scenes and far from each other as far as the film goes.
    """
    looks = _look(clip)
    telling = [look for look in looks if look.small.std() >= _LEAST_CONTRAST] or looks
    gap = clip.num_frames / (2 * count)
    taken: dict[str, _Look] = {}
    for why, ranked in _rank(telling).items():
        if len(taken) < count:
            _take(why, ranked, taken, gap)
    while len(taken) < min(count, len(looks)):
        near = {look.number: _distance(look, taken.values()) for look in looks}
        left = [look for look in telling if near[look.number]] or looks
        _take(f"another {len(taken)}", sorted(left, key=lambda look: -near[look.number]), taken, gap)
    found = [Moment(look.number, why.rstrip(" 0123456789")) for why, look in taken.items()]
    return sorted(found, key=lambda moment: moment.number)


def _look(clip: vs.VideoNode) -> list[_Look]:
    small = _shrink(clip)
    count = min(_SAMPLES, clip.num_frames)
    numbers = [(2 * place + 1) * clip.num_frames // (2 * count) for place in range(count)]
    looks = []
    for number in numbers:
        pixels, small_one = _read(small, number)
        _, next_one = _read(small, min(number + 1, clip.num_frames - 1))
        steps = [np.abs(np.diff(pixels.astype(np.int16), axis=axis)) for axis in (0, 1)]
        detail = sum(float(step.mean()) for step in steps if step.size) / 255
        motion = 0.0 if are_different(small_one, next_one) else float(np.abs(small_one - next_one).mean())
        looks.append(_Look(number, small_one, float(small_one.mean()), detail, motion))
    return looks


def _shrink(clip: vs.VideoNode) -> vs.VideoNode:
    width = min(_WIDTH, clip.width)
    height = max(1, round(clip.height * width / clip.width))
    matrix = vs.MATRIX_BT709 if clip.format.color_family == vs.RGB else None
    return clip.resize.Bilinear(width, height, format=vs.GRAY8, range=vs.RANGE_FULL, matrix=matrix)


def _read(small: vs.VideoNode, number: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    with small.get_frame(number) as frame:
        (pixels,) = planes(frame)
        return pixels.copy(), thumbnail([pixels], (0, 255))


def _rank(looks: Sequence[_Look]) -> dict[str, list[_Look]]:
    """Order frames by each thing that they may be chosen for, the best first."""
    figures = np.array([[look.brightness, look.detail, look.motion] for look in looks])
    middle = np.median(figures, 0)
    spread = np.abs(figures - middle).mean(0) + 1e-9
    oddness = (np.abs(figures - middle) / spread).sum(1)
    odd = {look.number: float(value) for look, value in zip(looks, oddness, strict=True)}
    seen = [look for look in looks if look.detail >= _LEAST_DETAIL * middle[1]] or looks
    return {
        "busiest": sorted(looks, key=lambda look: -look.detail),
        "darkest": sorted(seen, key=lambda look: look.brightness),
        "most motion": sorted(looks, key=lambda look: -look.motion),
        "typical": sorted(looks, key=lambda look: odd[look.number]),
    }


def _take(why: str, ranked: Sequence[_Look], taken: dict[str, _Look], gap: float) -> None:
    """Take the best one in another scene and far from those taken; else one that is far, else any other."""
    others = list(taken.values())
    left = [look for look in ranked if look.number not in {other.number for other in others}]
    far = [look for look in left if _distance(look, others) >= gap]
    apart = [look for look in far if all(are_different(look.small, other.small) for other in others)]
    # In a film of one scene, the best of its kind says more than one that is merely far.
    if chosen := (apart or far or left):
        taken[why] = chosen[0]


def _distance(look: _Look, others: Iterable[_Look]) -> int:
    return min((abs(look.number - other.number) for other in others), default=1 << 60)
