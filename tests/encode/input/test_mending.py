"""Films that BestSource refuses to go on with."""

import functools
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from tests.encode.clips import Recipe, decode, make_video
from tests.encode.damaged import count_frames, spoil
from tests.fast_loop import parametrize
from vsfdat.encode import Settings, upscale_file
from vsfdat.encode.input import source
from vsfdat.encode.input.mending import Watched
from vsfdat.encode.input.source import open_source
from vsfdat.options import UpscaleOptions

FORMATS = (
    "yuv420p",
    "yuv422p",
    "yuv444p",
    "yuv420p10le",
    "yuv422p10le",
    "gray",
    "gray10le",
    "gbrp10le",
    "yuva420p",
    "bgr0",
)
LOSSLESS = Recipe(encoder="ffv1", options={"g": "5"})
REFUSED = "VideoSource: No frame returned for frame number {}. This may be due to an FFmpeg bug."


def refuse(clip: vs.VideoNode, first: int, last: int = 10**6) -> vs.VideoNode:
    """Have a clip do as BestSource does where a file is damaged."""

    def fail(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        if first <= n <= last:
            raise vs.Error(REFUSED.format(n))
        return f

    return clip.std.ModifyFrame(clip, fail)


@pytest.fixture
def refusing(monkeypatch):
    """Have BestSource refuse frames from the first given number to the last, of files opened from then on."""

    def change(*numbers: int) -> None:
        index_whole = source.index_frames

        def index_less(path: Path, *stream: object):
            clip, stamps = index_whole(path, *stream)
            return refuse(clip, *numbers), stamps

        monkeypatch.setattr(source, "index_frames", index_less)

    return change


def pixels(frame: vs.VideoFrame) -> list[np.ndarray]:
    return [np.array(frame[plane]) for plane in range(frame.format.num_planes)]


@pytest.mark.slow
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_ffmpegs_frames_are_bestsources_bit_by_bit(pixel_format: str, tmp_path: Path, refusing) -> None:
    path = make_video(
        tmp_path / "film.mkv", Recipe(encoder="ffv1", options={"g": "5"}, pixel_format=pixel_format, audio=None)
    )
    whole = open_source(path).clip
    refusing(3)
    mended = open_source(path)
    ask = mended.mending.watch(mended.clip).get_frame_async
    for n in (0, 4, 2, 19, 5, 3):
        with ask(n).result() as found, whole.get_frame(n) as wanted:
            assert found.format == wanted.format
            assert all(map(np.array_equal, pixels(found), pixels(wanted)))
            names = {"_Matrix", "_Primaries", "_Transfer", "_Range", "_ChromaLocation", "_SARNum", "_SARDen"}
            assert {k: v for k, v in found.props.items() if k in names} == {
                k: v for k, v in wanted.props.items() if k in names
            }


NAMES = ["film.mkv", "film.mp4", "film.ts", "film.mpg", "film.avi", "raw.h264"]


@pytest.mark.slow
@parametrize("name", NAMES, quick=["film.mkv"])
def test_whatever_is_refused_is_upscaled_all_the_same(name: str, tmp_path: Path, model: Path, refusing, caplog) -> None:
    encoder = {"film.mpg": "mpeg2video", "film.avi": "mpeg4"}.get(name, "libx264")
    audio = {"film.mpg": "mp2", "film.avi": "mp3", "raw.h264": None}.get(name, "aac")
    path = make_video(
        tmp_path / name,
        Recipe(
            pts=range(20),
            time_base=LOSSLESS.time_base * 512,
            encoder=encoder,
            audio=audio,
            options={"bf": "2", "b": "2000000"},
        ),
    )
    settings = Settings(codec="ffv1", upscale=UpscaleOptions(model=model, device="cpu"))
    upscale_file(path, tmp_path / "whole.mkv", settings)
    refusing(7, 15)
    caplog.clear()
    upscale_file(path, tmp_path / "mended.mkv", settings)
    pictures = [[frame.to_ndarray() for frame in decode(tmp_path / each)] for each in ("whole.mkv", "mended.mkv")]
    assert len(pictures[0]) == len(pictures[1]) == 20
    assert all(map(np.array_equal, *pictures))
    (said,) = [message for message in caplog.messages if "does not say" not in message]
    # Frames are under way side by side, and the first one that is refused need not be the first one of those.
    assert said in [
        f"{path}: BestSource gives up at frame {n}, as it does in damaged files; "
        "FFmpeg decodes the rest, in one thread."
        for n in range(7, 15)
    ]


def test_a_film_whose_first_frames_are_refused_begins_with_them(tmp_path: Path, model: Path, refusing) -> None:
    path = make_video(tmp_path / "film.mkv")
    refusing(0, 4)
    outcome = upscale_file(path, tmp_path / "o.mkv", Settings(upscale=UpscaleOptions(model=model, device="cpu")))
    assert outcome.frames == len(decode(tmp_path / "o.mkv")) == 20


def test_a_cut_goes_on_with_its_own_frames(tmp_path: Path, refusing) -> None:
    path = make_video(tmp_path / "film.mkv", LOSSLESS)
    whole = open_source(path).clip
    refusing(0)
    mended = source.cut(open_source(path), 0.2, 0.6)
    for n in range(10):
        with mended.mending.watch(mended.clip).get_frame_async(n).result() as found, whole.get_frame(n + 5) as wanted:
            assert np.array_equal(found[0], wanted[0])


def test_what_bestsource_takes_for_the_end_is_not(tmp_path: Path, monkeypatch, caplog) -> None:
    path = make_video(tmp_path / "film.mkv", LOSSLESS)
    whole = open_source(path).clip
    index_whole = source.index_frames

    def end_early(path: Path, *stream: object):
        clip, stamps = index_whole(path, *stream)
        return clip[:8], stamps[:8]

    monkeypatch.setattr(source, "index_frames", end_early)
    mended = open_source(path)
    assert len(mended.pts) == mended.clip.num_frames == 20
    assert mended.end == 800
    for n in (19, 7, 8):
        with mended.clip.get_frame(n) as found, whole.get_frame(n) as wanted:
            assert np.array_equal(found[0], wanted[0])
    assert caplog.messages == [
        f"{path}: BestSource takes the damage at 0.28 s for the end; FFmpeg decodes the rest, in one thread."
    ]


def test_a_packet_that_cannot_be_decoded_is_not_the_end(tmp_path: Path, model: Path) -> None:
    """As with AV1, of which BestSource gives nothing more after it when it decodes with several threads."""
    recipe = Recipe(size=(96, 64), encoder="libsvtav1", options={"preset": "10", "crf": "5"})
    path = spoil(make_video(tmp_path / "film.mkv", recipe), 6, 9)
    outcome = upscale_file(path, tmp_path / "o.mkv", Settings(upscale=UpscaleOptions(model=model, device="cpu")))
    assert outcome.frames >= count_frames(path) > 10


def test_other_errors_are_not_asked_again() -> None:
    asked = []

    class Clip:
        num_frames = 1

        def get_frame_async(self, n: int) -> Future[vs.VideoFrame]:
            asked.append(n)
            future: Future[vs.VideoFrame] = Future()
            future.set_exception(vs.Error("out of memory"))
            return future

    watched = Watched(Clip(), functools.partial(source.Mending._goes_on, object()))
    with pytest.raises(vs.Error, match="out of memory"):
        watched.get_frame_async(0).result()
    assert asked == [0]
