"""Which pictures a film has, by the groups of its fields, and when each is shown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .cadence import Group
from .measure import Measures

Kind = Literal["whole", "joined", "film", "video"]

# Fields that a picture of film is shown for, on average.
_FILM_STEP = 2.5

# Levels of combing that are plainly seen, and its part of the combing with the fields beside.
_COMBED = 4.5
_NO_BETTER = 0.7


@dataclass(frozen=True)
class Shown:
    """A picture: fields `field` and `field` + 1 woven, or where that `combs` one that is made of `field` alone.

    `start` is when it is shown, in fields from the beginning. Of kinds, whole pictures are the two fields of a frame,
    joined ones of two frames, film was spread over two and three fields, and video has a moment for each field.
    """

    field: int
    start: float
    kind: Kind
    combs: bool = False


def list_pictures(groups: Sequence[Group], measures: Measures) -> list[Shown]:
    """List the pictures; of video one for each frame. A single field of film is left out, as cuts leave it.

    Args:
        groups: Of all fields.
        measures: Of them.
    """
    found: list[Shown] = []
    since: int | None = None
    alone = _alone(groups)
    for run in _runs(groups):
        for group, start in zip(run, _starts(run), strict=True):
            picture = _picture(group, start, alone, measures)
            if picture is not None:
                found.append(picture if since is None else replace(picture, start=since))
                since = None
            elif not alone.get(group.start - 1, False) and _is_of_next(group.start, measures):
                since = group.start if since is None else since
    return [replace(found[0], start=0.0), *found[1:]] if found else []


def _runs(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Yield the groups between which a cadence goes on."""
    run: list[Group] = []
    for group in groups:
        if run and not group.goes_on:
            yield run
            run = []
        run.append(group)
    yield run


def _starts(run: Sequence[Group]) -> list[float]:
    """Say when each group of a run is shown: film as evenly as it was before."""
    starts = [float(group.start) for group in run]
    if not run[0].is_film or len(run) < 3:
        return starts
    # The first group and the last may lack fields.
    begin = max(start - _FILM_STEP * number for number, start in enumerate(starts[1:-1], 1))
    even = [begin + _FILM_STEP * number for number in range(len(run))]
    return [max(starts[0], min(even[0], starts[1])), *even[1:-1], max(even[-1], starts[-1])]


def _alone(groups: Sequence[Group]) -> dict[int, bool]:
    """List the single fields, and whether each is of video."""
    return {group.start: group.is_video for group in groups if group.fields == 1}


def _picture(group: Group, start: float, alone: Mapping[int, bool], measures: Measures) -> Shown | None:
    if group.fields < 2:
        # A frame of video, where its end may be taken for a piece of something else.
        following = alone.get(group.start + 1)
        is_frame = group.start % 2 == 0 and following is not None and (group.is_video or following)
        return Shown(group.start, start, "video", combs=True) if is_frame else None
    # Of three fields the two that came in one frame, which are the source's own picture.
    field = group.start + (group.fields > 2 and group.start % 2)
    kind: Kind = "film" if group.is_film else "joined" if group.start % 2 else "whole"
    return Shown(field, start, kind, combs=_combs(field, measures))


def _combs(field: int, measures: Measures) -> bool:
    """Tell whether two fields are not of one moment after all: plainly, and no less than with those beside them."""
    combing = measures.combing
    beside = max(combing[max(field - 1, 0)], combing[min(field + 1, len(combing) - 1)])
    return bool(combing[field] > _COMBED and combing[field] > _NO_BETTER * beside)


def _is_of_next(field: int, measures: Measures) -> bool:
    """Tell whether a field that is left over belongs to the scene that comes, and not to the one that was."""
    change = measures.change
    if field < 2 or field >= len(change):
        return field < 2
    return bool(change[field] < change[field - 2])
