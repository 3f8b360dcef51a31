import pytest

from vsfdat.encode.input.times import rise


@pytest.mark.parametrize(
    ("times", "mended"),
    [
        ([0, 10, 20, 30], [0, 10, 20, 30]),
        ([0, 7, 20, 100], [0, 7, 20, 100]),
        ([0, 10, 40, 50, 20, 60, 70], [0, 10, 40, 50, 55, 60, 70]),
        ([0, 10, 20, 10**9, 40, 50], [0, 10, 20, 30, 40, 50]),
        ([0, 10, -(10**9), 30, 40], [0, 10, 20, 30, 40]),
        ([10**9, 10, 20, 30], [0, 10, 20, 30]),
        ([0, 10, 20, 5], [0, 10, 20, 30]),
        ([0, 10, 20, 20, 40], [0, 10, 15, 20, 40]),
        ([7], [7]),
        ([0, None, None, 30, 40, None], [0, 10, 20, 30, 40, 50]),
        ([None, 10, 20, 30], [0, 10, 20, 30]),
        ([0, *[None] * 14, 150, 160], list(range(0, 170, 10))),
    ],
)
def test_times_rise_with_those_around_them(times, mended) -> None:
    assert rise(times) == mended


@pytest.mark.parametrize(
    "times",
    [
        [None, None, None],
        [7, None],
        [*range(0, 200, 10), *range(0, 200, 10)],
        [*range(100), *range(0, -20, -1), *range(200, 300)],
        [0, *[None] * 200, 2010],
        [0, 1, 1, 1, 2, 3],
    ],
    ids=["nothing known", "one", "joined", "many wrong", "many unknown", "no room between"],
)
def test_of_too_many_nothing_is_made_up(times) -> None:
    assert rise(times) is None


@pytest.mark.slow
def test_a_long_film_takes_no_time() -> None:
    times = [40 * n for n in range(200_000)]
    times[1000::1000] = [0] * len(times[1000::1000])
    assert rise(times) == [40 * n for n in range(200_000)]
