from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.encode.clips import Recipe, decode, make_video
from tests.encode.streams.films import remake
from tests.fast_loop import parametrize

Disposition = av.stream.Disposition


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("plain") / "plain.mkv", Recipe())


def video_of(path: Path) -> tuple[dict[str, str], Any]:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        return {key.lower(): value for key, value in video.metadata.items()}, video.disposition


@parametrize(("ending", "title"), [(".mkv", "title"), (".mp4", "name"), (".mov", "name")], quick=[(".mkv", "title")])
def test_the_video_track_keeps_its_names(tmp_path: Path, plain: Path, upscale, ending: str, title: str) -> None:
    def edit(output, streams):
        streams[0].metadata.update(title="Main video", language="jpn", BPS="1000", ENCODER="old")
        streams[0].disposition = Disposition.default | Disposition.original

    tags, disposition = video_of(upscale(remake(plain, tmp_path / "film.mkv", edit), ending))
    assert (tags[title], tags["language"]) == ("Main video", "jpn")
    assert "bps" not in tags
    assert tags.get("encoder") != "old"
    expected = Disposition.default | Disposition.original if ending == ".mkv" else Disposition.default
    assert disposition == expected


def test_titles_of_mp4_are_titles_in_matroska(tmp_path: Path, plain: Path, upscale) -> None:
    path = remake(plain, tmp_path / "film.mp4", lambda _, streams: streams[0].metadata.update(title="Main video"))
    assert video_of(upscale(path, ".mkv"))[0]["title"] == "Main video"


def test_a_track_that_is_not_the_default_stays_so(tmp_path: Path, plain: Path, upscale) -> None:
    path = remake(plain, tmp_path / "film.mkv", lambda _, streams: setattr(streams[0], "disposition", 0))
    assert video_of(upscale(path, ".mkv"))[1] == 0


@parametrize("ending", [".mkv", ".mp4", ".mov"], quick=[".mp4"])
def test_the_timecode_counts_from_the_cut(tmp_path: Path, plain: Path, upscale, ending: str) -> None:
    path = remake(plain, tmp_path / "film.mkv", lambda output, _: output.metadata.update(timecode="10:20:30:05"))
    whole = upscale(path, ending).rename(tmp_path / f"whole{ending}")
    assert video_of(whole)[0]["timecode"] == "10:20:30:05"
    assert video_of(upscale(whole, ending, start=0.4))[0]["timecode"] == "10:20:30:15"


def test_a_timecode_that_makes_no_sense_is_said_to_be_lost(tmp_path: Path, plain: Path, upscale, caplog) -> None:
    path = remake(plain, tmp_path / "film.mkv", lambda output, _: output.metadata.update(timecode="10:20:30;05"))
    assert "timecode" not in video_of(upscale(path, ".mp4"))[0]
    assert caplog.messages == ["The timecode 10:20:30;05 makes no sense at 25.000 frames a second and is left out."]


@pytest.mark.slow
@parametrize("stereo", ["left_right", "top_bottom"], quick=["top_bottom"])
def test_a_3d_film_says_so_in_every_output(tmp_path: Path, plain: Path, upscale, stereo: str, caplog) -> None:
    path = remake(plain, tmp_path / "film.mkv", lambda _, streams: streams[0].metadata.update(stereo_mode=stereo))
    assert video_of(upscale(path, ".mkv"))[0]["stereo_mode"] == stereo
    mp4 = upscale(path, ".mp4").rename(tmp_path / "film.mp4")
    layouts = {kind.name: bytes(data) for kind, data in decode(mp4)[0].side_data.items()}["STEREO3D"]
    assert layouts[0] == {"left_right": 1, "top_bottom": 2}[stereo]  # as FFmpeg numbers them
    assert video_of(upscale(mp4, ".mkv", overwrite=True))[0]["stereo_mode"] == stereo
    assert caplog.messages == []


@pytest.mark.slow
def test_phones_tags_are_kept(tmp_path: Path, plain: Path, upscale, caplog) -> None:
    tags = {"com.apple.quicktime.make": "Apple", "creation_time": "2021-05-04T03:02:01.000000Z", "title": "Holiday"}
    path = remake(
        plain, tmp_path / "phone.mov", lambda output, _: output.metadata.update(tags), movflags="use_metadata_tags"
    )
    for ending in (".mov", ".mp4", ".mkv"):
        with av.open(str(upscale(path, ending))) as container:
            found = {key.lower(): value.partition(";")[0] for key, value in container.metadata.items()}
            assert found.items() >= tags.items()
    assert caplog.messages == []


def test_tags_that_itunes_knows_are_kept_as_itunes_does(tmp_path: Path, plain: Path, upscale) -> None:
    path = remake(plain, tmp_path / "film.mkv", lambda output, _: output.metadata.update(title="A film", ARTIST="Me"))
    output = upscale(path, ".mp4")
    with av.open(str(output)) as container:
        assert (container.metadata["title"], container.metadata["artist"]) == ("A film", "Me")
    assert b"\xa9nam" in output.read_bytes()


def test_a_rate_that_varies_keeps_a_plain_timecode(tmp_path: Path, upscale) -> None:
    ticks = [0, 512, 1200, 1300, 2000, 2100, 4000]
    plain = make_video(tmp_path / "varying.mp4", Recipe(pts=ticks, time_base=Fraction(1, 12800)))
    path = remake(plain, tmp_path / "film.mkv", lambda output, _: output.metadata.update(timecode="10:20:30:05"))
    assert video_of(upscale(path, ".mov"))[0]["timecode"] == "10:20:30:05"
