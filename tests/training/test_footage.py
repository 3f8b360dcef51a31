import numpy as np
import pytest
import torch

from tests.quality.conftest import draw_picture
from vsfdat.errors import TrainingError
from vsfdat.training import footage
from vsfdat.training.clips import ClipSampler, frame_side
from vsfdat.training.crops import load_crops
from vsfdat.training.footage import Cutting, read_footage
from vsfdat.training.recipe import parse_recipe

av = pytest.importorskip("av")


def write_video(file, count, side=64):
    """A lossless pan to the right by two pixels a frame."""
    picture = draw_picture(5, side + 2 * count)
    frames = [np.ascontiguousarray(picture[:side, 2 * n : 2 * n + side]) for n in range(count)]
    with av.open(str(file), "w") as container:
        stream = container.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = side, side, "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())
    return frames


def test_cuttings_are_squares_of_successive_frames(tmp_path):
    frames = write_video(tmp_path / "pan.mkv", 14)
    cuttings = read_footage(tmp_path, length=4, side=32)
    assert [cutting.frames.shape for cutting in cuttings] == [(4, 32, 32, 3)] * 3  # two frames are left
    for n, cutting in enumerate(cuttings):
        places = [
            (y, x)
            for y in range(33)
            for x in range(33)
            if (frames[4 * n][y : y + 32, x : x + 32] == cutting.frame(0)).all()
        ]
        ((y, x),) = places
        assert all((cutting.frame(k) == frames[4 * n + k][y : y + 32, x : x + 32]).all() for k in range(4))


def test_long_videos_are_cut_at_places_spread_over_them(tmp_path, monkeypatch):
    frames = write_video(tmp_path / "pan.mkv", 24)
    monkeypatch.setattr(footage, "_MOST", 3)
    cuttings = read_footage(tmp_path, length=4, side=64)
    assert [cutting.frames.tobytes() for cutting in cuttings] == [
        np.stack(frames[n : n + 4]).tobytes() for n in (0, 8, 16)
    ]


def test_cuttings_turn_as_a_whole():
    cutting = Cutting(np.arange(2 * 3 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 3))
    turned = [cutting.turned(orientation) for orientation in range(8)]
    assert len({one.frames.tobytes() for one in turned}) == 8
    assert (turned[1].frame(1) == np.rot90(cutting.frame(1))).all()


def test_clips_come_from_footage_as_often_as_the_recipe_says(data):
    recipe = parse_recipe({"sampling": {"patch": 8, "batch": 20}, "clips": {"length": 5, "footage": 0.5}})
    side = frame_side(recipe, 2)
    grey = Cutting(np.full((5, side, side, 3), 77, np.uint8))
    sampler = ClipSampler(load_crops(data, 2, recipe.downscale), recipe, torch.device("cpu"), [grey])
    low, high = sampler.batch(0)
    real = (low == 77).flatten(1).all(dim=1)
    assert 4 <= real.sum() <= 16
    assert (high[real] == 77).all()


def test_a_video_smaller_than_a_patch_is_named(tmp_path):
    write_video(tmp_path / "small.mkv", 4, side=16)
    with pytest.raises(TrainingError) as caught:
        read_footage(tmp_path, length=4, side=32)
    assert str(caught.value) == f"{tmp_path / 'small.mkv'} is 16x16, and a patch with its margin 32"


def test_a_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "bad.mkv").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"bad\.mkv cannot be read as a video: "):
        read_footage(tmp_path, length=4, side=32)


def test_a_packed_file_holds_none(tmp_path):
    (tmp_path / "crops.zip").write_bytes(b"")
    assert read_footage(tmp_path / "crops.zip", length=4, side=32) == []
