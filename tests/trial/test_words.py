import pytest

from vsfdat.trial.forecast import Forecast
from vsfdat.trial.words import say_bytes, say_duration, say_forecast, say_note, say_time


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00:00.0"), (62.55, "0:01:02.5"), (7325.96, "2:02:05.9")])
def test_a_moment_is_said_as_options_take_it(seconds: float, said: str) -> None:
    assert say_time(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (99, "99 s"), (150, "2 min"), (5900, "98 min"), (9000, "2 h 30 min"), (180000, "50 h 0 min"),
     (300000, "3 days 11 h")],
)  # fmt: skip
def test_a_duration_is_said_in_two_units_at_most(seconds: float, said: str) -> None:
    assert say_duration(seconds) == said


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 kB"), (274_400, "274 kB"), (2_345_678, "2.35 MB"), (3.1e9, "3.1 GB"), (2e12, "2e+03 GB")]
)
def test_a_size_is_said_in_three_digits(size: float, said: str) -> None:
    assert say_bytes(size) == said


def test_a_forecast_says_what_it_rests_on() -> None:
    expected = Forecast(240, 125, 3.21e6, network=0.5, other=0.02, repeats=0.25)
    assert say_forecast(expected, "sharp") == "All 240 frames by sharp: about 2 min and 3.21 MB"
    assert say_note(expected) == (
        "On this machine, where the network takes 0.5 s a frame, decoding and encoding 0.02 s; "
        "25% of the frames repeat earlier ones."
    )
