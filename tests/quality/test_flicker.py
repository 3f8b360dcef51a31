import numpy as np
import pytest

from tests.quality.conftest import draw_picture
from vsfdat.errors import TrainingError
from vsfdat.quality.flicker import flicker_table, temporal_difference
from vsfdat.quality.interpolate import frame_by_frame


def doubled(picture):
    return picture.repeat(2, axis=0).repeat(2, axis=1)


def frames(noise=0.5, count=4):
    rng = np.random.default_rng(0)
    still = draw_picture(1, 32).astype(float)
    return [(still + rng.normal(0, noise, still.shape)).round().clip(0, 255).astype(np.uint8) for _ in range(count)]


def test_an_upscaler_that_amplifies_noise_is_caught():
    def contrasted(picture):
        return ((doubled(picture).astype(float) - 128) * 1.5 + 128).clip(0, 255).astype(np.uint8)

    noisy = frames()
    quiet, loud = (temporal_difference(noisy, [up(frame) for frame in noisy]) for up in (doubled, contrasted))
    assert loud == pytest.approx(1.5 * quiet, rel=0.1)


def test_what_moves_is_left_out():
    pictures = frames(noise=0)
    pictures[2][:16] += np.uint8(60)
    assert temporal_difference(pictures, [doubled(picture) for picture in pictures]) == 0


def test_a_video_in_which_all_moves():
    with pytest.raises(TrainingError, match="nothing in the video is still, so there is no flicker to measure"):
        temporal_difference([draw_picture(1), draw_picture(2)], [draw_picture(1), draw_picture(2)])


def test_the_table_holds_the_clip_and_its_own_change(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "still.mkv"), "w") as container:
        stream = container.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "bgr0"
        for picture in frames(noise=0.3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())
    upscalers = {"doubled": frame_by_frame(doubled), "same": frame_by_frame(doubled)}
    lines = list(flicker_table(upscalers, tmp_path / "still.mkv", 2))
    assert lines[0] == "| Change of still pixels, 2x | doubled | same | original |"
    whole, small = ([cell.split(" ") for cell in line.strip("| ").split(" | ")] for line in lines[2:])
    assert [cell[-1] for cell in whole[1:]] == ["(1.000)"] * 2
    change = {cell[0] for cell in small[1:3]}
    assert len(change) == 1
    assert float(small[3][0]) > float(change.pop()) > 0  # averaging four pixels calms their noise


def test_what_looks_at_neighbours_is_given_them(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "still.mkv"), "w") as container:
        stream = container.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "bgr0"
        for picture in frames(noise=0.5, count=8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())

    def mean(clip, n):
        return doubled(np.mean(clip[max(0, n - 2) : n + 3], axis=0).round().astype(np.uint8))

    row = list(flicker_table({"doubled": frame_by_frame(doubled), "mean": mean}, tmp_path / "still.mkv", 2))[2]
    assert float(row.split("(")[2].split(")")[0]) < 0.6
