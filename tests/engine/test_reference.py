"""The plain module as an engine: what everything else is compared with."""

import pytest
import torch

from vsfdat.arch import FDAT
from vsfdat.engine import build

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny() -> FDAT:
    torch.manual_seed(0)
    return FDAT(scale=3, embed_dim=8, num_heads=2, num_groups=1, depth_per_group=1, mid_dim=8)


def test_the_reference_is_the_module_whole_frame(tiny: FDAT) -> None:
    frame = torch.rand(3, 13, 21)
    engine = build(tiny, device=CPU, precision="fp32", kind="reference")()
    with torch.inference_mode():
        expected = tiny.eval()(frame[None])[0]
    assert engine.scale == 3
    assert engine.device == CPU
    torch.testing.assert_close(engine(frame), expected, rtol=0, atol=0)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_is_close_and_gives_fp32(tiny: FDAT, precision: str) -> None:
    frame = torch.rand(3, 13, 21)
    full, low = (build(tiny, device=CPU, precision=name, kind="reference")()(frame) for name in ("fp32", precision))
    assert low.dtype == torch.float32
    assert 0 < (full - low).abs().max() < 0.02


def test_building_leaves_the_module_alone_and_slots_share_weights(tiny: FDAT) -> None:
    tiny.train()
    make = build(tiny, device=CPU, precision="bf16", kind="reference")
    first, second = make(), make()
    assert tiny.training
    assert next(tiny.parameters()).dtype == torch.float32
    assert first.module is second.module


def test_the_reference_can_be_compiled(tiny: FDAT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module, **_: lambda frame: 2 * module(frame))
    frame = torch.rand(3, 13, 21)
    plain, compiled = (
        build(tiny, device=CPU, precision="fp32", kind="reference", compile=choice)()(frame) for choice in (False, True)
    )
    torch.testing.assert_close(compiled, 2 * plain, rtol=0, atol=0)
