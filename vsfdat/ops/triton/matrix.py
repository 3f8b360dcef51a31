"""Small matrix products in float64, for what is folded anew for each frame.

cuBLAS would do, but it keeps up to 32 MiB for each thread and stream that ever called it, until the process ends.
"""

import triton
import triton.language as tl
from torch import Tensor

from ..batches import as_batches
from .launch import on_device_of

_SIDE = 16


def product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices: [..., M, K] · [..., K, N] -> [..., M, N], at most one dimension before the last two.

    Sums are in the operands' own dtype, in the same order on every call.
    """
    a, b, out = as_batches(a, b)
    (matrices, rows, inner), columns = a.shape, b.shape[2]
    grid = (triton.cdiv(rows, _SIDE), triton.cdiv(columns, _SIDE), matrices)
    with on_device_of(a):
        _product[grid](
            a, *a.stride(), b, *b.stride(), out, rows, inner, columns, SIDE=_SIDE, num_warps=4,
            enable_fp_fusion=True,
        )  # fmt: skip
    return out


@triton.jit
def _product(
    a_ptr, a_stride_z, a_stride_m, a_stride_k, b_ptr, b_stride_z, b_stride_k, b_stride_n, out_ptr, rows,
    inner, columns, SIDE: tl.constexpr,
):  # fmt: skip
    z = tl.program_id(2)
    m = tl.program_id(0) * SIDE + tl.arange(0, SIDE)
    n = tl.program_id(1) * SIDE + tl.arange(0, SIDE)
    total = tl.zeros([SIDE, SIDE], out_ptr.dtype.element_ty)
    for first in range(0, inner, SIDE):
        k = first + tl.arange(0, SIDE)
        a = tl.load(
            a_ptr + z * a_stride_z + m[:, None] * a_stride_m + k[None, :] * a_stride_k,
            mask=(m < rows)[:, None] & (k < inner)[None, :], other=0.0,
        )  # fmt: skip
        b = tl.load(
            b_ptr + z * b_stride_z + k[:, None] * b_stride_k + n[None, :] * b_stride_n,
            mask=(k < inner)[:, None] & (n < columns)[None, :], other=0.0,
        )  # fmt: skip
        total += tl.sum(a[:, :, None] * b[None, :, :], 1)  # no matrix unit takes float64 everywhere
    targets = out_ptr + (z * rows + m[:, None]) * columns + n[None, :]
    tl.store(targets, total, mask=(m < rows)[:, None] & (n < columns)[None, :])
