from collections import Counter

import numpy as np
import pytest

from vsfdat.errors import TrainingError
from vsfdat.training.crops import load_crops
from vsfdat.training.downscale import downscale
from vsfdat.training.recipe import parse_recipe
from vsfdat.training.sampler import PatchSampler, crop_shares


def sampler_of(data, **sampling):
    recipe = parse_recipe({"sampling": {"patch": 16, "batch": 4, **sampling}})
    return PatchSampler(load_crops(data, 2, recipe.downscale), recipe)


def test_a_batch_depends_on_the_step_alone(data):
    first, second = sampler_of(data, tries=2), sampler_of(data, tries=2)
    first.batch(0)
    for a, b in zip(first.batch(7), second.batch(7), strict=True):
        assert (a == b).all()
    assert (first.batch(7)[0] != first.batch(8)[0]).any()


def test_low_and_high_show_the_same_place_turned_the_same_way(data):
    low, high = sampler_of(data).batch(3)
    assert low.shape == (4, 16, 16, 3)
    assert high.shape == (4, 32, 32, 3)
    for small, large in zip(low, high, strict=True):
        inner = downscale(large, 2, "bicubic")[3:-3, 3:-3]  # the border saw pixels outside the patch
        assert np.abs(small[3:-3, 3:-3].astype(int) - inner).max() <= 1


def test_styles_get_their_shares_and_detail_counts_within_them(data):
    recipe = parse_recipe({"sampling": {"styles": {"line": 0.9, "photo": 0.1}, "detail": 1.0}})
    crops = load_crops(data, 2, recipe.downscale)
    shares = crop_shares(crops, recipe.sampling)
    assert shares[:4].sum() == pytest.approx(0.9)
    detail = crops.detail[:4].mean(axis=(1, 2))
    assert (np.argsort(shares[:4]) == np.argsort(detail)).all()


def test_more_tries_find_more_detail(data):
    def mean_miss(tries):
        sampler = sampler_of(data, tries=tries, patch=8, batch=32)
        pairs = [sampler.batch(step) for step in range(8)]
        return np.mean([np.abs(low.repeat(2, 1).repeat(2, 2).astype(int) - high).mean() for low, high in pairs])

    assert mean_miss(4) > 1.01 * mean_miss(1)


def test_all_eight_orientations_come_up(data):
    for file in sorted(data.iterdir())[1:]:
        file.unlink()
    sampler = sampler_of(data, patch=32, batch=8)  # the whole picture: only its orientation varies
    seen = Counter(high.tobytes() for step in range(20) for high in sampler.batch(step)[1])
    assert len(seen) == 8


def test_flat_patches_have_one_colour_at_both_sizes(data):
    low, high = sampler_of(data, flat=1.0).batch(0)
    assert (low == low[:, :1, :1]).all()
    assert (high == low[:, :1, :1]).all()
    assert len({patch[0, 0].tobytes() for patch in low}) == 4
    pictures, _ = sampler_of(data, flat=0.25, batch=64).batch(1)
    assert 4 < (pictures == pictures[:, :1, :1]).all(axis=(1, 2, 3)).sum() < 32


def test_a_style_without_pictures(data):
    with pytest.raises(TrainingError, match="the recipe asks for pictures of style 'comic', and there are none"):
        sampler_of(data, styles={"comic": 1.0})


def test_a_patch_larger_than_the_pictures(data):
    with pytest.raises(TrainingError, match="patch must be at most 32 for these pictures, passed 48"):
        sampler_of(data, patch=48)
