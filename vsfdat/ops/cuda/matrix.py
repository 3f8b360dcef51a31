"""Small matrix products in float64, for what is folded anew for each frame.

cuBLAS would do, but it keeps up to 32 MiB for each thread and stream that ever called it, until the process ends.
"""

import torch
from torch import Tensor

from ..batches import as_batches
from . import build
from .sizes import SIDE

_SHARED_BYTES = 2 * 8 * SIDE**2


def product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices: [..., M, K] · [..., K, N] -> [..., M, N], float64, at most one dimension before the last two.

    Sums are in the same order on every call.

    Raises:
        ValueError: They are not float64.
    """
    if {a.dtype, b.dtype} != {torch.float64}:
        raise ValueError(f"the CUDA product takes float64, passed {a.dtype} and {b.dtype}")
    a, b, out = as_batches(a, b)
    (matrices, rows, inner), columns = a.shape, b.shape[2]
    tiles = -(-rows // SIDE) * -(-columns // SIDE)
    arguments: list[build.Argument] = [a, b, out, *a.stride(), *b.stride(), rows, inner, columns]
    build.load("matrix", (), a.device).launch("product", (tiles, matrices), SIDE**2, _SHARED_BYTES, arguments)
    return out
