"""Slots of one device cut alike, whatever memory each of them finds."""

import logging

import pytest
import torch

from tests.random_weights import random_network
from vsfdat.arch import FDATConfig
from vsfdat.engine import agreement, runner
from vsfdat.engine.agreement import Agreement
from vsfdat.engine.plan import Demand, Plan
from vsfdat.ops import REFERENCE

SMALL = FDATConfig(embed_dim=24, num_groups=1, depth_per_group=1, num_heads=2, scale=2)
GPU = torch.device("cuda:0")
SIZE = torch.Size((3, 96, 64))


def agreed_among(slots: int, given: Plan | None = None) -> Agreement:
    shared = Agreement(SMALL, GPU, 2, given)
    for _ in range(slots):
        shared.join()
    return shared


def test_each_slot_gets_its_part_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, half = Plan(96), Plan(48)
    demand = Demand(SMALL, 96, 64, 2)
    monkeypatch.setattr(agreement, "_free_bytes", lambda device: 2 * demand.device_bytes(whole))
    assert agreed_among(1).plan(SIZE) == whole
    assert agreed_among(2).plan(SIZE) == half


def test_a_later_slot_follows_the_first_whatever_is_free_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = agreed_among(2)
    monkeypatch.setattr(agreement, "_free_bytes", lambda device: 10**9)
    first = shared.plan(SIZE)
    monkeypatch.setattr(agreement, "_free_bytes", lambda device: 0)
    assert shared.plan(SIZE) == first
    assert shared.plan(torch.Size((3, 8, 8))) == Plan(8, host_maps=True)


def test_the_plan_is_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "vsfdat")
    Agreement(SMALL, torch.device("cpu"), 4, None).plan(SIZE)
    [record] = caplog.records
    assert (record.levelname, record.getMessage()[:5]) == ("DEBUG", "Plan(")


def test_vspipe_which_sets_no_level_is_not_told_the_plan(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.NOTSET)
    Agreement(SMALL, torch.device("cpu"), 4, None).plan(SIZE)
    assert caplog.records == []


def test_slots_step_down_together() -> None:
    shared = agreed_among(2, Plan(32))
    assert shared.below(SIZE, shared.plan(SIZE)) == Plan(16)
    assert shared.below(SIZE, Plan(32)) == Plan(16)  # the other slot, which was still at work by the old plan
    assert shared.plan(SIZE) == Plan(16)


def test_a_size_for_which_nothing_was_enough_is_looked_at_anew() -> None:
    shared = agreed_among(1, Plan(8))
    assert shared.below(SIZE, shared.plan(SIZE)) == Plan(8, host_maps=True)
    assert shared.below(SIZE, shared.plan(SIZE)) is None
    assert shared.plan(SIZE) == Plan(8)


def test_a_frame_has_the_same_bits_after_another_slot_stepped_down() -> None:
    make = runner.build(random_network(SMALL), torch.device("cpu"), torch.float32, backend=REFERENCE, plan=Plan(64))
    one, other = make(), make()
    frame = torch.rand(SIZE, generator=torch.Generator().manual_seed(0))
    one(frame)
    one._agreement.below(SIZE, Plan(64))
    assert torch.equal(one(frame), other(frame))
    assert one._plan == other._plan == Plan(32)
