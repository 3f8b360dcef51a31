import numpy as np
import pytest

from tests.training.conftest import draw_picture
from vsfdat.training.metrics import luma, psnr, ssim


def test_luma_is_the_literatures():
    colours = np.array([[(0, 0, 0), (255, 255, 255), (255, 0, 0)]], np.uint8)
    assert luma(colours)[0] == pytest.approx([16, 235, 81.481], abs=1e-3)


def test_psnr_of_a_known_error():
    first = np.full((20, 20), 100.0)
    assert psnr(first, first + 5, border=2) == pytest.approx(20 * np.log10(255 / 5))
    assert psnr(first, first, border=2) == float("inf")


def test_the_border_does_not_count():
    first = np.full((20, 20), 100.0)
    second = first + 1
    second[:2], second[-2:], second[:, :2], second[:, -2:] = 0, 0, 0, 0
    assert psnr(first, second, border=2) == pytest.approx(20 * np.log10(255))


def test_ssim_agrees_with_another_implementation():
    skimage = pytest.importorskip("skimage.metrics")
    pytest.importorskip("torchmetrics")
    first, second = luma(draw_picture(1)), luma(draw_picture(1) // 8 * 8)
    wanted = skimage.structural_similarity(
        first[2:-2, 2:-2],
        second[2:-2, 2:-2],
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(first, second, border=2) == pytest.approx(wanted, abs=1e-4)
    assert wanted < 0.999
