"""Batches of patches: which crop, which place in it, which downscaling, turned how."""

from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsfdat.errors import TrainingError

from .crops import DETAIL_CELL, Crops
from .degrade import degrade
from .recipe import Recipe, SamplingFacts

Batch = tuple[Tensor, Tensor]
Integers = NDArray[np.int64]


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


class Ahead(ABC):
    """Give the batch of a step, and draw the next one while the caller is busy with it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._ahead: dict[int, Future[Batch]] = {}

    def batch(self, step: int) -> Batch:
        """Give the batch of a step: what the network sees, and what it is to make of it; both uint8, channels last."""
        current = self._ahead.pop(step, None)
        self._ahead = {step + 1: self._thread.submit(self._draw, step + 1)}
        return current.result() if current else self._draw(step)

    @abstractmethod
    def _draw(self, step: int) -> Batch:
        """Draw the batch of a step, which depends on nothing else."""


class PatchSampler(Ahead):
    """Draw batches of patches; a step's batch depends only on the seed and the step, so that a run can resume.

    Chance is drawn on the CPU, for a whole batch at once; the pictures lie where the network runs, and one gather from
    each size makes patches of them. Only where the recipe degrades do they stay with the codecs, on the CPU.

    Args:
        crops: The training pictures, downscaled with the recipe's kernels.
        recipe: How patches are drawn and degraded.
        device: Where the batches are wanted.

    Raises:
        TrainingError: A patch is larger than the pictures, or a style has none.
    """

    def __init__(self, crops: Crops, recipe: Recipe, device: torch.device) -> None:
        super().__init__()
        largest = min(crops.high.shape[1:3]) // crops.scale
        if recipe.sampling.patch > largest:
            raise TrainingError(f"patch must be at most {largest} for these pictures, passed {recipe.sampling.patch}")
        self._crops, self._recipe, self._facts, self._device = crops, recipe, recipe.sampling, device
        self._shares = crop_shares(crops, recipe.sampling)
        shares = np.array([recipe.downscale.kernels[kernel] for kernel in crops.kernels])
        self._kernel_shares = shares / shares.sum()
        self._details = _patch_details(crops.detail, recipe.sampling.patch)
        home = torch.device("cpu") if recipe.degrade.share else device
        self._low, self._high = (torch.from_numpy(p).to(home).view(-1, 3) for p in (crops.low, crops.high))

    def _draw(self, step: int) -> Batch:
        """Low-resolution patches [B, H, W, 3] and their originals [B, H·scale, W·scale, 3], uint8."""
        draw = np.random.default_rng((self._recipe.run.seed, step))
        flat = draw.random(self._facts.batch) < self._facts.flat
        low_walks, high_walks = self._walks(draw)
        low = _gathered(self._low, low_walks, self._facts.patch)
        high = _gathered(self._high, high_walks, self._facts.patch * self._crops.scale)
        if flat.any():
            low, high = _with_flat(low, high, flat, random_colours(len(flat), draw))
        if self._recipe.degrade.share:
            low = self._degraded(low, flat, draw)
        return _copied(low, self._device), _copied(high, self._device)

    def _walks(self, draw: np.random.Generator) -> tuple[Integers, Integers]:
        """Choose a batch's patches, as walks [3, B] over the low-resolution pictures and over their originals."""
        count, side, scale = self._facts.batch, self._facts.patch, self._crops.scale
        crop = draw.choice(len(self._shares), count, p=self._shares)
        layer = draw.choice(len(self._kernel_shares), count, p=self._kernel_shares)
        y, x = self._places(crop, draw)
        orientation = draw.integers(8, size=count)
        low = _walk(layer * len(self._shares) + crop, y, x, self._crops.low.shape[2:4], side, orientation)
        high = _walk(crop, y * scale, x * scale, self._crops.high.shape[1:3], side * scale, orientation)
        return low, high

    def _places(self, crop: Integers, draw: np.random.Generator) -> tuple[Integers, Integers]:
        """[B] -> y and x [B]: the most detailed of a few random places in each crop."""
        rows, columns = (length - self._facts.patch + 1 for length in self._crops.low.shape[2:4])
        y, x = (draw.integers(length, size=(self._facts.tries, len(crop))) for length in (rows, columns))
        last_row, last_column = (length - 1 for length in self._details.shape[1:])
        cells = np.minimum(y // DETAIL_CELL, last_row), np.minimum(x // DETAIL_CELL, last_column)
        best = self._details[crop, *cells].argmax(axis=0), np.arange(len(crop))
        return y[best], x[best]

    def _degraded(self, low: Tensor, flat: NDArray[np.bool_], draw: np.random.Generator) -> Tensor:
        pairs = zip(low.numpy(), flat, strict=True)
        facts = self._recipe.degrade
        return torch.from_numpy(np.stack([patch if plain else degrade(patch, facts, draw) for patch, plain in pairs]))


def _patch_details(detail: NDArray[np.float32], patch: int) -> NDArray[np.float32]:
    """Mean over the cells of a patch [N, rows, columns], by the cell that it begins in."""
    side = max(1, patch // DETAIL_CELL)
    means: NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(detail, (side, side), (1, 2)).mean((3, 4))
    return means


def _walk(
    picture: Integers, y: Integers, x: Integers, size: tuple[int, ...], side: int, orientation: Integers
) -> Integers:
    """Describe patches turned one of 8 ways by numbers of pixels: walking over a picture costs no more when turned.

    Args:
        picture: [B], among pictures of one size that lie one after another.
        y: [B], the patch's upper edge.
        x: [B], its left edge.
        size: Rows and columns of a picture.
        side: Side of the patch.
        orientation: [B]: 1 turns the rows' order around, 2 the columns', 4 exchanges rows and columns.

    Returns:
        [3, B]: the first pixel's number, and how much further the next row's and the next column's are.
    """
    rows, columns = size
    down, right = np.where(orientation & 1, -columns, columns), np.where(orientation & 2, -1, 1)
    first = (picture * rows + y) * columns + x
    first += (side - 1) * (np.where(down < 0, columns, 0) + np.where(right < 0, 1, 0))
    exchanged = (orientation & 4) > 0
    return np.stack([first, np.where(exchanged, right, down), np.where(exchanged, down, right)])


def _gathered(pixels: Tensor, walks: Integers, side: int) -> Tensor:
    """Pixels [P, 3] and walks [3, B] over them -> patches [B, side, side, 3]."""
    first, down, right = _copied(torch.from_numpy(walks), pixels.device).view(3, -1, 1, 1)
    n = torch.arange(side, device=pixels.device)
    return pixels[first + n[:, None] * down + n * right]


def _with_flat(low: Tensor, high: Tensor, flat: NDArray[np.bool_], colours: NDArray[np.uint8]) -> Batch:
    """Two batches [B, H, W, 3] -> the same with some patches [B] of one colour [B, 3]."""
    chosen, colour = (_copied(_column(array), low.device) for array in (flat[:, None], colours))
    return torch.where(chosen, colour, low), torch.where(chosen, colour, high)


def _column(array: NDArray[Any]) -> Tensor:
    """[B, C] -> [B, 1, 1, C]."""
    return torch.from_numpy(array)[:, None, None]


def random_colours(count: int, draw: np.random.Generator) -> NDArray[np.uint8]:
    """Draw colours [B, 3], each channel as often at its end of the range as in between: there the pure colours are."""
    colours: NDArray[np.uint8] = draw.integers(-128, 384, (count, 3)).clip(0, 255).astype(np.uint8)
    return colours


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device, without waiting for what a GPU is busy with; one that is there already stays."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
