import numpy as np
import pytest

from tests.quality.conftest import draw_picture
from vsfdat.training.degrade import degrade
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
