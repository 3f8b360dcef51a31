import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from vsfdat.plugin import repeats
from vsfdat.plugin.repeats import Repeats, Source, largest_block_difference

SIZE = (20, 30)


def source(value: float, number: int = 0, **changes: float) -> list[Source]:
    """Make the frames that a network looks at: one of noise around a value, some samples set to others."""
    plane = np.random.default_rng(0).random(SIZE, np.float32) * 0.1 + np.float32(value)
    for place, other in changes.items():
        plane[tuple(map(int, place.removeprefix("at_").split("_")))] = other
    return [Source(number, [plane], (0, 1))]


def picture() -> vs.VideoFrame:
    return vs.core.create_video_frame(vs.core.get_video_format(vs.GRAYS), 60, 40)


@pytest.fixture
def made() -> list[vs.VideoFrame]:
    return []


@pytest.fixture
def make(made: list[vs.VideoFrame]) -> Callable[[], vs.VideoFrame]:
    return lambda: made.append(picture()) or made[-1]


def test_identical_frames_are_made_once(made: list[Any], make: Callable[[], Any]) -> None:
    seen = Repeats()
    first, is_repeat = seen.get(source(0.2), make)
    again, is_repeat_too = seen.get(source(0.2, number=7), make)
    assert (is_repeat, is_repeat_too, again is first, len(made)) == (False, True, True, 1)


@pytest.mark.parametrize("place", ["at_0_0", "at_19_29", "at_7_3"])
def test_one_sample_that_differs_in_its_last_bit_makes_another_picture(place: str, made, make) -> None:
    seen, plain = Repeats(), source(0.2)
    y, x = map(int, place.removeprefix("at_").split("_"))
    seen.get(plain, make)
    assert not seen.get(source(0.2, **{place: np.nextafter(plain[0].planes[0][y, x], np.float32(1))}), make)[1]
    assert len(made) == 2


def test_what_integers_mean_belongs_to_them(made, make) -> None:
    seen, plane = Repeats(), np.full(SIZE, 100, np.uint8)
    seen.get([Source(0, [plane], (0, 255))], make)
    assert not seen.get([Source(1, [plane.copy()], (16, 235))], make)[1]


def test_all_frames_around_have_to_be_the_same(make) -> None:
    seen = Repeats()
    seen.get(source(0.2) + source(0.4), make)
    assert not seen.get(source(0.2) + source(0.5), make)[1]
    assert seen.get(source(0.2) + source(0.4), make)[1]


def test_equal_frames_that_are_asked_for_at_once_are_joined(made: list[Any]) -> None:
    seen, begun, let_go = Repeats(), threading.Event(), threading.Event()

    def slowly() -> vs.VideoFrame:
        begun.set()
        assert let_go.wait(20)
        made.append(picture())
        return made[-1]

    got: list[tuple[vs.VideoFrame, bool]] = []
    threads = [threading.Thread(target=lambda: got.append(seen.get(source(0.2), slowly))) for _ in range(4)]
    threads[0].start()
    assert begun.wait(20)
    for thread in threads[1:]:
        thread.start()
    let_go.set()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert sorted(is_repeat for _, is_repeat in got) == [False, True, True, True]


def test_a_failure_is_everybodys_who_waited_and_is_tried_again(make) -> None:
    seen = Repeats()

    def fail() -> vs.VideoFrame:
        raise RuntimeError("no memory")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no memory"):
            seen.get(source(0.2), fail)
    assert not seen.get(source(0.2), make)[1]


def test_pictures_are_forgotten_by_memory_and_by_number(monkeypatch: pytest.MonkeyPatch, make) -> None:
    seen = Repeats()
    for value in range(20):
        seen.get(source(value), make)
    assert len(seen._made) == repeats._MOST
    monkeypatch.setattr(repeats, "_ROOM", 1)
    seen.get(source(30), make)
    assert len(seen._made) == 1
    assert seen.get(source(30), make)[1]


def test_a_tolerance_takes_what_a_codec_left_for_the_same_and_not_what_moved(make) -> None:
    seen, plain = Repeats(2.0), source(0.2)
    seen.get(plain, make)
    grain = [Source(1, [plain[0].planes[0] + np.float32(1.5 / 255)], (0, 1))]
    assert seen.get(grain, make)[1]
    moved = [Source(2, [plain[0].planes[0].copy()], (0, 1))]
    moved[0].planes[0][0:8, 8:16] += 4 / 255  # a mouth of one block
    assert not seen.get(moved, make)[1]


def test_blocks_at_the_edges_are_averaged_over_what_they_have() -> None:
    one = np.zeros((17, 9), np.uint8)
    other = one.copy()
    other[16, 8] = 3
    assert largest_block_difference(one, other) == 3


def test_many_threads_that_ask_at_the_same_moment_make_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    # Slowly, for others to look between looking and noting.
    monkeypatch.setattr(repeats, "Future", lambda: time.sleep(0.005) or Future())
    seen, together = Repeats(), threading.Barrier(8)
    made: list[vs.VideoFrame] = []

    def make() -> vs.VideoFrame:
        made.append(picture())
        return made[-1]

    def ask(value: float) -> None:
        together.wait(20)
        seen.get(source(value), make)

    for value in range(5):
        threads = [threading.Thread(target=ask, args=(value,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == value + 1
