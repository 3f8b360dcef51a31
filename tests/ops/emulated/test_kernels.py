"""The CUDA C++ kernels, run by the emulator: shapes, sizes, both precisions."""

import shutil

import pytest
import torch

from tests.engine.truth import Truth
from tests.fast_loop import parametrize
from tests.ops.emulated import emulating
from tests.ops.kernel_cases import (
    EPSILONS,
    FAINT,
    KERNELS,
    SHAPES,
    TOLERANCES,
    Case,
    CaseShape,
    ffn_weights,
    kernels_of,
)
from tests.random_weights import random_network
from vsfdat.arch import FDATConfig
from vsfdat.engine import runner
from vsfdat.engine.plan import Plan
from vsfdat.ops import Backend, cuda, reference
from vsfdat.ops.cuda import gpu

CPU = torch.device("cpu")
SMALL = CaseShape(channels=24, heads=2, hidden=40)
BIASED = CaseShape(channels=20, heads=2, hidden=36, qkv_bias=True)  # 4 channels beyond the last full vector
SIZES = [(1, 1), (7, 8), (8, 17), (19, 33)]

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")


def check(kernel: str, network: CaseShape, height: int, width: int, dtype: torch.dtype = torch.float16) -> None:
    case = Case(network, height, width, (0, height), dtype, CPU)
    with emulating():
        error = KERNELS[kernel](case, cuda).error
    assert error <= max(2 * KERNELS[kernel](case, reference).error, TOLERANCES[dtype])


@pytest.mark.slow
@parametrize("size", SIZES, quick=[(8, 17)])
@parametrize("network", [SMALL, BIASED], quick=[SMALL], ids=["small", "biased"])
@pytest.mark.parametrize("kernel", kernels_of(cuda))
def test_sizes(kernel, network, size):
    check(kernel, network, *size)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", kernels_of(cuda))
@pytest.mark.parametrize("preset", ["fdat_tiny", "fdat_light", "fdat_medium", "fdat_large"])
def test_presets(kernel, preset):
    check(kernel, SHAPES[preset], 9, 18)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", kernels_of(cuda))
def test_bf16(kernel):
    check(kernel, SMALL, 9, 18, torch.bfloat16)


@pytest.mark.parametrize("kernel", kernels_of(cuda))
def test_some_rows_alone(kernel):
    case = Case(SMALL, 24, 9, (8, 16), torch.float16, CPU)
    with emulating():
        outcome = KERNELS[kernel](case, cuda)
    assert outcome.untouched
    assert outcome.error <= TOLERANCES[torch.float16]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", kernels_of(cuda))
@pytest.mark.parametrize("eps", EPSILONS)
def test_layer_norm_has_the_networks_epsilon(kernel, eps):
    case = Case(SMALL, 8, 17, (0, 8), torch.float16, CPU, eps=eps, **FAINT)
    with emulating():
        error = KERNELS[kernel](case, cuda).error
    assert error <= max(2 * KERNELS[kernel](case, reference).error, TOLERANCES[torch.float16])


@pytest.mark.slow
@pytest.mark.parametrize("level", [12.0, 20.0, 50.0])
def test_features_that_are_all_the_same_stay_finite(level):
    """The mean of squares less the mean's square is then 0, but for rounding, which may go below."""
    x, out = torch.full((8, 16, 120), level, dtype=torch.float16), torch.empty(8, 16, 120, dtype=torch.float16)
    case = Case(SHAPES["fdat_medium"], 8, 16, (0, 8), torch.float16, CPU)
    expected = torch.empty_like(out)
    reference.ffn(x, expected, reference.pack_ffn(ffn_weights(case)), (0, 8))
    with emulating():
        cuda.ffn(x, out, cuda.pack_ffn(ffn_weights(case)), (0, 8))
    torch.testing.assert_close(out, expected, rtol=2e-3, atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "made"), [(3, 24), (12, 24), (24, 12), (24, 3), (24, 40)])
@pytest.mark.parametrize("residual", [False, True])
def test_convolutions_of_the_networks_ends(channels, made, residual):
    generator = torch.Generator().manual_seed(0)
    x, weight, bias, added = (
        torch.randn(size, generator=generator).half()
        for size in [(9, 18, channels), (made, channels, 3, 3), (made,), (9, 18, made)]
    )
    out = torch.full((9, 18, made), float("nan"), dtype=torch.float16)
    expected = torch.nn.functional.conv2d(x.double().permute(2, 0, 1)[None], weight.double(), bias.double(), padding=1)[
        0
    ].permute(1, 2, 0)
    with emulating():
        cuda.conv3x3(x, out, cuda.pack_conv(weight, bias), added if residual else None, (0, 9))
    expected = expected + added.double() if residual else expected
    assert (out.double() - expected).norm() / expected.norm() < TOLERANCES[torch.float16]


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [{}, {"unshuffle_mod": True}, {"upsampler_type": "pixelshuffledirect"}])
def test_a_whole_network(overrides):
    config = FDATConfig(embed_dim=24, num_groups=1, depth_per_group=1, num_heads=2, scale=2, mid_dim=16, **overrides)
    network, frame = random_network(config), torch.rand(3, 13, 22, generator=torch.Generator().manual_seed(1))
    truth = Truth(network, frame, torch.float16)
    with emulating():
        engine = runner.build(
            network, CPU, torch.float16, backend=Backend("cuda", cuda, cuts_itself=True), plan=Plan(64)
        )
        truth.check(engine()(frame))


@pytest.mark.slow
@parametrize(
    ("left", "right"),
    [((1, 1), (1, 1)), ((24, 25), (25, 7)), ((3, 8, 25), (25, 25)), ((3, 8, 33), (3, 33, 17))],
    quick=[((3, 8, 33), (3, 33, 17))],
)
def test_products_of_small_matrices_are_torchs(left, right):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, dtype=torch.float64, generator=generator) for size in (left, right))
    with emulating():
        torch.testing.assert_close(cuda.product(a, b), a @ b, rtol=1e-13, atol=1e-13)
        turned = cuda.product(a.mT.contiguous().mT, b.mT.contiguous().mT)  # any strides
        torch.testing.assert_close(turned, a @ b, rtol=1e-13, atol=1e-13)
    with pytest.raises(ValueError, match=r"takes float64, passed torch\.float64 and torch\.float32"):
        cuda.product(a, b.float())


@pytest.mark.slow
def test_a_gpu_with_little_shared_memory_gets_one_tap_at_a_time(monkeypatch):
    monkeypatch.setattr(gpu, "most_bytes", lambda device: 8 << 10)
    check("conv3x3", SMALL, 9, 18)


def test_maps_that_are_no_blocks_of_memory_are_refused():
    case = Case(SMALL, 8, 8, (0, 8), torch.float16, CPU, padding=1)
    with emulating(), pytest.raises(ValueError, match="the CUDA kernels take contiguous maps, passed strides"):
        KERNELS["ffn"](case, cuda)
