import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.conftest import draw_picture
from vsfdat.arch import FDAT
from vsfdat.errors import TrainingError
from vsfdat.training.evaluate import CROP, network_upscaler, originals, picture_folders, score_pictures, score_table
from vsfdat.training.interpolate import classic_upscalers


def test_pictures_are_cropped_to_the_scale(tmp_path):
    Image.fromarray(draw_picture(0)[:63, :61]).save(tmp_path / "odd.png")
    ((name, picture),) = originals(tmp_path, 2)
    assert name == "odd.png"
    assert picture.shape == (62, 60, 3)


def test_large_pictures_are_cropped_to_their_centre(tmp_path):
    large = np.zeros((1200, 1300, 3), np.uint8)
    large[600, 650] = 255
    Image.fromarray(large).save(tmp_path / "large.png")
    ((_, picture),) = originals(tmp_path, 2)
    assert picture.shape == (*CROP, 3)
    assert picture[360, 480].tolist() == [255] * 3


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


def test_folders_without_pictures(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match=r"no pictures \(.*\) in .* or in the folders in it"):
        picture_folders(tmp_path)
    with pytest.raises(TrainingError, match="is no folder"):
        picture_folders(tmp_path / "none")


@pytest.mark.parametrize("side", [14, 1])
def test_a_picture_too_small_to_be_measured_is_named(tmp_path, side):
    Image.fromarray(draw_picture(0)[:side]).save(tmp_path / "small.png")
    with pytest.raises(TrainingError) as caught:
        score_pictures(classic_upscalers(2)["bicubic"], tmp_path, 2)
    kept = side // 2 * 2
    assert str(caught.value) == f"{tmp_path / 'small.png'} leaves 64x{kept} pixels to measure, and SSIM takes 15x15"
