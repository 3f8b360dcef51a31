import functools
from pathlib import Path

import pytest

from tests.encode.interrupts import stop_after
from tests.encode.streams.films import captions_in, make_captioned
from tests.encode.streams.test_captions import ALL
from vsfdat.encode import job
from vsfdat.encode.segments import plan_segments


@pytest.mark.slow
@pytest.mark.parametrize("name", ["film.mkv", "disc.mpg"])
def test_each_segment_has_its_own_captions(tmp_path: Path, upscale, monkeypatch, name: str) -> None:
    """Also where an interrupted job goes on in the middle."""
    monkeypatch.setattr(job, "plan_segments", functools.partial(plan_segments, usual=7))
    path = make_captioned(tmp_path / name, "libx264" if name == "film.mkv" else "mpeg2video", ALL)
    assert captions_in(upscale(path, ".mkv")) == ALL
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2)
        upscale(path, ".mp4")
    assert list(tmp_path.glob(".output.mp4.vsfdat/000001.nut"))
    assert captions_in(upscale(path, ".mp4")) == ALL
