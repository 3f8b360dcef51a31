import re

import pytest
from PIL import Image

from tests.quality.conftest import draw_picture
from vsfdat.errors import TrainingError
from vsfdat.quality import compressed
from vsfdat.quality.compressed import Rate, compressed_table
from vsfdat.quality.interpolate import classic_upscalers, frame_by_frame

pytest.importorskip("av")


def classic(scale):
    return {name: frame_by_frame(upscale) for name, upscale in classic_upscalers(scale).items()}


@pytest.fixture
def clips(tmp_path):
    for seed in range(2):
        Image.fromarray(draw_picture(seed, 120)).save(tmp_path / f"{seed}.png")
    return tmp_path


def cells(line):
    return [[float(number) for number in re.findall(r"[\d.]+", cell)] for cell in line.split(" | ")[1:]]


def test_lower_rates_score_worse_in_every_measure(clips, monkeypatch):
    monkeypatch.setattr(compressed, "RATES", (Rate("light", "h264", 15), Rate("heavy", "h264", 40)))
    upscalers = {"bicubic": classic(2)["bicubic"]}

    def distance(one, other):
        return (one - other).abs().mean(dim=(1, 2, 3))

    lines = list(compressed_table(upscalers, clips, 2, distance))
    assert lines[:2] == ["| Compressed, 2x, PSNR / SSIM / LPIPS | bicubic |", "|---|---|"]
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {clips.name}, light", f"| {clips.name}, heavy"]
    ((light,), (heavy,)) = (cells(line) for line in lines[2:])
    assert light[0] > heavy[0] + 0.5
    assert light[1] > heavy[1]
    assert light[2] < heavy[2]


def test_without_a_perceptual_distance_there_are_two_measures(clips, monkeypatch):
    monkeypatch.setattr(compressed, "RATES", (Rate("DVD", "mpeg2", 4),))
    lines = list(compressed_table(classic(1), clips, 1, None))
    assert lines[0] == "| Compressed, 1x, PSNR / SSIM | source |"
    assert len(cells(lines[2])[0]) == 2


def test_the_frames_that_are_scored_are_those_that_were_compressed(clips, monkeypatch):
    """A frame off by one would be a pan off by pixels, and cost many dB."""
    monkeypatch.setattr(compressed, "RATES", (Rate("H.264", "h264", 1), Rate("MPEG-2", "mpeg2", 1)))
    lines = list(compressed_table(classic(1), clips, 1, None))
    assert all(cells(line)[0][0] > 35 for line in lines[2:])


@pytest.mark.parametrize(("side", "kept"), [(50, "12x36"), (20, "0x6")])  # a pan takes 33 columns and 11 rows
def test_a_clip_too_small_to_be_measured_is_named(tmp_path, side, kept):
    Image.fromarray(draw_picture(0, side)).save(tmp_path / "small.png")
    with pytest.raises(TrainingError) as caught:
        list(compressed_table(classic(3), tmp_path, 3, None))
    assert str(caught.value) == f"small.png leaves {kept} pixels to measure, and SSIM takes 17x17"


def test_a_clips_frames_are_shown_with_the_number_of_the_one_to_measure(clips, monkeypatch):
    monkeypatch.setattr(compressed, "RATES", (Rate("light", "h264", 1),))
    asked = []

    def upscale(frames, n):
        asked.append((len(frames), n))
        return frames[n]

    rows = [list(compressed_table({"same": upscale}, clips, 1, None, frame=frame))[2] for frame in (7, 12)]
    assert asked == [(12, 6)] * 2 + [(12, 11)] * 2  # two clips
    assert all(cells(row)[0][0] > 35 for row in rows)  # against the same frame of the original
