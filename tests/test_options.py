import pytest

from vsfdat.options import Moment, UpscaleOptions


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1:30", 90), ("0:01:30.5", 90.5), ("1:00:00", 3600), ("0.25", 0.25)]
)
def test_moments_are_seconds_or_what_a_player_shows(text: str, seconds: float) -> None:
    assert Moment.read(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1:", "1:2:3:4", "-1", "inf", "nan"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be seconds or \[hours:\]minutes:seconds, passed '"):
        Moment.read(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tile": (0, 8)}, r"^tile must be \(width, height\) in pixels, both at least 1, passed \(0, 8\)$"),
        ({"overlap": -1}, r"^overlap must be at least 0 pixels, passed -1$"),
        ({"frames": 4}, r"^frames must be odd and at least 3, passed 4$"),
        ({"frames": 1}, r"^frames must be odd and at least 3, passed 1$"),
        ({"num_streams": True}, r"^num_streams must be at least 1, passed True$"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UpscaleOptions(**options)  # type: ignore[arg-type]
