"""Ops on maps in host memory: the same results, and no more on the device than the rows need."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.ops.kernel_cases import KERNELS, TOLERANCES, Case, CaseShape
from vsfdat.engine.host_maps import on_host
from vsfdat.ops import reference

CPU = torch.device("cpu")
SHAPE = CaseShape(channels=24, heads=2, hidden=40)


class Watching:
    """The plain ops, and how many rows the maps have that they are called with."""

    def __init__(self) -> None:
        self.rows: set[int] = set()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            maps = [each for each in arguments if isinstance(each, Tensor) and each.ndim == 3]
            self.rows |= {len(each) for each in maps}
            return getattr(reference, name)(*arguments)

        return watched


class Packing:
    """Ops on the host whose weights are packed as `reference` packs them."""

    def __init__(self, ops: object) -> None:
        self._ops = on_host(ops, CPU, 8)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(reference if name.startswith("pack") else self._ops, name)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("rows", "travelled"), [((0, 8), 9), ((8, 16), 17), ((16, 24), 17), ((24, 27), 11), ((0, 27), 27)]
)
def test_each_op_makes_its_rows_from_the_rows_around_them(kernel: str, rows: tuple[int, int], travelled: int) -> None:
    case, watching = Case(SHAPE, 27, 9, rows, torch.float32, CPU), Watching()
    outcome = KERNELS[kernel](case, Packing(watching))
    assert outcome.error <= TOLERANCES[torch.float32]
    assert outcome.untouched
    assert watching.rows == {travelled}


def test_a_convolution_without_a_residual() -> None:
    x, weight, out = torch.rand(9, 4, 3), torch.rand(2, 3, 3, 3), torch.zeros(9, 4, 2)
    expected = torch.zeros_like(out)
    weights = reference.pack_conv(weight, None)
    reference.conv3x3(x, expected, weights, None, (0, 9))
    on_host(reference, CPU, 8).conv3x3(x, out, weights, None, (0, 9))
    torch.testing.assert_close(out, expected)


def test_what_has_no_rows_stays_as_it_is() -> None:
    assert on_host(reference, CPU, 8).product is reference.product
