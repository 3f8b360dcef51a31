"""Pictures that are to be turned or mirrored, and what their frames say of their sides."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests.encode.clips import Recipe, decode, make_video
from tests.encode.damaged import remux
from tests.fast_loop import parametrize
from vsfdat.encode import Settings, upscale_file
from vsfdat.encode.input.source import open_source
from vsfdat.encode.input.upright import turn_upright
from vsfdat.options import UpscaleOptions

LEFT, CENTER, TOP_LEFT, TOP, BOTTOM_LEFT, BOTTOM = range(6)


def stored(**props: int) -> vs.VideoNode:
    """Make a picture whose every pixel is another."""

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        np.asarray(frame[0])[:] = np.arange(6 * 4).reshape(4, 6)
        return frame

    blank = vs.core.std.BlankClip(width=6, height=4, format=vs.YUV420P8, length=1)
    return blank.std.ModifyFrame(blank, fill).std.SetFrameProps(**props)


@pytest.mark.parametrize("is_flipped", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_pictures_are_mirrored_then_turned_clockwise(rotation: int, is_flipped: bool) -> None:
    props = {"Rotation": rotation, "FlipVertical": int(is_flipped)}
    with turn_upright(stored(**props), props).get_frame(0) as frame:
        wanted = np.arange(6 * 4).reshape(4, 6)
        wanted = np.rot90(wanted[::-1] if is_flipped else wanted, -rotation // 90)
        assert np.array_equal(frame[0], wanted)
        assert "Rotation" not in frame.props


@pytest.mark.parametrize(
    ("rotation", "is_flipped", "stored_place", "place"),
    [
        (0, False, LEFT, LEFT), (90, False, LEFT, TOP), (270, False, LEFT, BOTTOM), (180, False, LEFT, CENTER),
        (0, True, TOP_LEFT, BOTTOM_LEFT), (90, False, CENTER, CENTER), (270, False, TOP_LEFT, BOTTOM_LEFT),
        (90, True, LEFT, TOP), (90, True, TOP_LEFT, TOP_LEFT), (90, False, TOP_LEFT, TOP), (0, True, LEFT, LEFT),
    ],
)  # fmt: skip
def test_chroma_and_the_pixels_sides_turn_too(rotation, is_flipped, stored_place, place) -> None:
    props = {"Rotation": rotation, "FlipVertical": int(is_flipped), "_SARNum": 16, "_SARDen": 15}
    props |= {"_ChromaLocation": stored_place}
    with turn_upright(stored(**props), props).get_frame(0) as frame:
        aspect = (15, 16) if rotation in (90, 270) else (16, 15)
        assert (frame.props["_SARNum"], frame.props["_SARDen"]) == aspect
        assert frame.props["_ChromaLocation"] == place


def test_other_angles_are_left_and_told(caplog) -> None:
    props = {"Rotation": 45}
    clip = turn_upright(stored(**props), props)
    assert (clip.width, clip.height) == (6, 4)
    assert caplog.messages == ["The file asks for pictures turned by 45 degrees; only quarter turns are done."]


@pytest.mark.slow
@parametrize("codec", ["h264", "av1"], quick=["h264"])
def test_an_anamorphic_film_that_was_held_upright_keeps_its_shape(codec: str, tmp_path: Path, model: Path) -> None:
    plain = make_video(tmp_path / "plain.mkv", Recipe(size=(96, 64), sample_aspect=Fraction(16, 15)))
    path = remux(plain, tmp_path / "film.mkv", dress=lambda video: video.set_display_rotation(90))
    settings = Settings(codec=codec, upscale=UpscaleOptions(model=model, device="cpu"))
    upscale_file(path, tmp_path / "o.mp4", settings)
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(15, 16)
    frame = decode(tmp_path / "o.mp4")[0]
    assert (frame.width, frame.height) == (128, 192)


def test_each_of_the_eight_ways_is_what_a_player_shows(tmp_path: Path) -> None:
    plain = make_video(tmp_path / "plain.mkv", Recipe(encoder="ffv1", options={}, pixel_format="gray"))
    with open_source(plain).clip.get_frame(0) as frame:
        picture = np.array(frame[0])
    for mirrored in (False, True):
        for turned in range(4):

            def dress(video, mirrored=mirrored, turned=turned):
                video.set_display_rotation(90 * turned, hflip=mirrored)

            path = remux(plain, tmp_path / "film.mkv", dress=dress)
            wanted = np.rot90(picture, turned)  # against the clock, as PyAV counts
            wanted = wanted[:, ::-1] if mirrored else wanted
            with open_source(path).clip.get_frame(0) as frame:
                assert np.array_equal(frame[0], wanted), (mirrored, turned)
