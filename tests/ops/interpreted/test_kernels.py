"""Every kernel through Triton's interpreter, against plain float64."""

from dataclasses import replace

import pytest
import torch

from tests.ops.kernel_cases import EPSILONS, FAINT, KERNELS, SHAPES, TOLERANCES, Case, CaseShape, kernels_of
from vsfdat.ops import triton as ops

CPU = torch.device("cpu")
SMALL = CaseShape(channels=24, heads=2, hidden=40)
THIN = {
    "spatial_reduce": (1, 130), "spatial_apply": (63, 1), "channel_reduce": (130, 1), "channel_apply": (1, 63),
    "ffn": (63, 1), "conv3x3": (1, 130),
}  # fmt: skip


def check(kernel: str, case: Case) -> None:
    outcome = KERNELS[kernel](case, ops)
    assert outcome.error <= TOLERANCES[case.dtype]
    assert outcome.untouched, "wrote rows that it was not asked for"


@pytest.mark.parametrize("kernel", kernels_of(ops))
@pytest.mark.parametrize("size", [(1, 1), (7, 8), None], ids=["1x1", "7x8", "thin"])
def test_is_the_plain_formula_at_any_size(kernel, size):
    height, width = size or THIN[kernel]
    check(kernel, Case(SMALL, height, width, (0, height), torch.float32, CPU, padding=3))


@pytest.mark.parametrize("kernel", kernels_of(ops))
def test_writes_only_the_rows_asked_for_and_reads_beyond_them(kernel):
    check(kernel, Case(SMALL, 20, 6, (8, 16), torch.float32, CPU))
    check(kernel, Case(SMALL, 20, 6, (16, 20), torch.float32, CPU))


@pytest.mark.parametrize("kernel", kernels_of(ops))
def test_holds_in_half_precision(kernel):
    check(kernel, Case(SMALL, 9, 10, (0, 9), torch.float16, CPU))


@pytest.mark.parametrize("kernel", kernels_of(ops))
@pytest.mark.parametrize("eps", EPSILONS)
def test_layer_norm_has_the_networks_epsilon(kernel, eps):
    check(kernel, Case(SMALL, 9, 10, (0, 9), torch.float32, CPU, eps=eps, **FAINT))


@pytest.mark.parametrize("kernel", kernels_of(ops))
def test_holds_at_fdat_larges_shape(kernel):
    check(kernel, Case(SHAPES["fdat_large"], 5, 9, (0, 5), torch.float32, CPU))


@pytest.mark.parametrize("kernel", ["spatial_reduce", "channel_reduce"])
def test_sums_run_over_many_programs(kernel):
    check(kernel, Case(SMALL, 33, 3, (0, 33), torch.float32, CPU))


@pytest.mark.parametrize("window", [1, 7])
def test_attention_takes_any_window_and_a_qkv_bias(window):
    check("spatial_apply", Case(replace(SMALL, window=window, qkv_bias=True), 2, 3, (0, 2), torch.float32, CPU))
