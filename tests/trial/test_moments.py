import itertools

import pytest
import vapoursynth as vs

from vsfdat.trial.moments import choose_moments

from .films import LENGTH, make_clip

SCENES = ("plain", "black", "dark", "plain", "busy", "plain", "moving", "plain")


def scene_of(number: int) -> str:
    return SCENES[number // LENGTH]


def test_each_kind_is_found_in_its_scene() -> None:
    moments = choose_moments(make_clip(*SCENES), 4)
    found = {moment.why: scene_of(moment.number) for moment in moments}
    assert found == {"busiest": "busy", "darkest": "dark", "most motion": "moving", "typical": "plain"}


@pytest.mark.slow
def test_they_come_in_the_films_order_and_the_same_each_time() -> None:
    clip = make_clip(*SCENES)
    moments = choose_moments(clip, 6)
    numbers = [moment.number for moment in moments]
    assert numbers == sorted(set(numbers))
    assert [moment.why for moment in moments].count("another") == 2
    assert choose_moments(clip, 6) == moments


@pytest.mark.slow
def test_those_beyond_the_four_are_far_from_the_others_and_show_something() -> None:
    moments = choose_moments(make_clip(*SCENES), 6)
    assert all(scene_of(moment.number) != "black" for moment in moments)
    gaps = [later.number - earlier.number for earlier, later in itertools.pairwise(moments)]
    assert min(gaps) >= LENGTH * len(SCENES) / 12


def test_a_cut_is_no_motion() -> None:
    clip = make_clip("plain", "dark", "plain", "busy", "plain", "moving")
    (moving,) = (moment.number for moment in choose_moments(clip, 4) if moment.why == "most motion")
    assert moving >= 5 * LENGTH


def test_a_clip_of_few_or_black_frames_has_no_more_moments_than_frames() -> None:
    clip = make_clip("black")
    assert [moment.number for moment in choose_moments(clip[:3], 6)] == [0, 1, 2]
    assert len(choose_moments(clip, 6)) == 6


@pytest.mark.slow
def test_any_format_will_do() -> None:
    clip = make_clip(*SCENES)
    for form in (vs.RGB24, vs.YUV420P10, vs.RGBS, vs.YUV444P8):
        matrix = vs.MATRIX_BT709 if clip.format.color_family != vs.RGB and form not in (vs.RGB24, vs.RGBS) else None
        other = clip.resize.Bicubic(format=form, matrix=matrix)
        assert [scene_of(moment.number) for moment in choose_moments(other, 3)] == ["dark", "busy", "moving"]
