import copy

import pytest
import torch
from torch import nn

from vsfdat.training import muon
from vsfdat.training.muon import Muon

SHAPES = [(24, 8), (8, 8), (8, 12), (12, 8), (24, 8), (8, 12)]


def matrices(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def run(optimizer, steps, first=0):
    (group,) = optimizer.param_groups
    for step in range(first, first + steps):
        generator = torch.Generator().manual_seed(100 + step)
        for matrix in group["params"]:
            matrix.grad = torch.randn(matrix.shape, generator=generator)
        optimizer.step()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_same_numbers_as_torchs(weight_decay, monkeypatch):
    monkeypatch.setattr(muon, "_precision", lambda device: torch.bfloat16)  # as a GPU has it, and torch everywhere
    torch_muon = getattr(torch.optim, "Muon", None) or pytest.skip("this torch has no Muon")
    ours, theirs = matrices(), matrices()
    run(Muon(ours, 3e-2, weight_decay=weight_decay), 4)
    run(torch_muon(theirs, 3e-2, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"), 4)
    for mine, reference, start in zip(ours, theirs, matrices(), strict=True):
        moved = (reference - start).abs().max()
        assert (mine - reference).abs().max() < 0.02 * moved  # a few roundings of bf16
        assert moved > 0.01


def test_a_step_is_orthogonal_and_of_adamws_size():
    (matrix,) = start = [nn.Parameter(torch.zeros(16, 32))]
    run(Muon(start, 1e-2), 1)
    values = torch.linalg.svdvals(matrix.detach()) / (1e-2 * 0.2 * 32**0.5)
    assert 0.6 < values.min() < values.max() < 1.3


def test_a_saved_state_goes_on_to_the_same_bits():
    whole, resumed = matrices(), matrices()
    run(Muon(whole, 1e-2), 4)
    first = Muon(resumed, 1e-2)
    run(first, 2)
    second = Muon(resumed, 1e-2)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(second, 2, first=2)
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


def test_a_state_of_torchs_goes_on():
    torch_muon = getattr(torch.optim, "Muon", None) or pytest.skip("this torch has no Muon")
    theirs = torch_muon(matrices(), 1e-2, adjust_lr_fn="match_rms_adamw")
    run(theirs, 1)
    ours = Muon(matrices(), 1e-2)
    ours.load_state_dict(theirs.state_dict())
    for mine, reference in zip(ours.state.values(), theirs.state.values(), strict=True):
        assert torch.equal(mine["momentum_buffer"], reference["momentum_buffer"])
    run(ours, 1)
