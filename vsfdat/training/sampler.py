"""Batches of patches: which crop, which place in it, which downscaling, turned how."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from vsfdat.errors import TrainingError

from .crops import DETAIL_CELL, Crops
from .degrade import degrade
from .downscale import Picture
from .recipe import Recipe, SamplingFacts

Batch = tuple[Picture, Picture]


def crop_shares(crops: Crops, facts: SamplingFacts) -> NDArray[np.float64]:
    """Compute each crop's probability: its style's share, divided among the style's crops by their detail.

    Raises:
        TrainingError: A style of the recipe has no crops.
    """
    weights = (crops.detail.mean(axis=(1, 2)).astype(np.float64) + 0.1) ** facts.detail
    if facts.styles:
        styles = np.array(crops.styles)
        totals = {style: weights[styles == style].sum() for style in facts.styles}
        for style, total in totals.items():
            if total == 0:
                raise TrainingError(f"the recipe asks for pictures of style {style!r}, and there are none")
        weights *= np.array([facts.styles[style] / totals[style] if style in totals else 0.0 for style in styles])
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


class PatchSampler:
    """Draw batches of patches; a step's batch depends only on the seed and the step, so that a run can resume.

    Args:
        crops: The training pictures, downscaled with the recipe's kernels.
        recipe: How patches are drawn and degraded.

    Raises:
        TrainingError: A patch is larger than the pictures, or a style has none.
    """

    def __init__(self, crops: Crops, recipe: Recipe) -> None:
        self._crops, self._recipe, self._facts = crops, recipe, recipe.sampling
        self._shares = crop_shares(crops, recipe.sampling)
        self._kernels = list(crops.low)
        shares = np.array([recipe.downscale.kernels[kernel] for kernel in self._kernels])
        self._kernel_shares = shares / shares.sum()
        self._thread = ThreadPoolExecutor(1)
        self._ahead: dict[int, Future[Batch]] = {}
        largest = min(crops.high.shape[1:3]) // crops.scale
        if recipe.sampling.patch > largest:
            raise TrainingError(f"patch must be at most {largest} for these pictures, passed {recipe.sampling.patch}")

    def batch(self, step: int) -> Batch:
        """Give the batch of a step, and draw the next one while the caller is busy with it.

        Returns:
            Low-resolution patches [B, H, W, 3] and their originals [B, H·scale, W·scale, 3].
        """
        current = self._ahead.pop(step, None)
        self._ahead = {step + 1: self._thread.submit(self._draw, step + 1)}
        return current.result() if current else self._draw(step)

    def _draw(self, step: int) -> Batch:
        draw = np.random.default_rng((self._recipe.run.seed, step))
        pairs = [self._pair(draw) for _ in range(self._facts.batch)]
        return np.stack([low for low, _ in pairs]), np.stack([high for _, high in pairs])

    def _pair(self, draw: np.random.Generator) -> tuple[Picture, Picture]:
        if self._facts.flat and draw.random() < self._facts.flat:
            return self._flat_pair(draw)
        crop = int(draw.choice(len(self._shares), p=self._shares))
        low = self._crops.low[draw.choice(self._kernels, p=self._kernel_shares)][crop]
        high, scale, side = self._crops.high[crop], self._crops.scale, self._facts.patch
        y, x = self._place(crop, low.shape, draw)
        turns, mirror = int(draw.integers(4)), bool(draw.integers(2))
        low = _turned(low[y : y + side, x : x + side], turns, mirror)
        high = _turned(high[y * scale : (y + side) * scale, x * scale : (x + side) * scale], turns, mirror)
        return degrade(low, self._recipe.degrade, draw), high

    def _flat_pair(self, draw: np.random.Generator) -> tuple[Picture, Picture]:
        colour = _random_colour(draw)
        side = self._facts.patch
        low, high = (np.full((length, length, 3), colour, np.uint8) for length in (side, side * self._crops.scale))
        return low, high

    def _place(self, crop: int, shape: tuple[int, ...], draw: np.random.Generator) -> tuple[int, int]:
        """The most detailed of a few random places."""
        rows, columns = (length - self._facts.patch + 1 for length in shape[:2])
        places = [(int(draw.integers(rows)), int(draw.integers(columns))) for _ in range(self._facts.tries)]
        return max(places, key=lambda place: self._detail(crop, *place))

    def _detail(self, crop: int, y: int, x: int) -> float:
        y, x, side = y // DETAIL_CELL, x // DETAIL_CELL, max(1, self._facts.patch // DETAIL_CELL)
        return float(self._crops.detail[crop, y : y + side, x : x + side].mean())


def _random_colour(draw: np.random.Generator) -> Picture:
    """Draw a colour, each channel as often at its end of the range as in between: there the pure colours are."""
    colour: Picture = draw.integers(-128, 384, 3).clip(0, 255).astype(np.uint8)
    return colour


def _turned(patch: Picture, turns: int, mirror: bool) -> Picture:
    turned = np.rot90(patch, turns)
    return turned[:, ::-1] if mirror else turned
