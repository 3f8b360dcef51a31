import numpy as np
import pytest
import torch

from tests.quality.conftest import draw_picture
from vsfdat.errors import TrainingError
from vsfdat.quality.metrics import check_size, luma, psnr, ssim


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


@pytest.mark.slow
def test_ssim_agrees_with_another_implementation():
    torchmetrics = pytest.importorskip("torchmetrics.functional.image")
    first, second = luma(draw_picture(1)), luma(draw_picture(1) // 8 * 8)
    planes = (torch.from_numpy(plane[2:-2, 2:-2].copy())[None, None] for plane in (first, second))
    _, similarities = torchmetrics.structural_similarity_index_measure(
        *planes, data_range=255.0, return_full_image=True
    )
    wanted = similarities[..., 5:-5, 5:-5].mean().item()  # where the window lies in the picture, as its authors have it
    assert ssim(first, second, border=2) == pytest.approx(wanted, abs=1e-9)
    assert wanted < 0.999


def test_a_picture_smaller_than_the_window_is_named():
    check_size("small.png", draw_picture(0, 15), border=2)
    with pytest.raises(TrainingError) as caught:
        check_size("small.png", draw_picture(0, 20)[:14], border=2)
    assert str(caught.value) == "small.png leaves 20x14 pixels to measure, and SSIM takes 15x15"
