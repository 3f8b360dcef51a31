import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image

from tests.quality.conftest import draw_picture
from vsfdat.quality.interpolate import classic_upscalers

PICTURE = draw_picture(2, 40) // 2 + 64  # no overshoot to clip, as the others clip between rows and columns
INNER = slice(8, -8)  # beyond: VapourSynth mirrors at the border, Pillow leaves it out


def through_vapoursynth(picture: np.ndarray, kernel: str, scale: int) -> np.ndarray:
    clip = vs.core.std.BlankClip(format=vs.RGB24, width=picture.shape[1], height=picture.shape[0], length=1)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in range(3):
            np.asarray(frame[plane])[:] = picture[:, :, plane]
        return frame

    clip = clip.std.ModifyFrame(clip, fill)
    resize = getattr(clip.resize, kernel)
    with resize(clip.width * scale, clip.height * scale).get_frame(0) as frame:
        return np.stack([np.array(frame[plane]) for plane in range(3)], axis=2)


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize(("name", "filter"), [("bicubic", "BICUBIC"), ("Lanczos", "LANCZOS")])
def test_the_upscalers_are_pillows(name, filter, scale):
    size = (PICTURE.shape[1] * scale, PICTURE.shape[0] * scale)
    wanted = np.asarray(Image.fromarray(PICTURE).resize(size, Image.Resampling[filter]))
    assert np.abs(classic_upscalers(scale)[name](PICTURE).astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("scale", [2, 3])
def test_spline36_is_vapoursynths(scale):
    wanted = through_vapoursynth(PICTURE, "Spline36", scale)
    result = classic_upscalers(scale)["spline36"](PICTURE)
    assert np.abs(result.astype(int) - wanted)[INNER, INNER].max() <= 1


def test_at_1x_there_is_nothing_but_the_source():
    ((name, upscale),) = classic_upscalers(1).items()
    assert name == "source"
    assert (upscale(PICTURE) == PICTURE).all()
