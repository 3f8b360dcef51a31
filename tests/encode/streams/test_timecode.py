from fractions import Fraction

import pytest

from vsfdat.encode.streams.timecode import shift_timecode

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("timecode", "frames", "rate", "shifted"),
    [
        ("10:20:30:05", 0, Fraction(25), "10:20:30:05"),
        ("10:20:30:05", 20, Fraction(25), "10:20:31:00"),
        ("23:59:59:23", 1, Fraction(24000, 1001), "00:00:00:00"),
        ("00:00:59;29", 1, NTSC, "00:01:00;02"),
        ("00:09:59;29", 1, NTSC, "00:10:00;00"),
        ("23:59:59;29", 1, NTSC, "00:00:00;00"),
        ("00:00:59;59", 1, 2 * NTSC, "00:01:00;04"),
        ("00:00:59:29", 1, NTSC, "00:01:00:00"),
        ("10:20:30:25", 0, Fraction(25), None),
        ("10:20:30;05", 0, Fraction(25), None),
        ("tape 3", 0, Fraction(25), None),
    ],
)
def test_frames_are_counted_as_clocks_do(timecode: str, frames: int, rate: Fraction, shifted: str | None) -> None:
    assert shift_timecode(timecode, frames, rate) == shifted


def test_no_number_is_given_twice() -> None:
    minutes = [shift_timecode("00:00:00;00", frames, NTSC) for frames in range(17982)]  # ten, of SMPTE 12M
    assert len(set(minutes)) == len(minutes)
    assert (minutes[-1], shift_timecode("00:00:00;00", len(minutes), NTSC)) == ("00:09:59;29", "00:10:00;00")
