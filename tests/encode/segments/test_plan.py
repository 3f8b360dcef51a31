from hypothesis import given
from hypothesis import strategies as st

from vsfdat.encode.segments.plan import USUAL, Segment, plan_segments


def test_segments_have_the_usual_length() -> None:
    assert plan_segments(1250) == [Segment(0, 0, 500), Segment(1, 500, 1000), Segment(2, 1000, 1250)]


def test_a_short_film_is_one_segment() -> None:
    assert plan_segments(1) == [Segment(0, 0, 1)]


def test_a_short_rest_is_joined_to_the_segment_before() -> None:
    assert plan_segments(1249) == [Segment(0, 0, 500), Segment(1, 500, 1249)]


@given(frames=st.integers(1, 3000))
def test_segments_are_the_film_without_gaps(frames: int) -> None:
    segments = plan_segments(frames)
    assert [segment.number for segment in segments] == list(range(len(segments)))
    assert [n for segment in segments for n in range(segment.first, segment.stop)] == list(range(frames))
    assert all(segment.frames == USUAL for segment in segments[:-1])
    assert segments[-1].frames < 1.5 * USUAL
