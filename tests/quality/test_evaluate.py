import numpy as np
import pytest
import torch
from PIL import Image

from tests.quality.conftest import draw_picture
from vsfdat.arch import FDAT, TFDAT
from vsfdat.errors import TrainingError
from vsfdat.quality.evaluate import clip_upscaler, network_upscaler, score_pictures, score_table
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


TINY = {"embed_dim": 16, "num_groups": 1, "depth_per_group": 1, "num_heads": 2, "scale": 2}


@torch.inference_mode()
def test_a_temporal_network_gets_two_frames_on_either_side_and_the_nearest_at_the_ends(monkeypatch):
    network = TFDAT(**TINY, upsampler_type="pixelshuffledirect", flow_base_ch=4).eval()
    seen = []
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda clip: (seen.append(clip[0, :, 0, 0, 0]), forward(clip))[1])
    frames = [np.full((16, 18, 3), 10 * n, np.uint8) for n in range(6)]
    upscale = clip_upscaler(network, torch.device("cpu"))
    results = [upscale(frames, n) for n in (0, 3, 5)]
    assert [(255 * clip / 10).round().int().tolist() for clip in seen] == [
        [0, 0, 0, 1, 2], [1, 2, 3, 4, 5], [3, 4, 5, 5, 5]
    ]  # fmt: skip
    assert all(result.shape == (32, 36, 3) for result in results)
    expected = forward(torch.from_numpy(np.stack(frames[1:6])).movedim(-1, 1)[None] / 255)[0].permute(1, 2, 0)
    assert np.abs(expected.numpy().clip(0, 1) * 255 - results[1]).max() <= 0.51


def test_other_networks_see_a_clips_frames_one_by_one_and_a_picture_is_a_clip_of_one_frame():
    network = FDAT(**TINY).eval()
    device, picture = torch.device("cpu"), draw_picture(0, 20)
    alone, in_clip = network_upscaler(network, device), clip_upscaler(network, device)
    assert (in_clip([picture[::-1], picture], 1) == alone(picture)).all()
    assert (on_pictures(in_clip)(picture) == alone(picture)).all()
