"""The CUDA C++ kernels, run by `emulated`: shapes, sizes, both precisions; and compiled for GPUs that are not here."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

from tests.engine.test_runner import Truth
from tests.fast_loop import parametrize
from tests.ops.emulated import emulating
from tests.ops.kernel_cases import KERNELS, SHAPES, TOLERANCES, Case, ffn_weights
from tests.ops.kernel_cases import Shape as CaseShape
from tests.random_weights import random_network
from vsfdat.arch import FDATConfig
from vsfdat.engine import runner
from vsfdat.engine.plan import Plan
from vsfdat.ops import Backend, Shape, cuda, reference
from vsfdat.ops.cuda import build, shape

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
SMALL = CaseShape(channels=24, heads=2, hidden=40)
BIASED = CaseShape(channels=20, heads=2, hidden=36, qkv_bias=True)  # 4 channels beyond the last full vector
SIZES = [(1, 1), (7, 8), (8, 17), (19, 33)]

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")


def skip_without_nvrtc() -> None:
    try:
        build._nvrtc()
    except build.KernelError as error:
        pytest.skip(str(error))


def check(kernel: str, network: CaseShape, height: int, width: int, dtype: torch.dtype = torch.float16) -> None:
    case = Case(network, height, width, (0, height), dtype, CPU)
    with emulating():
        error = KERNELS[kernel](case, cuda).error
    assert error <= max(2 * KERNELS[kernel](case, reference).error, TOLERANCES[dtype])


@pytest.mark.parametrize("size", SIZES)
@parametrize("network", [SMALL, BIASED], quick=[SMALL], ids=["small", "biased"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_sizes(kernel, network, size):
    check(kernel, network, *size)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("preset", ["fdat_tiny", "fdat_light", "fdat_medium", "fdat_large"])
def test_presets(kernel, preset):
    check(kernel, SHAPES[preset], 9, 18)


@parametrize("kernel", KERNELS, quick=["ffn"])
def test_bf16(kernel):
    check(kernel, SMALL, 9, 18, torch.bfloat16)


@pytest.mark.parametrize("kernel", KERNELS)
def test_some_rows_alone(kernel):
    case = Case(SMALL, 24, 9, (8, 16), torch.float16, CPU)
    with emulating():
        outcome = KERNELS[kernel](case, cuda)
    assert outcome.untouched
    assert outcome.error <= TOLERANCES[torch.float16]


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


@parametrize(("channels", "made"), [(3, 24), (12, 24), (24, 12), (24, 3), (24, 40)], quick=[(3, 24), (24, 3)])
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


@pytest.mark.parametrize(
    ("left", "right"), [((1, 1), (1, 1)), ((24, 25), (25, 7)), ((3, 8, 25), (25, 25)), ((3, 8, 33), (3, 33, 17))]
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


def test_a_gpu_with_little_shared_memory_gets_one_tap_at_a_time(monkeypatch):
    monkeypatch.setattr(shape, "most_bytes", lambda device: 8 << 10)
    check("conv3x3", SMALL, 9, 18)


def test_maps_that_are_no_blocks_of_memory_are_refused():
    case = Case(SMALL, 8, 8, (0, 8), torch.float16, CPU, padding=1)
    with emulating(), pytest.raises(ValueError, match="the CUDA kernels take contiguous maps, passed strides"):
        KERNELS["ffn"](case, cuda)


@parametrize("capability", [(8, 0), (8, 9), (9, 0), (12, 0)], quick=[(9, 0)])
@pytest.mark.parametrize("source", ["ffn", "spatial", "channel", "conv", "matrix"])
def test_compiles(source, capability):
    skip_without_nvrtc()
    facts = {"C": 24, "D": 48, "D_STEP": 48, "HEADS": 2, "MADE": 24, "WARPS": 4, "STAGES": 2, "PROGRAMS": 2}
    assert build.cubin(source, facts, capability)[:4] == b"\x7fELF"
    assert build.cubin(source, facts | {"FDAT_BF16": 1}, capability)[:4] == b"\x7fELF"


def test_what_does_not_compile_is_said():
    skip_without_nvrtc()
    with pytest.raises(build.KernelError, match=r"ffn.cu with .* does not compile: .*identifier \"C\" is undefined"):
        build.cubin("ffn", {}, (8, 9))


MEDIUM, LARGE = Shape(120, 4, 240, 8), Shape(180, 6, 360, 8)


@pytest.mark.parametrize(
    ("network", "dtype", "capability", "kibibytes", "obstacle"),
    [
        (MEDIUM, torch.float16, (8, 9), 99, None),
        (LARGE, torch.float16, (8, 9), 99, "KiB of shared memory for 180 channels, cuda:0 has 99"),
        (MEDIUM, torch.float16, (8, 0), 163, None),
        (Shape(96, 3, 144, 8), torch.bfloat16, (8, 9), 99, None),
        (MEDIUM, torch.float32, (9, 0), 227, "they compute in half precision, not in torch.float32"),
        (MEDIUM, torch.float16, (7, 5), 64, "they need compute capability 8.0 or newer, cuda:0 has 7.5"),
        (Shape(120, 2, 240, 8), torch.float16, (9, 0), 227, "heads of at most 32 channels"),
        (Shape(120, 4, 240, 12), torch.float16, (9, 0), 227, "they are for windows of 8"),
    ],
)
def test_the_gpu_and_the_network_decide(monkeypatch, network, dtype, capability, kibibytes, obstacle):
    facts = SimpleNamespace(shared_memory_per_block_optin=kibibytes << 10)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: facts)
    monkeypatch.setattr(build, "program", lambda *_: None)
    found = cuda.why_not(GPU, dtype, network)
    assert found is None if obstacle is None else obstacle in found


def test_a_thread_that_has_not_used_cuda_yet_can_launch():
    case = Case(SMALL, 8, 8, (0, 8), torch.float16, CPU)
    with emulating(), ThreadPoolExecutor(1) as pool:
        KERNELS["ffn"](case, cuda)  # loads the module here
        assert pool.submit(KERNELS["ffn"], case, cuda).result().error <= TOLERANCES[torch.float16]


def test_an_error_of_the_driver_is_said():
    x = torch.zeros(1)
    with emulating():
        loaded = build.program("conv", (("C", 8), ("MADE", 8), ("WARPS", 8), ("STAGES", 1), ("PROGRAMS", 1)), CPU)
        with pytest.raises(build.KernelError, match="CUDA answered with error 500"):
            loaded.launch("ffn", (1, 1), 32, 0, [x])
        with pytest.raises(build.KernelError, match=r"CUDA answered with error 1$"):
            loaded.launch("conv3x3", (1, 1), 32, 1 << 20, [x])


def test_what_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(build.KernelError, match=r"NVRTC was not found, looked for .*libnvrtc\.so\.0"):
        build._nvrtc.__wrapped__()


def test_without_a_cuda_device_the_reason_is_said():
    assert cuda.why_not(CPU, torch.float16, MEDIUM) == "they are for CUDA devices, this is cpu"


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
def test_two_programs_fit_on_a_hopper_without_spilling_much(kernel):
    pytest.importorskip("triton", reason="Triton is not installed, which brings cuobjdump")
    skip_without_nvrtc()
    from tests.ops.ahead import cuda_compiling_for

    case = Case(SHAPES["fdat_medium"], 16, 32, (0, 16), torch.float16, CPU)
    with cuda_compiling_for((9, 0)) as compiled:
        KERNELS[kernel](case, cuda)
    (result,) = compiled
    assert result.fits((9, 0)) >= 2
    assert result.stack <= 64, "registers spilled"
