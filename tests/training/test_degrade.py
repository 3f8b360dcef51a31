import numpy as np
import pytest

from tests.quality.conftest import draw_picture
from vsfdat.training.degrade import degrade, degrade_clip
from vsfdat.training.recipe import DegradeFacts

PATCH = draw_picture(3, 48)


def error(degraded):
    return np.abs(degraded.astype(int) - PATCH).mean()


def draws():
    return np.random.default_rng(5)


def test_a_share_of_nothing_leaves_all_clean():
    assert degrade(PATCH, DegradeFacts(codecs={"jpeg": (10, 10)}), draws()) is PATCH


@pytest.mark.parametrize(
    ("codec", "light", "heavy"), [("h264", 12, 40), ("mpeg2", 2, 20), ("jpeg", 95, 15)], ids=["h264", "mpeg2", "jpeg"]
)
def test_codecs_harm_more_at_lower_rates(codec, light, heavy):
    pytest.importorskip("av")
    mild, strong = (
        error(degrade(PATCH, DegradeFacts(share=1, codecs={codec: (value, value)}), draws()))
        for value in (light, heavy)
    )
    assert 0 < mild < 0.7 * strong < 40


def test_the_same_draws_degrade_the_same_way():
    pytest.importorskip("av")
    facts = DegradeFacts(share=0.7, blur=(0.3, 1), noise=(1, 6), codecs={"h264": (18, 30), "jpeg": (50, 90)})
    first, second = ([degrade(PATCH, facts, rng) for _ in range(6)] for rng in (draws(), draws()))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert any((a != PATCH).any() for a in first)


def test_noise_has_the_strength_that_was_asked_for():
    flat = np.full((200, 200, 3), 128, np.uint8)
    results = [degrade(flat, DegradeFacts(share=1, noise=(4, 4)), np.random.default_rng(seed)) for seed in range(8)]
    assert [result.std() for result in results if (result != flat).any()] == pytest.approx([4] * 4, rel=0.5, abs=0.2)


def test_a_clip_keeps_its_length_and_its_order():
    pytest.importorskip("av")
    frames = [np.roll(PATCH, 2 * n, axis=1) for n in range(7)]
    for codec in ("h264", "mpeg2", "jpeg", "yuv420"):
        strength = (95, 95) if codec == "jpeg" else (2, 2)
        results = degrade_clip(frames, DegradeFacts(share=1, codecs={codec: strength}), draws())
        assert len(results) == 7
        for frame, result in zip(frames, results, strict=True):
            own, next_to_it = (np.abs(result.astype(int) - np.roll(frame, by, axis=1)).mean() for by in (0, 2))
            assert own < 0.6 * next_to_it


def test_what_a_codec_left_of_one_picture_differs_by_the_kind_of_frame():
    pytest.importorskip("av")
    frames = [np.roll(PATCH, 3 * n, axis=1) for n in range(9)]
    results = degrade_clip(frames, DegradeFacts(share=1, codecs={"h264": (30, 30)}), draws())
    still = [np.roll(result, -3 * n, axis=1)[:, :16] for n, result in enumerate(results)]
    errors = [np.abs(picture.astype(int) - PATCH[:, :16]).mean() for picture in still]
    assert max(errors) > 1.1 * min(errors)
    average = np.abs(np.mean(still, axis=0) - PATCH[:, :16]).mean()
    assert average < 0.95 * np.mean(errors)  # which is what there is to learn


def test_noise_differs_from_frame_to_frame_and_clean_clips_stay_as_they_are():
    frames = [PATCH] * 3
    assert degrade_clip(frames, DegradeFacts(), draws()) is frames
    noisy = next(
        results
        for seed in range(8)
        if (results := degrade_clip(frames, DegradeFacts(share=1, noise=(3, 3)), np.random.default_rng(seed)))
        is not frames
    )
    assert np.std(noisy[0].astype(int) - noisy[1]) == pytest.approx(3 * 2**0.5, rel=0.1)
