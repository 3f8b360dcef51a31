"""Every kernel compiles to machine code for a GPU that is not here: what the interpreter cannot tell.

All generations, precisions and presets: python -m tests.bench.compile_matrix
"""

import pytest
import torch

from tests.fast_loop import parametrize
from tests.ops.kernel_cases import KERNELS, Case, CaseShape, kernels_of
from vsfdat.ops import triton as ops

pytest.importorskip("triton", reason="Triton is not installed: there are no kernels to compile")
HOPPER = (9, 0)
MULTIPLYING = set(KERNELS) - {"spatial_reduce"}


@pytest.mark.slow
@parametrize("kernel", kernels_of(ops), quick=["ffn", "spatial_reduce"])
def test_compiles_for_hopper(kernel):
    from tests.ops.ahead import compiling_for

    case = Case(CaseShape(64, 2, 64, window=8), 16, 16, (0, 16), torch.float16, torch.device("cpu"))
    with compiling_for(HOPPER) as compiled:
        KERNELS[kernel](case, ops)
    (result,) = compiled
    assert result.fits(HOPPER) >= 1
    assert result.stack <= 64, "registers spilled"
    assert result.warpgroup_mma == (kernel in MULTIPLYING)


def test_products_in_float64_compile_without_spills():
    from tests.ops.ahead import compiling_for

    a, b = torch.zeros(6, 30, 181, dtype=torch.float64), torch.zeros(181, 181, dtype=torch.float64)
    with compiling_for(HOPPER) as compiled:
        ops.product(a, b)
    (result,) = compiled
    assert result.stack == 0
    assert result.fits(HOPPER) >= 4
