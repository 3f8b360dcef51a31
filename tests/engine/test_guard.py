import logging

import pytest
import torch
from torch import Tensor

from vsfdat.engine.guard import Guarded
from vsfdat.errors import NotFiniteError
from vsfdat.notices import Once


class Giving:
    """An engine that gives one value everywhere."""

    device = torch.device("cpu")
    scale = 1

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, frame: Tensor) -> Tensor:
        picture = frame.clone()
        picture[0, -1, -1] = self.value
        return picture


@pytest.fixture
def once() -> Once:
    return Once(logging.getLogger("test"))


FRAME = torch.full((3, 5, 7), 0.5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_low_precision_cannot_hold_is_run_again_and_said_once(
    value: float, once: Once, caplog: pytest.LogCaptureFixture
) -> None:
    built = []

    def full() -> Giving:
        built.append(1)
        return Giving(0.25)

    guarded = Guarded(Giving(value), full, once)
    with caplog.at_level(logging.WARNING):
        pictures = [guarded(FRAME) for _ in range(3)]
    assert all(picture[0, -1, -1] == 0.25 for picture in pictures)
    assert len(built) == 1  # the fp32 engine is built at the first need and kept
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().startswith("The network gave NaN or Inf in low precision;")


def test_a_finite_picture_passes_and_builds_nothing(once: Once) -> None:
    def full() -> Giving:
        raise AssertionError

    assert Guarded(Giving(-3), full, once)(FRAME)[0, -1, -1] == -3


@pytest.mark.parametrize("full", [None, lambda: Giving(float("nan"))], ids=["already fp32", "fp32 too"])
def test_still_not_finite_is_an_error(full, once: Once) -> None:
    with pytest.raises(NotFiniteError) as caught:
        Guarded(Giving(float("nan")), full, once)(FRAME)
    assert str(caught.value) == (
        "the network gave NaN or Inf in fp32, so its weights are damaged; use another model file"
    )


def test_nan_in_the_source_is_not_blamed_on_the_network(once: Once) -> None:
    frame = FRAME.clone()
    frame[1, 2, 3] = float("nan")
    with pytest.raises(NotFiniteError) as caught:
        Guarded(Giving(0), lambda: Giving(0), once)(frame)
    assert str(caught.value) == "the source frame holds NaN, repair it before upscaling"
