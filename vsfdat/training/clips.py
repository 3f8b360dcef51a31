"""Batches of clips: what a network that looks at a frame's neighbours learns from."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsfdat.errors import TrainingError
from vsfdat.quality.downscale import downscale
from vsfdat.quality.pictures import Picture

from .crops import Crops
from .degrade import degrade_clip
from .footage import Cutting
from .motions import moved_pairs
from .recipe import Recipe
from .sampler import Ahead, Batch, crop_shares, random_colours
from .scenes import Scene, SceneMaker

_PAIRS = 4  # times as many of them in a batch as of clips: they cost little
MARGIN = 16  # low-resolution pixels beside a patch, of both sides together: a codec predicts from there, too


def frame_side(recipe: Recipe, scale: int) -> int:
    """Side of a clip's frames as they are painted, in pixels of the original: a patch and its margin."""
    return (recipe.sampling.patch + MARGIN) * scale


class _Series(NamedTuple):
    """Frames of a clip, large as they are to become [L, S, S, 3], and small; `starts` of the scenes among them."""

    large: list[Picture]
    small: list[Picture]
    start: int


class ClipSampler(Ahead):
    """Draw batches of clips; a step's batch depends only on the seed and the step, so that a run can resume.

    Scenes are painted at the original's size and then made small, so that a fraction of a pixel is one; the codec gets
    a margin around the patch and more frames than the network, whose middle is now an intra frame, now predicted from
    one side or both.

    Args:
        crops: The training pictures; what they are small is not used.
        recipe: How clips are made and degraded.
        device: Where the batches are wanted.
        footage: Real clips, as long and as large as those painted: a share of all comes from them.

    Raises:
        TrainingError: A patch and its margin are larger than the pictures, or a style has none, or clips of which two
            frames are drawn do not fill a batch.
    """

    def __init__(self, crops: Crops, recipe: Recipe, device: torch.device, footage: Sequence[Cutting] = ()) -> None:
        super().__init__()
        largest = min(crops.high.shape[1:3]) // crops.scale - MARGIN
        if recipe.sampling.patch > largest:
            raise TrainingError(
                f"patch must be at most {largest} for clips of these pictures, passed {recipe.sampling.patch}"
            )
        self._middles = 2 if recipe.loss.steady else 1
        if recipe.sampling.batch % self._middles:
            raise TrainingError(f"batch must be even where loss.steady is not 0, passed {recipe.sampling.batch}")
        self._crops, self._recipe, self._facts, self._device = crops, recipe, recipe.clips, device
        self._footage = footage
        self._shares = crop_shares(crops, recipe.sampling)
        self._kernels, shares = list(recipe.downscale.kernels), np.array(list(recipe.downscale.kernels.values()))
        self._kernel_shares = shares / shares.sum()
        self._maker = SceneMaker(recipe.clips, frame_side(recipe, crops.scale), crops.scale)

    def _draw(self, step: int) -> Batch:
        """Low-resolution clips [B, T, H, W, 3] and what their middle frames were [B, H·scale, W·scale, 3], uint8.

        For the recipe's first steps, in which the flow learns: what `moved_pairs` gives.
        """
        draw = np.random.default_rng((self._recipe.run.seed, step))
        if step < self._recipe.run.align_steps:
            frames, flow = moved_pairs(self._originals(draw), self._scale, draw)
            return frames.to(self._device), flow.to(self._device)
        count = self._recipe.sampling.batch // self._middles
        pairs = [pair for _ in range(count) for pair in self._clip(draw)]
        low, high = (np.stack(pictures) for pictures in zip(*pairs, strict=True))
        return torch.from_numpy(low).to(self._device), torch.from_numpy(high).to(self._device)

    def _originals(self, draw: np.random.Generator) -> Tensor:
        side, large = self._side * self._scale, self._crops.high
        crops = draw.choice(len(self._shares), _PAIRS * self._recipe.sampling.batch, p=self._shares)
        rows, columns = (draw.integers(length - side + 1, size=len(crops)) for length in large.shape[1:3])
        places = zip(crops, rows, columns, strict=True)
        return torch.from_numpy(np.stack([_square(large[crop], y, x, side) for crop, y, x in places]))

    def _clip(self, draw: np.random.Generator) -> list[tuple[Picture, Picture]]:
        """Make a clip, and of each of its middles what the network sees [T, H, W, 3] and what it is to make of it."""
        if draw.random() < self._recipe.sampling.flat:
            return [self._flat(draw)] * self._middles
        middle = int(draw.integers(self._facts.length - self._middles + 1))
        series = self._series(middle, draw)
        compressed = degrade_clip(series.small, self._recipe.degrade, draw)
        y, x = draw.integers(MARGIN + 1, size=2)
        spared = draw.random() >= self._facts.missed
        return [
            (
                np.stack([_square(compressed[n], y, x, self._side) for n in self._seen(n, series.start, spared)]),
                _square(series.large[n], y * self._scale, x * self._scale, self._side * self._scale),
            )
            for n in range(middle, middle + self._middles)
        ]

    def _flat(self, draw: np.random.Generator) -> tuple[Picture, Picture]:
        colour, large = random_colours(1, draw)[0], self._side * self._scale
        low = np.broadcast_to(colour, (self._facts.seen, self._side, self._side, 3))
        return low, np.broadcast_to(colour, (large, large, 3))

    def _series(self, middle: int, draw: np.random.Generator) -> _Series:
        """Paint a clip's frames; what begins after a cut, or ends before it, is another scene."""
        start = int(draw.integers(1, self._facts.length)) if draw.random() < self._facts.cut else 0
        scenes = [self._scene(middle, draw) for _ in range(2 if start else 1)]
        kernel = self._kernels[draw.choice(len(self._kernel_shares), p=self._kernel_shares)]
        large, small, painted = [], [], dict[object, tuple[Picture, Picture]]()
        for n in range(self._facts.length):
            scene = scenes[-1] if n < start else scenes[0]
            drawing = (id(scene), scene.drawing(n))
            if drawing not in painted:
                frame = scene.frame(n)
                painted[drawing] = frame, self._shrunk(frame, kernel)
            large.append(painted[drawing][0])
            small.append(painted[drawing][1])
        return _Series(large, small, start)

    def _scene(self, middle: int, draw: np.random.Generator) -> Scene | Cutting:
        if self._footage and draw.random() < self._facts.footage:
            return self._footage[int(draw.integers(len(self._footage)))].turned(int(draw.integers(8)))
        background, other = draw.choice(len(self._shares), 2, p=self._shares)
        orientation = int(draw.integers(8))
        return self._maker.make(
            _turned(self._crops.high[background], orientation), self._crops.high[other], middle, draw
        )

    def _shrunk(self, frame: Picture, kernel: str) -> Picture:
        return frame if self._scale == 1 else downscale(frame, self._scale, kernel, self._recipe.downscale.light)

    def _seen(self, middle: int, start: int, spared: bool) -> NDArray[np.int64]:
        """Number the frames that the network sees: none beyond the clip's ends or, if it is spared, a cut."""
        reach, first, last = self._facts.seen // 2, 0, self._facts.length - 1
        if spared and start:
            first, last = (start, last) if middle >= start else (first, start - 1)
        return np.arange(middle - reach, middle + reach + 1).clip(first, last)

    @property
    def _side(self) -> int:
        return self._recipe.sampling.patch

    @property
    def _scale(self) -> int:
        return self._crops.scale


def _square(picture: Picture, y: int, x: int, side: int) -> Picture:
    return picture[y : y + side, x : x + side]


def _turned(picture: Picture, orientation: int) -> Picture:
    """Turn a picture one of 8 ways: a view."""
    turned = np.rot90(picture, orientation % 4)
    return turned[:, ::-1] if orientation >= 4 else turned
