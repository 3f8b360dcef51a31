"""Timecode: what a camera or a tape calls the first frame, as 10:20:30:05, or 10:20:30;05 where numbers are dropped."""

import re
from fractions import Fraction

_FORM = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")
_MINUTES_A_DAY = 24 * 60


def shift_timecode(timecode: str, frames: int, rate: Fraction) -> str | None:
    """Name the frame that many frames after the one that a timecode names; None where it makes no sense at the rate.

    So that clocks of 29.97 frames a second keep up with the day, every minute but each tenth begins with number 2
    there (SMPTE 12M).

    Args:
        timecode: Hours, minutes, seconds and the number of the frame.
        frames: May be 0, and the timecode is only checked.
        rate: Frames a second.
    """
    found, whole = _FORM.fullmatch(timecode), round(rate)
    if found is None:
        return None
    hours, minutes, seconds, number = (int(found[part]) for part in (1, 2, 3, 5))
    drops = 2 * whole // 30 if found[4] != ":" else 0
    if number >= whole or (drops and whole % 30):
        return None
    minutes += 60 * hours
    count = (60 * minutes + seconds) * whole + number - drops * (minutes - minutes // 10) + frames
    return _write(count % _count_minutes(_MINUTES_A_DAY, whole, drops), whole, drops, found[4])


def _count_minutes(minutes: int, rate: int, drops: int) -> int:
    return 60 * rate * minutes - drops * (minutes - minutes // 10)


def _write(count: int, rate: int, drops: int, separator: str) -> str:
    tens, rest = divmod(count, _count_minutes(10, rate, drops))
    # The first of ten minutes is whole, the others lack the numbers that are dropped.
    minute = max(rest - drops, 0) // (60 * rate - drops)
    seconds, number = divmod(rest + drops * minute, rate)
    hours, minutes = divmod(10 * tens + minute, 60)
    return f"{hours:02}:{minutes:02}:{seconds - 60 * minute:02}{separator}{number:02}"
