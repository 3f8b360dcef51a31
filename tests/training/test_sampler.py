from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from vsfdat.errors import TrainingError
from vsfdat.quality.downscale import downscale
from vsfdat.quality.pictures import decode
from vsfdat.training.crops import load_crops
from vsfdat.training.recipe import parse_recipe
from vsfdat.training.sampler import PatchSampler, crop_shares

CPU = torch.device("cpu")


def sampler_of(data, degrade=None, downscale=None, **sampling):
    tables = {"degrade": degrade or {}, "downscale": downscale or {}}
    recipe = parse_recipe({"sampling": {"patch": 16, "batch": 4, **sampling}, **tables})
    return PatchSampler(load_crops(data, 2, recipe.downscale), recipe, CPU)


def arrays(batch):
    return tuple(patches.numpy() for patches in batch)


@pytest.mark.parametrize("degrade", [{}, {"share": 0.5, "noise": [1, 9], "codecs": {"jpeg": [30, 90]}}])
def test_a_batch_depends_on_the_step_alone(data, degrade):
    first, second = (sampler_of(data, tries=2, flat=0.2, degrade=degrade) for _ in range(2))
    first.batch(0)
    for a, b in zip(first.batch(7), second.batch(7), strict=True):
        assert torch.equal(a, b)
    assert (first.batch(7)[0] != first.batch(8)[0]).any()


def test_the_pictures_are_not_copied_on_a_cpu(data):
    recipe = parse_recipe({"sampling": {"patch": 16}})
    crops = load_crops(data, 2, recipe.downscale)
    sampler = PatchSampler(crops, recipe, CPU)
    crops.high[:], crops.low[:] = 7, 8
    low, high = sampler.batch(0)
    assert (low == 8).all()
    assert (high == 7).all()


def test_degrading_changes_the_low_patches_alone(data):
    clean, harmed = (sampler_of(data, degrade=facts) for facts in ({}, {"share": 1.0, "noise": [20, 30]}))
    for step in range(4):  # half of the degraded patches get noise
        assert torch.equal(clean.batch(step)[1], harmed.batch(step)[1])
    assert any((clean.batch(step)[0] != harmed.batch(step)[0]).any() for step in range(4))


def test_every_kernel_comes_up_with_the_crop_it_was_made_of(data):
    kernels = {"bicubic": 0.4, "area": 0.6}
    sampler = sampler_of(data, downscale={"kernels": kernels}, batch=64)
    low, high = arrays(sampler.batch(0))
    nearest = Counter(
        min(kernels, key=lambda kernel: np.abs(downscale(large, 2, kernel)[3:-3, 3:-3].astype(int) - small).sum())
        for small, large in zip(low[:, 3:-3, 3:-3], high, strict=True)
    )
    assert 15 < nearest["bicubic"] < 36


def test_low_and_high_show_the_same_place_turned_the_same_way(data):
    low, high = arrays(sampler_of(data).batch(3))
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
    for file in data.iterdir():
        file.unlink()
    half = np.full((64, 64, 3), 90, np.uint8)
    half[:, 32:] = np.random.default_rng(0).integers(0, 255, (64, 32, 3))
    Image.fromarray(half).save(data / "half_0.png")

    def mean_detail(tries):
        return arrays(sampler_of(data, tries=tries, patch=8, batch=64).batch(0))[1].std(axis=(1, 2)).mean()

    assert mean_detail(4) > 1.3 * mean_detail(1)


def test_all_eight_orientations_come_up(data):
    for file in sorted(data.iterdir())[1:]:
        file.unlink()
    sampler = sampler_of(data, patch=32, batch=8)  # the whole picture: only its orientation varies
    seen = Counter(high.tobytes() for step in range(20) for high in arrays(sampler.batch(step))[1])
    assert len(seen) == 8
    (picture,) = (decode(file.read_bytes(), file.name) for file in data.iterdir())
    turned = [np.rot90(side, turns) for side in (picture, picture[::-1]) for turns in range(4)]
    assert set(seen) == {side.tobytes() for side in turned}


def test_flat_patches_have_one_colour_at_both_sizes(data):
    low, high = arrays(sampler_of(data, flat=1.0).batch(0))
    assert (low == low[:, :1, :1]).all()
    assert (high == low[:, :1, :1]).all()
    assert len({patch[0, 0].tobytes() for patch in low}) == 4
    pictures, _ = arrays(sampler_of(data, flat=0.25, batch=64).batch(1))
    assert 4 < (pictures == pictures[:, :1, :1]).all(axis=(1, 2, 3)).sum() < 32


def test_a_style_without_pictures(data):
    with pytest.raises(TrainingError, match="the recipe asks for pictures of style 'comic', and there are none"):
        sampler_of(data, styles={"comic": 1.0})


def test_a_patch_larger_than_the_pictures(data):
    with pytest.raises(TrainingError, match="patch must be at most 32 for these pictures, passed 48"):
        sampler_of(data, patch=48)
