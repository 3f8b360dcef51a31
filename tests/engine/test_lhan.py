"""LHAN through the exact engine, on every backend that a CPU has: the published pictures."""

import pytest
import torch

from tests.arch import published
from tests.arch.test_lhan import load
from tests.engine.truth import ALL_ROWS, best, build
from vsfdat.engine.plan import Plan
from vsfdat.ops import REFERENCE


@pytest.mark.slow
@pytest.mark.parametrize("name", published.names("lhan"))
def test_pictures_equal_the_published_ones_in_strips_too(name: str) -> None:
    fixture = published.read("lhan", name)
    for backend in (REFERENCE, best(torch.float32)):
        for rows in (8, ALL_ROWS):
            fixture.check(build(load(fixture), Plan(rows), backend)(fixture.given))
