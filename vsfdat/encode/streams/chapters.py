"""Chapters of a part of a film."""

from fractions import Fraction
from typing import Any


def cut_chapters(chapters: list[dict[str, Any]], begin: Fraction, end: Fraction) -> list[dict[str, Any]]:
    """Keep what of the chapters lies within [begin, end), and count from its beginning.

    Args:
        chapters: As PyAV gives them.
        begin: In seconds.
        end: In seconds.
    """
    kept = []
    for chapter in chapters:
        first, last = (Fraction(tick) / tick_rate for tick, tick_rate in _ticks(chapter))
        if first < end and (last > begin or first >= begin):
            kept.append(chapter | _times(chapter, max(first, begin) - begin, min(last, end) - begin))
    return kept


def _ticks(chapter: dict[str, Any]) -> list[tuple[int, Fraction]]:
    return [(chapter[name], 1 / Fraction(chapter["time_base"])) for name in ("start", "end")]


def _times(chapter: dict[str, Any], start: Fraction, end: Fraction) -> dict[str, int]:
    time_base = Fraction(chapter["time_base"])
    return {"start": round(start / time_base), "end": round(end / time_base)}
