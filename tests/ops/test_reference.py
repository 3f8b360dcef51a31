"""The ops in plain torch against plain float64: what kernels are held against must hold itself."""

import pytest
import torch

from tests.ops.kernel_cases import KERNELS, TOLERANCES, Case, CaseShape
from vsfdat.ops import reference

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("rows", [(0, 19), (8, 16), (16, 19)])
@pytest.mark.parametrize("kernel", KERNELS)
def test_each_op_is_its_formula_and_writes_its_rows_alone(
    kernel: str, rows: tuple[int, int], dtype: torch.dtype
) -> None:
    shape = CaseShape(channels=24, heads=2, hidden=40, qkv_bias=True)
    outcome = KERNELS[kernel](Case(shape, 19, 11, rows, dtype, CPU), reference)
    assert outcome.error <= TOLERANCES[dtype]
    assert outcome.untouched
