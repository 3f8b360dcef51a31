import numpy as np
import pytest

from tests.training.conftest import draw_picture
from vsfdat.errors import TrainingError
from vsfdat.training.flicker import read_frames, temporal_difference


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


def test_frames_are_read_from_the_middle(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "grey.mkv"), "w") as container:
        stream = container.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "bgr0"
        for value in (10, 60, 110, 160):
            picture = np.full((16, 32, 3), value, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())
    read = read_frames(tmp_path / "grey.mkv", count=2, skip=1, crop=(8, 16))
    assert [(frame.shape, frame.mean()) for frame in read] == [((8, 16, 3), 60), ((8, 16, 3), 110)]
    with pytest.raises(TrainingError, match=r"grey\.mkv has no two frames after the first 3"):
        read_frames(tmp_path / "grey.mkv", count=2, skip=3)
