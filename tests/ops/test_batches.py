import pytest
import torch

from vsfdat.ops.batches import as_batches


@pytest.mark.parametrize(
    ("left", "right", "matrices", "made"),
    [
        ((4, 5), (5, 6), 1, (4, 6)),
        ((3, 4, 5), (5, 6), 3, (3, 4, 6)),
        ((4, 5), (3, 5, 6), 3, (3, 4, 6)),
        ((3, 4, 5), (3, 5, 6), 3, (3, 4, 6)),
    ],
)
def test_either_side_may_be_many(
    left: tuple[int, ...], right: tuple[int, ...], matrices: int, made: tuple[int, ...]
) -> None:
    a, b, out = as_batches(torch.rand(left), torch.rand(right))
    assert (a.shape, b.shape) == ((matrices, *left[-2:]), (matrices, *right[-2:]))
    assert out.shape == made
    assert out.is_contiguous()


def test_operands_are_views() -> None:
    one, many = torch.rand(5, 4).T, torch.rand(3, 5, 6)
    a, b, _ = as_batches(one, many)
    assert {a.data_ptr(), b.data_ptr()} == {one.data_ptr(), many.data_ptr()}
    assert a.stride()[1:] == one.stride()
