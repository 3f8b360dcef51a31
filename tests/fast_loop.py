"""What runs while one works, `pytest -m "not slow"`: of many cases that take long, a few that stand for all."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def parametrize(
    names: str | tuple[str, ...], cases: Iterable[Any], *, quick: Collection[Any], ids: Any = None
) -> pytest.MarkDecorator:
    """Give a test its cases, as pytest's own `parametrize` does, and mark most of them as slow.

    Args:
        names: An argument of the test, or a tuple of several.
        cases: Values of the argument, or tuples of values.
        quick: Those of the cases that the fast loop runs too.
        ids: What to call the cases: names, or what makes a name of a value.
    """
    cases = list(cases)
    assert all(case in cases for case in quick), f"{quick} must be among {cases}"
    marked = [
        pytest.param(*([case] if isinstance(names, str) else case), marks=() if case in quick else pytest.mark.slow)
        for case in cases
    ]
    return pytest.mark.parametrize(names, marked, ids=ids)
