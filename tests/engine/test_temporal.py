"""TFDAT through the engines: the published pictures, strips of flow, low precision, sizes, memory."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.arch import published
from tests.arch.test_tfdat import SMALL, load, random_tfdat
from tests.engine.truth import CPU, Truth, best
from vsfdat.arch import TFDAT, TFDATConfig
from vsfdat.engine import plan as planning
from vsfdat.engine import runner, temporal
from vsfdat.engine.plan import Plan
from vsfdat.engine.slots import build_slot
from vsfdat.ops import REFERENCE

NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16"}


class Series(Truth):
    """The plain module in float64 and in a lower precision, in which flow stays in fp32 as in all engines."""

    def __init__(self, network: TFDAT, frames: Tensor, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(network, frames)
        if dtype in NAMES:
            self.plain_error = self.error(build_slot(network, CPU, NAMES[dtype], kind="reference")()(frames))


@pytest.mark.parametrize("kind", ["exact", "reference"])
@pytest.mark.parametrize("name", published.names("tfdat"))
def test_pictures_equal_the_published_ones(name: str, kind: str) -> None:
    fixture = published.read("tfdat", name)
    fixture.check(build_slot(load(fixture), CPU, "fp32", kind=kind)()(fixture.given))


def _through(network: TFDAT, frames: Tensor, plan: Plan, backend: object = REFERENCE, dtype=torch.float32) -> Tensor:
    engine = runner.build(network, CPU, dtype, backend=backend, plan=plan)()
    return temporal.Aligned(engine, temporal.build(network, CPU, plain=False))(frames)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("count", [3, 5, 7])
def test_any_scale_and_count_in_strips(scale: int, count: int) -> None:
    network = random_tfdat(replace(SMALL, scale=scale, num_groups=2))
    frames = torch.rand(count, 3, 37, 21)
    truth = Series(network, frames)
    for backend in (REFERENCE, best(torch.float32)):
        truth.check(_through(network, frames, Plan(8), backend), backend.name)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3), (8, 8), (17, 33)])
def test_any_size(size: tuple[int, int]) -> None:
    network, frames = random_tfdat(), torch.rand(3, 3, *size)
    Series(network, frames).check(_through(network, frames, Plan(8)))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision(dtype: torch.dtype) -> None:
    network, frames = random_tfdat(), torch.rand(3, 3, 33, 18)
    truth = Series(network, frames, dtype)
    for plan in (Plan(8), Plan(8, host_maps=True)):
        truth.check(_through(network, frames, plan, best(dtype), dtype), plan)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 2, 3, 64])
def test_flow_in_strips_is_the_whole_frames(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporal, "FLOW_ROWS", rows)
    network = random_tfdat(replace(SMALL, scale=4))
    frames = torch.rand(3, 3, 64, 24)
    pairs = [temporal.build(network, CPU, plain=plain)(frames) for plain in (False, True)]
    truth = network.double().align(frames[None].double())[0].flatten(0, 1)
    in_strips, plain = ((pair - truth).abs().max() for pair in pairs)
    assert in_strips <= 2 * plain + 1e-6


def test_what_moves_where_is_the_same_in_every_precision() -> None:
    network, frames = random_tfdat(), torch.rand(3, 3, 16, 16)
    for kind in ("exact", "reference"):
        pairs = [build_slot(network, CPU, name, kind=kind)()._align(frames) for name in ("fp32", "fp16", "bf16")]
        assert pairs[0].dtype == torch.float32
        assert torch.equal(pairs[0], pairs[1])
        assert torch.equal(pairs[0], pairs[2])


def test_tiles_as_a_last_resort() -> None:
    """Smaller tiles than the frame change it a little; what each neighbour gives is found on the whole frame."""
    network, frames = random_tfdat(), torch.rand(3, 3, 40, 56)
    whole = build_slot(network, CPU, "fp32")()(frames)
    tiled = build_slot(network, CPU, "fp32", tile=(32, 32))()(frames)
    assert tiled.shape == whole.shape == (3, 80, 112)
    assert 0 < (tiled - whole).abs().max() < 0.5


@pytest.mark.parametrize("kind", ["exact", "reference"])
def test_a_number_of_frames_without_a_middle(kind: str) -> None:
    with pytest.raises(ValueError) as caught:
        build_slot(random_tfdat(), CPU, "fp32", kind=kind)()(torch.rand(4, 3, 8, 8))
    assert str(caught.value) == "TFDAT looks at an odd number of frames, at least 3, passed 4"


def test_the_plan_counts_what_comes_before_the_network() -> None:
    config = TFDATConfig(scale=2)
    demand = planning.Demand(config, 1088, 1920, 2)
    maps = 4 * demand.map_bytes
    strip = 4 * 8 * 67 * 1920 * config.flow_base_ch // 4
    assert demand.device_bytes(Plan(8)) > maps + 6 * 6 * 1088 * 1920 + strip
