import pytest

from vsfdat.encode.progress import Whole


def test_time_left_is_of_what_this_run_does() -> None:
    now = [0.0]
    whole = Whole([10, 20, 70], clock=lambda: now[0])
    assert (whole.films, whole.film, whole.share, whole.seconds_left) == (3, 1, 0, None)
    whole.skip(0)
    assert (whole.share, whole.seconds_left) == (pytest.approx(0.1), None)
    whole.begin(1)
    whole.give(0.5)
    assert whole.share == pytest.approx(0.2)
    now[0] = 5
    whole.advance(1)
    assert whole.share == pytest.approx(0.3)
    assert whole.seconds_left == pytest.approx(35)  # a tenth took 5 s
    whole.begin(2)
    assert (whole.film, whole.share) == (3, pytest.approx(0.3))
