import numpy as np
import pytest

from vsfdat.quality.compress import through_video, through_yuv420


def test_a_video_keeps_its_frames_and_their_order():
    pytest.importorskip("av")
    frames = [np.full((32, 32, 3), value, np.uint8) for value in (40, 120, 200)]
    for codec, strength in (("h264", 18), ("mpeg2", 3)):
        means = [frame.mean() for frame in through_video(frames, codec, strength)]
        assert means == pytest.approx([40, 120, 200], abs=3)


def test_yuv_keeps_colours_and_halves_only_their_detail():
    pytest.importorskip("av")
    flat = np.full((16, 16, 3), (200, 60, 90), np.uint8)
    assert np.abs(through_yuv420(flat).astype(int) - flat).max() <= 2
