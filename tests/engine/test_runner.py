"""The exact engine gives the whole frame's picture, whatever the strips."""

import sys
import weakref
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.engine.truth import ALL_ROWS, CPU, SMALL, STRIP_ROWS, Truth, best, build, run
from tests.random_weights import random_network
from vsfdat.arch import PRESETS, FDATConfig
from vsfdat.bench.measure import rise_of_memory
from vsfdat.engine import plan as planning
from vsfdat.engine import runner
from vsfdat.engine.plan import Plan
from vsfdat.models import load_model
from vsfdat.ops import REFERENCE, Backend


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_at_every_strip_height(preset: str) -> None:
    """One group of each preset: its widths and heads are what differ; how often they repeat is not."""
    depth = 1 if preset in ("fdat_large", "fdat_xl") else 2
    network = random_network(replace(PRESETS[preset], scale=2, num_groups=1, depth_per_group=depth))
    frame = torch.rand(3, 37, 51)
    truth = Truth(network, frame)
    for backend in (REFERENCE, best(torch.float32)):
        for rows in STRIP_ROWS if backend is REFERENCE else (8,):
            truth.check(build(network, Plan(rows), backend)(frame), (backend.name, rows))


@pytest.mark.slow
def test_the_default_model_at_a_larger_size() -> None:
    network = load_model()
    frame = torch.rand(3, 121, 203)
    truth = Truth(network, frame)
    truth.check(build(network, Plan(64))(frame))
    truth.check(build(network, Plan(64), best(torch.float32))(frame))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", [REFERENCE, None], ids=["torch", "best"])
@pytest.mark.parametrize("model", ["fdat-tiny-2x", "fdat-tiny-2x-fast"])
def test_low_precision(dtype: torch.dtype, backend: Backend | None, model: str) -> None:
    network = load_model(model)
    frame = torch.rand(3, 37, 51)
    truth = Truth(network, frame, dtype)
    for rows in (8, ALL_ROWS):
        truth.check(build(network, Plan(rows), backend or best(dtype), dtype)(frame), rows)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 30),
    strip=st.integers(1, 6),
    config=st.sampled_from(
        [
            SMALL,
            replace(SMALL, qkv_bias=True, window_size=4),
            replace(SMALL, group_block_pattern=["channel", "spatial", "channel"], num_groups=1),
            replace(SMALL, unshuffle_mod=True),
            replace(SMALL, unshuffle_mod=True, scale=1, num_in_ch=1, num_out_ch=1),
            replace(SMALL, scale=4, upsampler_type="pixelshuffle"),
        ]
    ),
    host_maps=st.booleans(),
)
def test_any_size_and_strip_height(height: int, width: int, strip: int, config: FDATConfig, host_maps: bool) -> None:
    network = random_network(config)
    frame = torch.rand(config.num_in_ch, height, width)
    rows = strip * config.window_size
    picture = build(network, Plan(rows, host_maps))(frame)
    Truth(network, frame).check(picture)


def test_a_window_that_is_not_eight_in_every_backend() -> None:
    network = random_network(replace(SMALL, window_size=6, qkv_bias=True))
    frame = torch.rand(3, 25, 31)
    truth = Truth(network, frame)
    for backend in (REFERENCE, best(torch.float32)):
        truth.check(build(network, Plan(6), backend)(frame), backend.name)


@pytest.mark.slow
def test_what_tiles_do_wrong_and_strips_do_not() -> None:
    """Half bright, half dark: a tile sees one half and adapts to it, and the network's global sums never meet."""
    network = load_model()
    frame = torch.cat((0.9 * torch.ones(3, 64, 64), 0.1 * torch.ones(3, 64, 64)), dim=2)
    frame += 0.05 * torch.rand(3, 64, 128)
    whole = run(network, frame)
    tiles = torch.cat([run(network, tile) for tile in frame.split(64, dim=2)], dim=2)
    strips = build(network, Plan(8))(frame)
    strips_off, tiles_off = ((made - whole).abs().max().item() for made in (strips, tiles))
    # Away from the cut too, where no missing neighbours excuse a tile.
    inner = (slice(None), slice(None), slice(0, 64))
    tiles_off_inside = (tiles[inner] - whole[inner]).abs().max().item()
    print(f"largest difference from the whole frame: strips {strips_off:.1e}, tiles {tiles_off:.1e} "
          f"({tiles_off_inside:.1e} more than 32 source pixels from the cut)")  # fmt: skip
    assert strips_off < 1e-5
    assert tiles_off_inside > 100 * strips_off
    assert tiles_off_inside > 1e-3


def test_a_slot_keeps_its_maps_from_frame_to_frame() -> None:
    engine = build(random_network(SMALL), Plan(8))
    engine(torch.rand(3, 20, 30))
    first = [each.data_ptr() for each in engine._maps]
    engine(torch.rand(3, 20, 30))
    assert [each.data_ptr() for each in engine._maps] == first
    assert engine(torch.rand(3, 9, 30)).shape == (3, 18, 60)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_a_thousand_frames_take_no_more_memory_than_ten() -> None:
    engine = build(random_network(replace(SMALL, num_groups=1)), Plan(8), best(torch.float32))
    frame = torch.rand(3, 16, 16)

    def run_frames(count: int) -> None:
        for _ in range(count):
            engine(frame)

    run_frames(10)
    assert rise_of_memory(lambda: run_frames(1000)) < 4 * 2**20


def test_slots_share_weights_and_nothing_else() -> None:
    make = runner.build(random_network(SMALL), CPU, torch.float32, backend=REFERENCE, plan=Plan(8))
    one, other = make(), make()
    frames = torch.rand(2, 3, 16, 16)
    first = one(frames[0]).clone()
    other(frames[1])
    assert torch.equal(one(frames[0]), first)
    assert one._network is other._network


class _Cramped:
    """Ops on a device that holds only so many rows at a time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __getattr__(self, name: str) -> object:
        op = getattr(REFERENCE.ops, name)
        if name.startswith("pack") or name == "product":
            return op

        def limited(x: Tensor, *arguments: object) -> object:
            start, stop = arguments[-1]
            if stop - start > self.limit:
                self.tried_to_write = weakref.ref(arguments[0])
                raise torch.OutOfMemoryError("no room")
            return op(x, *arguments)

        return limited


@pytest.mark.slow
def test_out_of_memory_makes_strips_smaller(caplog: pytest.LogCaptureFixture) -> None:
    network = random_network(SMALL)
    frame = torch.rand(3, 64, 32)
    engine = build(network, Plan(64), Backend("cramped", _Cramped(16), cuts_itself=False))
    for _ in range(2):
        Truth(network, frame).check(engine(frame))
    assert [record.getMessage() for record in caplog.records] == [
        "The device is out of memory; going on in smaller strips."
    ]
    assert engine._plan == Plan(16)


def test_a_frame_of_another_size_gets_a_plan_of_its_own() -> None:
    """As tiles do, once the whole frame did not fit even with its maps in host memory."""
    ops = _Cramped(4)
    engine = build(random_network(SMALL), Plan(16), Backend("cramped", ops, cuts_itself=False))
    with pytest.raises(torch.OutOfMemoryError):
        engine(torch.rand(3, 64, 32))
    ops.limit = 16
    engine(torch.rand(3, 32, 32))
    assert engine._plan == Plan(16)


def test_a_failed_attempt_leaves_nothing_behind_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    ops, step_down, checked = _Cramped(16), planning.smaller, []

    def checking(plan: Plan, window: int) -> Plan | None:
        checked.append(ops.tried_to_write() is None)
        return step_down(plan, window)

    monkeypatch.setattr(planning, "smaller", checking)
    build(random_network(SMALL), Plan(64), Backend("cramped", ops, cuts_itself=False))(torch.rand(3, 64, 32))
    assert checked == [True, True]


def test_out_of_memory_puts_maps_into_host_memory_and_then_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    engine = build(random_network(SMALL), Plan(16), Backend("cramped", _Cramped(4), cuts_itself=False))
    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        engine(torch.rand(3, 64, 32))
    assert [record.getMessage() for record in caplog.records] == [
        "The device is out of memory; going on in smaller strips.",
        "The device is out of memory in the smallest strips; its feature maps go to host memory.",
    ]
