import numpy as np
import pytest
import torch

from vsfdat.errors import TrainingError
from vsfdat.quality.downscale import downscale
from vsfdat.training.clips import ClipSampler
from vsfdat.training.crops import load_crops
from vsfdat.training.recipe import parse_recipe

CPU = torch.device("cpu")


def sampler_of(data, sampling=None, **tables):
    tables = {"sampling": {"patch": 12, "batch": 4, **(sampling or {})}, **tables}
    recipe = parse_recipe(tables)
    return ClipSampler(load_crops(data, 2, recipe.downscale), recipe, CPU)


def arrays(batch):
    return tuple(tensor.numpy().astype(int) for tensor in batch)


@pytest.mark.slow
def test_a_batch_depends_on_the_step_alone(data):
    facts = {"motions": {"drift": 1, "turn": 1}, "figure": 0.5, "held": 0.5, "cut": 0.5}
    first, second = (sampler_of(data, clips=facts, degrade={"share": 0.5, "noise": [1, 9]}) for _ in range(2))
    first.batch(0)
    for a, b in zip(first.batch(7), second.batch(7), strict=True):
        assert torch.equal(a, b)
    assert (first.batch(7)[0] != first.batch(8)[0]).any()


def test_the_middle_of_a_clean_clip_is_the_original_made_small(data):
    low, high = arrays(sampler_of(data, clips={"motions": {"pan": 1}}).batch(0))
    assert low.shape == (4, 5, 12, 12, 3)
    assert high.shape == (4, 24, 24, 3)
    for clip, original in zip(low, high, strict=True):
        small = downscale(original.astype(np.uint8), 2, "bicubic").astype(int)
        assert np.abs(small - clip[2])[2:-2, 2:-2].max() <= 1


def test_a_still_clip_is_one_picture_but_for_its_noise(data):
    low, _ = arrays(sampler_of(data, clips={"motions": {"still": 1}}).batch(0))
    assert (low == low[:, :1]).all()
    facts = {"clips": {"motions": {"still": 1}}, "degrade": {"share": 1.0, "noise": [2, 2]}}
    noisy, _ = arrays(sampler_of(data, {"batch": 16}, **facts).batch(0))
    moved = np.abs(noisy - noisy[:, 2:3]).mean(axis=(2, 3, 4))[:, [0, 1, 3, 4]]
    assert ((moved == 0) | (moved > 1)).all()  # 0 without noise, and where the clip ends and a frame stands in
    assert (moved == 0).all(axis=1).any()
    assert (moved > 1).any()


def test_beyond_a_cut_the_network_sees_this_sides_nearest_frame(data):
    """Still scenes: all that it sees is one picture, unless it is not spared what the other scene shows."""
    scenes = {"motions": {"still": 1}, "cut": 1.0, "length": 6}
    low, _ = arrays(sampler_of(data, {"batch": 24}, clips=scenes).batch(0))
    assert (low == low[:, :1]).all()
    missed, _ = arrays(sampler_of(data, {"batch": 24}, clips=scenes | {"missed": 1.0}).batch(0))
    across = [clip for clip in missed if (clip != clip[2]).any()]
    assert 8 < len(across) < 24
    assert (missed[:, 2] == low[:, 2]).all()


def test_two_successive_frames_of_each_clip_are_drawn_for_a_steady_loss(data):
    low, _ = arrays(sampler_of(data, {"batch": 8}, clips={"motions": {"pan": 1}}, loss={"steady": 0.1}).batch(3))
    inner = slice(0, 4)
    matches = [(second[inner] == first[1:]).all() for first, second in zip(low[::2], low[1::2], strict=True)]
    assert any(matches)  # but where the clip ends, a frame stands in for one that is not there
    assert (low[::2, 2] != low[1::2, 2]).any()


def test_flat_clips_have_one_colour_in_all_frames(data):
    low, high = arrays(sampler_of(data, {"flat": 1.0}).batch(0))
    assert (low == low[:, :1, :1, :1]).all()
    assert (high == low[:, 0, :1, :1]).all()


def test_the_first_steps_are_pairs_to_learn_motion_from(data):
    sampler = sampler_of(data, run={"align_steps": 2})
    frames, flow = sampler.batch(1)
    assert frames.shape == (16, 2, 12, 12, 3)
    assert flow.shape == (16, 2, 12, 12)
    assert sampler.batch(2)[0].shape == (4, 5, 12, 12, 3)


def test_a_patch_with_its_margin_larger_than_the_pictures(data):
    with pytest.raises(TrainingError) as caught:
        sampler_of(data, {"patch": 24})
    assert str(caught.value) == "patch must be at most 16 for clips of these pictures, passed 24"


def test_an_odd_batch_holds_no_pairs(data):
    with pytest.raises(TrainingError) as caught:
        sampler_of(data, {"batch": 3}, loss={"steady": 0.1})
    assert str(caught.value) == "batch must be even where loss.steady is not 0, passed 3"
