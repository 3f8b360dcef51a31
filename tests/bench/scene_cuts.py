"""How often neighbours are taken for another scene, by hand: python -m tests.bench.scene_cuts PICTURES [VIDEO...].

Pairs of frames are made of a folder's pictures: cuts, and what happens within a scene. Prints the share of each kind
that is called a cut.
"""

import collections
import random
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsfdat.plugin.neighbours import are_different, thumbnail
from vsfdat.quality.clips import read_frames

WIDTH, HEIGHT = 320, 180
PICTURES = 300
DARK = 0.15

type Frame = NDArray[np.float32]


def view(picture: Image.Image, x: float, y: float, zoom: float = 1) -> Frame:
    """Look at a part of a picture [H, W, 3], in [0, 1]."""
    box = (x, y, x + WIDTH / zoom, y + HEIGHT / zoom)
    return np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box), np.float32) / 255


def pairs(one: Image.Image, other: Image.Image, draw: np.random.Generator) -> Iterator[tuple[str, Frame, Frame]]:
    """Make pairs of successive frames, each with the name of its kind."""
    dark = draw.random() < 0.25
    here, there = (view(picture, 20, 20) * (DARK if dark else 1) for picture in (one, other))
    yield "cut, dark" if dark else "cut", _with_grain(here, draw), _with_grain(there, draw)
    for name, least, most in (("pan to 3 %", 0, 0.03), ("pan to 8 %", 0.03, 0.08)):
        x, y = draw.uniform(least, most, 2) * WIDTH
        yield name, view(one, 20, 20), view(one, 20 + x, 20 + y)
    yield "zoom", view(one, 60, 60), view(one, 60, 60, draw.uniform(0.93, 1.07))
    begun, step = draw.uniform(0, 0.9), draw.uniform(1 / 24, 1 / 12)
    yield "dissolve", here + begun * (there - here), here + (begun + step) * (there - here)
    yield "fade", here * (1 - begun), here * max(0, 1 - begun - step)
    yield "flash", here, np.clip(here + draw.uniform(0.3, 0.9), 0, 1)
    figures = [here.copy(), here.copy()]
    for figure, x in zip(figures, (60, 60 + draw.integers(2, 30)), strict=True):
        figure[40:150, x : x + 100] = there[40:150, 60:160]
    yield "figure", *figures


def _with_grain(frame: Frame, draw: np.random.Generator) -> Frame:
    return np.clip(frame + draw.normal(0, 0.01, frame.shape), 0, 1).astype(np.float32)


def is_cut(one: NDArray[Any], other: NDArray[Any], white: int = 1) -> bool:
    """Judge two frames [H, W, 3] as the plugin does."""
    return are_different(*(thumbnail(list(frame.transpose(2, 0, 1)), (0, white)) for frame in (one, other)))


def main(folder: str, *videos: str) -> None:
    files = sorted(Path(folder).iterdir())
    random.Random(2).shuffle(files)
    pictures = [
        Image.open(file).convert("RGB").resize((480, 480), Image.Resampling.BICUBIC) for file in files[:PICTURES]
    ]
    draw, found = np.random.default_rng(1), collections.defaultdict[str, list[bool]](list)
    for one, other in zip(pictures[::2], pictures[1::2], strict=True):
        for kind, *frames in pairs(one, other, draw):
            found[kind].append(is_cut(*frames))
    for video in videos:
        for one, other in pairwise(read_frames(Path(video), 10**6)):
            found[Path(video).name].append(is_cut(one, other, 255))
    for kind, cuts in found.items():
        print(f"{kind}: {len(cuts)} pairs, {np.mean(cuts):.1%} called a cut")


if __name__ == "__main__":
    main(*sys.argv[1:])
