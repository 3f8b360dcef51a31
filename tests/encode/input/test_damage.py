"""Damaged frames are counted and said."""

from pathlib import Path

import pytest

from tests.encode.clips import Recipe, make_video
from tests.encode.damaged import spoil
from vsfdat.encode import Settings, upscale_file
from vsfdat.options import UpscaleOptions

GOP = Recipe(size=(96, 64), options={"g": "5", "bf": "0", "crf": "1"})


@pytest.fixture
def upscaled(tmp_path: Path, model: Path, caplog):
    """Spoil packets of a film's video, upscale it, and give what is said."""

    def run(spoilt: tuple[int, ...], **settings: float) -> list[str]:
        path = spoil(make_video(tmp_path / "film.mkv", GOP), *spoilt)
        upscale_file(path, tmp_path / "o.mp4", Settings(upscale=UpscaleOptions(model=model, device="cpu"), **settings))
        # BestSource refuses damaged frames at random, which is said too.
        messages = [message for message in caplog.messages if "BestSource gives up" not in message]
        return [message.removeprefix(str(tmp_path)) for message in messages]

    return run


@pytest.mark.slow
def test_damaged_frames_are_counted(upscaled) -> None:
    assert upscaled((8, 13, 14)) == [
        "/film.mkv: 3 frames are damaged, the first at 0.32 s; what could not be mended looks broken, or is missing."
    ]


@pytest.mark.slow
def test_one_is_one(upscaled) -> None:
    assert upscaled((8,)) == [
        "/film.mkv: 1 frame is damaged, the first at 0.32 s; what could not be mended looks broken, or is missing."
    ]


@pytest.mark.slow
def test_whole_films_are_not_damaged(upscaled) -> None:
    assert upscaled(()) == []


def test_only_the_cuts_own_damage_is_told(upscaled) -> None:
    assert upscaled((3, 13, 18), start=0.4, end=0.6) == [
        "/film.mkv: 1 frame is damaged, the first at 0.52 s; what could not be mended looks broken, or is missing."
    ]
