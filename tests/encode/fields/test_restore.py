"""Fields of films of every kind: what they were before they were fields comes back, at its own times."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from tests.encode.fields.films import (
    RATE,
    Field,
    Planes,
    draw,
    expected,
    name_first,
    recognise,
    spread,
    weave,
    write,
)
from vsfdat.encode.fields import restore
from vsfdat.encode.fields import restore as restore_module
from vsfdat.encode.input.source import Source, open_source
from vsfdat.errors import EncodeError

PICTURES = draw(48)
TWOS = [picture for picture in draw(24, still=range(8, 14)) for _ in (0, 1)]
PULLDOWN = (2, 3)
NTSC_FILM = Fraction(24000, 1001)


def scenes(*parts: tuple[int, int, int]) -> list[Field]:
    """Join scenes of pulldown, each cut from its pictures [start, stop) after it had dropped so many fields."""
    return [field for start, stop, drop in parts for field in spread(range(start, stop), "film", PULLDOWN, drop)]


FILMS = {
    "film": spread(range(48), "film", PULLDOWN),
    "film that begins anywhere": spread(range(48), "film", PULLDOWN, drop=3),
    "film by 2:3:3:2": spread(range(48), "film", (2, 3, 3, 2), drop=1),
    "video": spread(range(48), "video", (1,)),
    "whole": spread(range(24), "whole", (2,)),
    "a field late": spread(range(24), "joined", (2,), drop=1),
    "cuts": scenes((0, 13, 0), (30, 43, 1), (10, 24, 2), (40, 48, 3), (0, 11, 4)),
    "hybrid": [
        *spread(range(24), "film", PULLDOWN),
        *spread(range(24, 48), "video", (1,)),
        *spread(range(12), "whole", (2,)),
        *spread(range(12, 36), "film", PULLDOWN, drop=3),
    ],
}


def make(path: Path, fields: Sequence[Field], order: str = "tff", pictures: Sequence[Planes] = PICTURES, **how) -> Path:
    return write(path, weave(pictures, fields, is_top_first=how.pop("top", order == "tff")), order, **how)


def look(source: Source, pictures: Sequence[Planes] = PICTURES, *, is_top_first: bool = True) -> list[tuple[str, int]]:
    return [recognise(frame, pictures, is_top_first=is_top_first) for frame in source.clip.frames(close=True)]


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("name", FILMS)
def test_what_was_a_picture_is_one_again_to_the_bit(name: str, order: str, tmp_path: Path) -> None:
    source = restore(open_source(make(tmp_path / "film.mkv", FILMS[name], order)), "auto")
    is_top_first = order == "tff"
    wanted = expected(FILMS[name])
    assert len(source.pts) == source.clip.num_frames == len(wanted)
    assert sorted(look(source, is_top_first=is_top_first)) == sorted(
        name_first(wanted, PICTURES, is_top_first=is_top_first)
    )
    assert {frame.props["_FieldBased"] for frame in source.clip.frames(close=True)} == {vs.FIELD_PROGRESSIVE}
    assert all(later > earlier for earlier, later in itertools.pairwise([*source.pts, source.end]))
