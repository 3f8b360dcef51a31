"""Matrices of any shape as one kind: a row of them."""

from torch import Tensor


def as_batches(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Prepare a product [..., M, K] · [..., K, N], at most one dimension before the last two.

    Returns:
        The operands as views [Z, M, K] and [Z, K, N], Z being 1 where neither has that dimension; and an empty result
        [..., M, N], contiguous.
    """
    batch = max(a.shape[:-2], b.shape[:-2], key=len)
    out = a.new_empty(*batch, a.shape[-2], b.shape[-1])
    a, b = (each.expand(*batch, *each.shape[-2:]).view(-1, *each.shape[-2:]) for each in (a, b))
    return a, b, out
