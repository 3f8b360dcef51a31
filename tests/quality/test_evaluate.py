import numpy as np
import pytest
import torch
from PIL import Image

from tests.quality.conftest import draw_picture
from vsfdat.arch import FDAT
from vsfdat.errors import TrainingError
from vsfdat.quality.evaluate import network_upscaler, score_pictures, score_table
from vsfdat.quality.interpolate import classic_upscalers


def test_a_better_upscaler_scores_better(data):
    classic = classic_upscalers(2)
    nearest = score_pictures(lambda low: low.repeat(2, axis=0).repeat(2, axis=1), data, 2)
    bicubic = score_pictures(classic["bicubic"], data, 2)
    assert bicubic.psnr > nearest.psnr + 1
    assert bicubic.ssim > nearest.ssim
    assert str(bicubic) == f"{bicubic.psnr:.2f} / {bicubic.ssim:.4f}"


def test_a_network_upscales_pictures():
    network = FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2).eval()
    result = network_upscaler(network, torch.device("cpu"))(draw_picture(0, 20)[:, :13])
    assert result.shape == (40, 26, 3)
    assert result.dtype == np.uint8


def test_the_table_has_a_row_a_folder(data):
    lines = list(score_table(classic_upscalers(2), data.parent, 2))
    assert lines[0] == "| Y-PSNR / SSIM, 2x | bicubic | Lanczos | spline36 |"
    assert lines[1] == "|---|---|---|---|"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| data"]


@pytest.mark.parametrize("side", [14, 1])
def test_a_picture_too_small_to_be_measured_is_named(tmp_path, side):
    Image.fromarray(draw_picture(0)[:side]).save(tmp_path / "small.png")
    with pytest.raises(TrainingError) as caught:
        score_pictures(classic_upscalers(2)["bicubic"], tmp_path, 2)
    kept = side // 2 * 2
    assert str(caught.value) == f"{tmp_path / 'small.png'} leaves 64x{kept} pixels to measure, and SSIM takes 15x15"
