from pathlib import Path

import pytest

from tests.encode.clips import Recipe, make_model, make_video, packets
from vsfdat.encode import upscale_file
from vsfdat.encode.output.codecs import find_codec
from vsfdat.encode.work import open_work
from vsfdat.models import load_model
from vsfdat.options import Settings, UpscaleOptions
from vsfdat.trial.forecast import Packets, forecast, runs_at, scale, spread_evenly


def test_runs_are_within_the_film_and_do_not_overlap() -> None:
    assert runs_at(100, [40, 10, 98], 6) == [(10, 16), (40, 46), (94, 100)]
    assert runs_at(100, [10, 13, 16], 6) == [(10, 16), (16, 22)]
    assert runs_at(4, [0, 3], 6) == [(0, 4)]


def test_a_sample_is_all_of_a_short_film_and_spread_over_a_long_one() -> None:
    assert spread_evenly(90, 3, 30) == [(0, 90)]
    assert spread_evenly(1000, 3, 30) == [(0, 30), (485, 515), (970, 1000)]


def test_a_film_that_was_sampled_whole_is_reckoned_as_it_is() -> None:
    course = Packets(keys=3, key_bytes=3000, others=97, other_bytes=9700)
    assert scale(course, Packets(1, 100, 5, 50), Packets(1, 100, 5, 50), 100, runs=1) == pytest.approx(12_700, rel=0.02)


def test_what_the_network_adds_is_told_apart_for_key_frames_and_others() -> None:
    course = Packets(keys=1, key_bytes=1000, others=99, other_bytes=9900)
    size = scale(course, Packets(1, 300, 5, 75), Packets(1, 100, 5, 50), 100, runs=1)
    assert size == 3 * 1000 + 1.5 * 9900


def test_key_frames_of_a_long_film_are_those_of_its_cuts_and_of_the_encoders_patience() -> None:
    same = Packets(1, 100, 5, 50)
    still = Packets(keys=8, key_bytes=8000, others=392, other_bytes=392 * 10)
    keys = 20 + 10_000 / 250
    assert scale(still, same, same, 10_000, runs=8) == pytest.approx(keys * 1000 + (10_000 - keys) * 10)
    cut = Packets(keys=8 + 49, key_bytes=57_000, others=343, other_bytes=343 * 10)
    keys = 20 + 10_000 / 8
    assert scale(cut, same, same, 10_000, runs=8) == pytest.approx(keys * 1000 + (10_000 - keys) * 10)


@pytest.mark.slow
def test_a_real_run_has_the_forecasts_frames_repeats_and_bytes(tmp_path: Path) -> None:
    film = make_video(
        tmp_path / "film.mkv",
        Recipe(drawn_on=2, pts=tuple(range(0, 40 * 512, 512)), size=(64, 48), encoder="ffv1", options={}),
    )
    model = make_model(tmp_path / "tiny.safetensors")
    settings = Settings(upscale=UpscaleOptions(model=model, device="cpu"))
    codec = find_codec("h264")
    work = open_work(film, "matroska", settings, codec, codec.build_options(None, None), load_model(model))
    expected = forecast(work, [4, 16, 28], opening=1.0, dedup=0, shares_cpu=True)
    upscale_file(film, tmp_path / "out.mkv", settings)
    assert (expected.frames, expected.repeats) == (40, 0.5)
    made = sum(len(packet) for kind in ("video", "audio") for _, packet in packets(tmp_path / "out.mkv", kind))
    assert expected.size == pytest.approx(made, rel=0.15)
    steady = 39 * (0.5 * expected.network + expected.other)
    assert expected.seconds - 1.0 > steady  # by the first frame
    alone = forecast(work, [4, 16, 28], opening=1.0, dedup=None, shares_cpu=True)
    assert alone.repeats == 0
