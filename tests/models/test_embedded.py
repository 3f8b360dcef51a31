"""The embedded models do what they are for, on a picture that nobody trained on."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from tests.fast_loop import parametrize
from vsfdat.models import list_models, load_model
from vsfdat.quality.compress import through_video
from vsfdat.quality.downscale import downscale
from vsfdat.quality.evaluate import clip_upscaler
from vsfdat.quality.interpolate import classic_upscalers
from vsfdat.quality.metrics import luma, psnr
from vsfdat.quality.pictures import Picture

SIDE, FINER = 128, 4
# dB above bicubic, or for 1x above the source as it is; the restoring ones after H.264 at CRF 30.
LEAST = {"fdat-tiny-2x": 2, "fdat-tiny-2x-fast": 2, "fdat-tiny-2x-restore": 0.3, "fdat-tiny-1x-restore": 0.1}


@pytest.fixture(scope="module")
def drawing() -> Picture:
    """Discs, slanted lines and letters on a gradient, without a jagged edge."""
    large = SIDE * FINER
    ramp = np.linspace(90, 200, large, dtype=np.uint8)
    image = Image.fromarray(np.stack([np.broadcast_to(ramp, (large, large))] * 3, axis=2))
    pen = ImageDraw.Draw(image)
    rng = np.random.default_rng(7)
    for _ in range(14):
        x, y = rng.integers(0, large, 2).tolist()
        radius = int(rng.integers(12, 90))
        fill = tuple(rng.integers(0, 256, 3).tolist())
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill, outline=(20, 20, 20), width=6)
        pen.line((*rng.integers(0, large, 4).tolist(),), fill=(20, 20, 20), width=7)
    pen.text((30, 200), "FDAT 2x", fill=(250, 250, 250), font_size=90)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def distance(picture: Picture, original: Picture) -> float:
    return psnr(luma(picture), luma(original), 4)


@pytest.mark.slow
@parametrize("info", list_models(), quick=list_models()[:1], ids=lambda info: info.name)
def test_better_than_bicubic(info, drawing) -> None:
    frames = [downscale(drawing, info.scale, "bicubic")] * 3
    if info.name.endswith("restore"):
        pytest.importorskip("av")
        frames = through_video(frames, "h264", 30)
    classic = next(iter(classic_upscalers(info.scale).values()))
    ours = clip_upscaler(load_model(info.name), torch.device("cpu"))
    gain = distance(ours(frames, 2), drawing) - distance(classic(frames[2]), drawing)
    assert gain > LEAST[info.name]
