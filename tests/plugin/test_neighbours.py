from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vsfdat.plugin.neighbours import Neighbours, are_different, thumbnail

LEVELS = (0, 1)


class Frame:
    """What is asked of a VapourSynth frame."""

    def __init__(self, picture: Any, **props: int) -> None:
        self._picture = np.asarray(picture, np.float32)
        self.props = props
        self.format = SimpleNamespace(num_planes=len(self._picture))

    def __getitem__(self, plane: int) -> Any:
        return self._picture[plane]


def scene(seed: int, size: tuple[int, int] = (72, 128)) -> np.ndarray:
    """Draw [3, H, W] of coarse blocks, as a picture has shapes."""
    blocks = np.random.default_rng(seed).random((3, 6, 8)).astype(np.float32)
    return np.kron(blocks, np.ones((size[0] // 6, size[1] // 8), np.float32))


def choose(*frames: Frame, numbers: list[int] | None = None) -> list[int]:
    return Neighbours().choose(numbers or list(range(len(frames))), frames, LEVELS)


def test_neighbours_of_one_scene_are_all_taken() -> None:
    assert choose(*(Frame(scene(1)) for _ in range(5))) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("scenes", "chosen"),
    [
        ((1, 1, 1, 1, 2), [0, 1, 2, 3, 3]),
        ((1, 1, 1, 2, 2), [0, 1, 2, 2, 2]),
        ((1, 2, 2, 2, 2), [1, 1, 2, 3, 4]),
        ((1, 2, 3, 4, 5), [2, 2, 2, 2, 2]),
        ((1, 1, 1, 2, 1), [0, 1, 2, 2, 2]),  # a picture of one frame between is a cut too
    ],
)
def test_beyond_a_cut_is_the_nearest_frame_on_this_side(scenes: tuple[int, ...], chosen: list[int]) -> None:
    assert choose(*(Frame(scene(seed)) for seed in scenes)) == chosen


def test_marks_of_frames_are_believed_and_nothing_else() -> None:
    marked = [Frame(scene(n), _SceneChangePrev=int(n == 3)) for n in range(5)]
    assert choose(*marked) == [0, 1, 2, 2, 2]
    after = [Frame(scene(1), _SceneChangeNext=int(n == 1)) for n in range(5)]
    assert choose(*after) == [2, 2, 2, 3, 4]


def test_a_frame_that_stands_for_those_beyond_the_end_is_no_cut() -> None:
    frames = [Frame(scene(1), _SceneChangePrev=1)] * 3 + [Frame(scene(1)), Frame(scene(2))]
    assert choose(*frames, numbers=[0, 0, 0, 1, 2]) == [0, 1, 2, 3, 3]


@pytest.mark.parametrize(
    "other",
    [
        scene(1) * 0.9,  # a fade
        scene(1) * 0.5 + 0.4,  # a flash
        np.roll(scene(1), 3, axis=2),  # a pan
        scene(1) + np.random.default_rng(0).normal(0, 0.05, (3, 72, 128)),  # grain
        0.93 * scene(1) + 0.07 * scene(2),  # a step of a dissolve
    ],
    ids=["fade", "flash", "pan", "grain", "dissolve"],
)
def test_what_happens_within_a_scene_is_no_cut(other: np.ndarray) -> None:
    assert not are_different(thumbnail(scene(1)), thumbnail(other.astype(np.float32)))


def test_a_dark_cut_is_one_too() -> None:
    assert are_different(thumbnail(0.1 * scene(1)), thumbnail(0.1 * scene(2)))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (37, 65), (73, 127), (480, 640)])
def test_a_thumbnail_has_the_mean_brightness_at_any_size(size: tuple[int, int]) -> None:
    picture = np.stack([np.full(size, value, np.uint8) for value in (16, 235, 16)])
    small = thumbnail(picture, (16, 235))
    assert small.shape[0] <= 72
    assert small.shape[1] <= 64
    np.testing.assert_allclose(small, 0.7152, atol=1e-6)
