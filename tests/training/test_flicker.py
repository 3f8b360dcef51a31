import numpy as np
import pytest

from tests.training.conftest import draw_picture
from vsfdat.errors import TrainingError
from vsfdat.training.flicker import temporal_difference


def doubled(picture):
    return picture.repeat(2, axis=0).repeat(2, axis=1)


def frames(noise=0.5, count=4):
    rng = np.random.default_rng(0)
    still = draw_picture(1, 32).astype(float)
    return [(still + rng.normal(0, noise, still.shape)).round().clip(0, 255).astype(np.uint8) for _ in range(count)]


def test_an_upscaler_that_amplifies_noise_is_caught():
    def contrasted(picture):
        return ((doubled(picture).astype(float) - 128) * 1.5 + 128).clip(0, 255).astype(np.uint8)

    quiet, loud = (temporal_difference(frames(), upscale, 2) for upscale in (doubled, contrasted))
    assert loud == pytest.approx(1.5 * quiet, rel=0.1)


def test_what_moves_is_left_out():
    pictures = frames(noise=0)
    pictures[2][:16] += np.uint8(60)
    assert temporal_difference(pictures, doubled, 2) == 0


def test_a_video_in_which_all_moves():
    with pytest.raises(TrainingError, match="nothing in the video is still, so there is no flicker to measure"):
        temporal_difference([draw_picture(1), draw_picture(2)], doubled, 2)
