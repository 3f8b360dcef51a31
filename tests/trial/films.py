"""A film of known scenes, each a picture of its own kind."""

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

SIZE = (64, 96)
# How many frames each scene has.
LENGTH = 20


def textures() -> dict[str, NDArray[np.uint8]]:
    """Draw a plain scene, one in the dark, one full of detail, one that moves, and black."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    chance = np.random.default_rng(3)
    soft = 120 + 40 * np.sin(columns / 9) + 20 * np.cos(rows / 7)
    return {
        "plain": np.uint8(soft),
        "dark": np.uint8(np.clip(12 + 8 * np.sin(rows / 5) + 6 * np.cos(columns / 4 + 2), 0, 255)),
        "busy": chance.integers(60, 200, SIZE, np.uint8),
        "moving": np.uint8(128 + 60 * np.sin((rows + columns) / 12)),
        "black": np.zeros(SIZE, np.uint8),
    }


def make_clip(*names: str) -> vs.VideoNode:
    """Make a gray clip of scenes; the moving one moves by three pixels a frame."""
    drawn = textures()
    blank = vs.core.std.BlankClip(None, SIZE[1], SIZE[0], vs.GRAY8, length=LENGTH * len(names), keep=True)

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        name, frame = names[n // LENGTH], f.copy()
        shift = 3 * n if name == "moving" else 0
        np.asarray(frame[0])[:] = np.roll(drawn[name], shift, axis=1)
        return frame

    return blank.std.ModifyFrame(blank, draw).std.SetFrameProps(_Range=vs.RANGE_FULL)
