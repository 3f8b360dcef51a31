import numpy as np
import pytest
import torch

from tests.quality.conftest import draw_picture
from vsfdat.arch.tfdat import FlowNet, warp
from vsfdat.training.motions import motion_error, moved_pairs


def pairs(count=24, scale=2, seed=0):
    originals = torch.from_numpy(np.stack([draw_picture(n, 64) for n in range(count)]))
    return moved_pairs(originals, scale, np.random.default_rng(seed))


def unpacked(frames):
    return (frames.movedim(-1, 2) / 255).unbind(dim=1)


def test_the_flow_says_where_in_the_neighbour_a_pixel_is():
    frames, flow = pairs()
    neighbour, centre = unpacked(frames)
    seen = ~flow.isnan().any(dim=1, keepdim=True)
    apart, aligned = (
        ((picture - centre).abs() * seen).mean(dim=(1, 2, 3))
        for picture in (neighbour, warp(neighbour, flow.nan_to_num()))
    )
    assert aligned.mean() < 0.5 * apart.mean()
    assert aligned.max() < 0.05


@pytest.mark.slow
def test_motions_are_of_all_lengths_and_some_pictures_stay():
    _, flow = pairs(200)
    lengths = flow.nanmean(dim=(2, 3)).norm(dim=1)
    assert 0.03 < (lengths == 0).float().mean() < 0.25
    assert 0.2 < lengths[lengths > 0].min() < 0.4
    assert 5 < lengths.max() < 12
    assert 0 < flow.isnan().float().mean() < 0.2


def test_the_error_is_that_of_the_pixels_in_the_picture_in_pixels():
    frames, flow = pairs()

    def shifted(*_):
        return flow.nan_to_num() + 0.5

    inside = 1 - flow.isnan().float().mean()
    assert torch.isclose(motion_error(shifted, frames, flow), 0.5 * inside)


def test_what_lies_outside_of_the_picture_has_no_gradient():
    frames, flow = pairs(4)
    net = FlowNet(3, 4)
    motion_error(net, frames, flow.masked_fill(torch.ones_like(flow, dtype=torch.bool), torch.nan)).backward()
    assert all((parameter.grad == 0).all() for parameter in net.parameters())
