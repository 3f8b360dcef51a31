import numpy as np
import pytest

from tests.quality.conftest import draw_picture
from vsfdat.quality.downscale import downscale

KERNELS = ["bicubic", "lanczos", "bilinear", "area", "aliased"]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("light", ["gamma", "linear"])
def test_flat_colours_stay(kernel, light):
    flat = np.full((16, 12, 3), (7, 120, 250), np.uint8)
    assert (downscale(flat, 2, kernel, light) == flat[::2, ::2]).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_nothing_moves(kernel):
    """A picture that is its own mirror image stays one, so that patches may be mirrored after the downscaling."""
    half = draw_picture(1)[:, :32]
    small = downscale(np.concatenate([half, half[:, ::-1]], axis=1), 2, kernel)
    assert np.abs(small.astype(int) - small[:, ::-1]).max() <= 1


def test_linear_light_keeps_the_brightness_of_fine_stripes():
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = 255
    assert (downscale(stripes, 2, "area", "gamma") == 128).all()
    assert (downscale(stripes, 2, "area", "linear") == 188).all()  # half the light of white, in sRGB


def test_aliased_keeps_what_the_others_smooth_away():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert downscale(noise, 4, "aliased").std() > 1.5 * downscale(noise, 4, "bicubic").std()
