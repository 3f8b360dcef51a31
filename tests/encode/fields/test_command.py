"""The whole command on a film of fields: sound, cuts and interrupts see the pictures that came out of it."""

import functools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests.encode.clips import decode, packets
from tests.encode.fields.films import Planes, draw, spread, weave, write
from tests.encode.interrupts import stop_after
from vsfdat import plugin
from vsfdat.encode import Settings, job, upscale_file
from vsfdat.encode.segments import plan_segments
from vsfdat.errors import EncodeError

PICTURES = draw(48)
FIELDS = spread(range(48), "film", (2, 3))
FILM = Fraction(24000, 1001)


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a telecined film, have it be of several segments, and the network be none."""

    def enlarge(clip, **_):
        return clip.resize.Point(clip.width * 2, clip.height * 2, format=vs.RGBS)

    monkeypatch.setattr(plugin, "upscale", enlarge)
    monkeypatch.setattr(job, "plan_segments", functools.partial(plan_segments, usual=10))
    return write(tmp_path / "film.avi", weave(PICTURES, FIELDS), codec="utvideo")


def assert_shows(path: Path, pictures: list[Planes]) -> None:
    """See which of the pictures each frame is nearest to, by way of RGB and of an encoder."""
    lumas = np.array([picture[0] for picture in PICTURES], int)
    found = [frame.to_ndarray(format="gray")[::2, ::2] for frame in decode(path)]
    nearest = [np.abs(lumas - luma).mean(axis=(1, 2)).argmin() for luma in found]
    wanted = [np.abs(lumas - picture[0]).mean(axis=(1, 2)).argmin() for picture in pictures]
    assert nearest == wanted


@pytest.mark.slow
def test_a_film_goes_on_where_it_was_and_is_whole(film: Path, tmp_path: Path, monkeypatch) -> None:
    output = tmp_path / "output.mkv"
    upscale_file(film, tmp_path / "whole.mkv", Settings(codec="ffv1"))
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2)
        assert not upscale_file(film, output, Settings(codec="ffv1")).is_whole
    with pytest.raises(EncodeError) as caught:
        upscale_file(film, output, Settings(codec="ffv1", deinterlace="ivtc"))
    assert "was begun otherwise (deinterlace auto then, ivtc now" in str(caught.value)
    assert upscale_file(film, output, Settings(codec="ffv1")).made < 48
    assert packets(output, "video") == packets(tmp_path / "whole.mkv", "video")
    assert_shows(output, PICTURES)
    with av.open(str(output)) as container:
        assert container.streams.video[0].average_rate == FILM


@pytest.mark.slow
def test_a_cut_begins_and_ends_with_its_own_pictures(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "output.mp4"
    upscale_file(film, output, Settings(codec="h264", start=0.5, end=1.25))
    first, stop = (-(-moment // (1 / FILM)) for moment in (Fraction(1, 2), Fraction(5, 4)))
    assert_shows(output, PICTURES[int(first) : int(stop)])
    times = [seconds for seconds, _ in packets(output, "video")]
    assert times == [n / FILM for n in range(int(stop - first))]
