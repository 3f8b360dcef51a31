"""Small products in float64, against torch's."""

import pytest
import torch

from vsfdat.ops.triton import product


@pytest.mark.parametrize(
    ("left", "right"), [((1, 1), (1, 1)), ((24, 25), (25, 7)), ((3, 8, 25), (25, 25)), ((3, 8, 33), (3, 33, 17))]
)
def test_is_torchs_product(left, right):
    torch.manual_seed(0)
    a, b = (torch.randn(shape, dtype=torch.float64) for shape in (left, right))
    torch.testing.assert_close(product(a, b), a @ b, rtol=1e-13, atol=1e-13)


def test_takes_any_strides():
    torch.manual_seed(0)
    a, b = torch.randn(2, 30, 20, dtype=torch.float64).mT, torch.randn(5, 30, dtype=torch.float64).T
    torch.testing.assert_close(product(a, b), a @ b, rtol=1e-13, atol=1e-13)
