"""Pictures that a network of a few hundred weights can learn from in a second."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


def draw_picture(seed: int, side: int = 64) -> np.ndarray:
    """A picture [side, side, 3] of smooth colour, edges and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(2 * np.pi * (rng.uniform(1, 6) * x + rng.uniform(1, 6) * y)) for _ in range(3)]
    disc = ((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.08)[..., None] * rng.uniform(-80, 80, 3)
    return (128 + 50 * np.stack(waves, axis=2) + disc + rng.normal(0, 3, (side, side, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def single_thread() -> Iterator[None]:
    """Networks this small run faster on one thread than on many that wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine seems to have two GPUs, so that what is said of devices is the same everywhere."""
    monkeypatch.setattr("vsfdat.engine.device._here", lambda: ["cuda:0", "cuda:1", "cpu"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of training pictures: four of style "line", two of style "photo"."""
    folder = tmp_path / "data"
    folder.mkdir()
    for n in range(6):
        Image.fromarray(draw_picture(n)).save(folder / f"{'line' if n < 4 else 'photo'}_{n}.png")
    return folder
