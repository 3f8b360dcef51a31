from fractions import Fraction

from vsfdat.encode.streams.chapters import cut_chapters

SECONDS = [("one", 0, 1), ("two", 1, 2), ("mark", 2, 2), ("three", 2, 4)]


def chapter(title: str, start: float, end: float) -> dict[str, object]:
    times = {"start": round(start * 1000), "end": round(end * 1000), "time_base": Fraction(1, 1000)}
    return times | {"id": 0, "metadata": {"title": title}}


def cut(begin: float, end: float) -> list[tuple[str, float, float]]:
    kept = cut_chapters([chapter(*each) for each in SECONDS], Fraction(begin), Fraction(end))
    return [(each["metadata"]["title"], each["start"] / 1000, each["end"] / 1000) for each in kept]


def test_chapters_are_clipped_to_a_part_and_count_from_its_beginning() -> None:
    assert cut(0, 4) == SECONDS
    assert cut(1.5, 3) == [("two", 0, 0.5), ("mark", 0.5, 0.5), ("three", 0.5, 1.5)]
    assert cut(0, 0.25) == [("one", 0, 0.25)]
    assert cut(1, 2) == [("two", 0, 1)]
    assert cut(5, 6) == []
