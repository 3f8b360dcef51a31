import numpy as np
import pytest
import torch
from PIL import Image

from tests.quality.conftest import draw_picture
from vsfdat.arch import FDAT, TFDAT
from vsfdat.errors import TrainingError
from vsfdat.quality.evaluate import clip_upscaler, score_pictures, score_table
from vsfdat.quality.interpolate import classic_upscalers, on_pictures


def test_a_better_upscaler_scores_better(data):
    classic = classic_upscalers(2)
    nearest = score_pictures(lambda low: low.repeat(2, axis=0).repeat(2, axis=1), data, 2)
    bicubic = score_pictures(classic["bicubic"], data, 2)
    assert bicubic.psnr > nearest.psnr + 1
    assert bicubic.ssim > nearest.ssim
    assert str(bicubic) == f"{bicubic.psnr:.2f} / {bicubic.ssim:.4f}"


def test_a_network_upscales_pictures():
    network = FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2).eval()
    result = on_pictures(clip_upscaler(network, torch.device("cpu")))(draw_picture(0, 20)[:, :13])
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


TINY = {"embed_dim": 16, "num_groups": 1, "depth_per_group": 1, "num_heads": 2, "scale": 2}


def test_a_temporal_network_gets_two_frames_on_either_side_and_the_nearest_at_the_ends():
    torch.manual_seed(0)
    network = TFDAT(**TINY, upsampler_type="pixelshuffledirect", flow_base_ch=4).eval()
    frames = [draw_picture(n, 18)[:16] for n in range(6)]
    upscale = clip_upscaler(network, torch.device("cpu"))
    for n, seen in ((0, [0, 0, 0, 1, 2]), (3, [1, 2, 3, 4, 5]), (5, [3, 4, 5, 5, 5])):
        with torch.inference_mode():
            clip = torch.from_numpy(np.stack([frames[k] for k in seen])).movedim(-1, 1)[None] / 255
            expected = network(clip)[0].permute(1, 2, 0).numpy()
        result = upscale(frames, n)
        assert result.shape == (32, 36, 3)
        assert np.abs(expected.clip(0, 1) * 255 - result).max() <= 0.51


def test_other_networks_see_a_clips_frames_one_by_one_and_a_picture_is_a_clip_of_one_frame():
    upscale = clip_upscaler(FDAT(**TINY).eval(), torch.device("cpu"))
    first, second = draw_picture(0, 20), draw_picture(1, 20)
    assert (upscale([first, second], 1) == upscale([second], 0)).all()
    assert (on_pictures(upscale)(first) == upscale([first, second], 0)).all()
