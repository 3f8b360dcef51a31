"""The size, the blend and the format that were asked for."""

from fractions import Fraction

import numpy as np
import pytest
import vapoursynth as vs

import vsfdat
from tests.stand_ins import Enlarger, picture_clip, pixels, tiny_fdat
from vsfdat.engine import slots
from vsfdat.plugin import clip as plugin

core = vs.core


@pytest.fixture(autouse=True)
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Have pixels repeated instead of upscaled, and note the sizes of what came."""
    seen: list[tuple[int, ...]] = []
    engine = Enlarger(lambda frame: seen.append(tuple(frame.shape[1:])))
    monkeypatch.setattr(slots, "build", lambda module, **_: lambda: engine)
    return seen


def clip(form: int = vs.RGBS, width: int = 32, height: int = 24, **props: int) -> vs.VideoNode:
    levels = 1 if core.get_video_format(form).sample_type == vs.FLOAT else 255
    noise = np.random.default_rng(0).random((3, height, width), np.float32)
    return picture_clip((noise * levels).astype(np.float32), form, **props)


def upscale(source: vs.VideoNode, **options: object) -> vs.VideoNode:
    return vsfdat.upscale(source, tiny_fdat(), device="cpu", **options)


@pytest.mark.parametrize(
    ("options", "size", "sizes"),
    [
        ({}, (64, 48), [(24, 32)]),
        ({"height": 48}, (64, 48), [(24, 32)]),
        ({"height": 36}, (48, 36), [(24, 32)]),
        ({"height": 24}, (32, 24), [(24, 32)]),
        ({"height": 49}, (66, 49), [(24, 32), (48, 64)]),
        ({"scale": 3}, (96, 72), [(24, 32), (48, 64)]),
        ({"scale": 4}, (128, 96), [(24, 32), (48, 64)]),
        ({"scale": 1.5}, (48, 36), [(24, 32)]),
        ({"scale": 0.5}, (16, 12), [(24, 32)]),
        ({"scale": 1.3}, (42, 32), [(24, 32)]),
    ],
)
def test_the_network_goes_over_the_picture_as_often_as_the_size_takes(options, size, sizes, passes) -> None:
    result = upscale(clip(), **options)
    with result.get_frame(0) as frame:
        assert (frame.width, frame.height) == (result.width, result.height) == size
    assert passes == sizes


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, (86, 48)), ({"height": 48}, (86, 48)), ({"height": 36}, (64, 36)), ({"scale": 1}, (42, 24))],
)
def test_pixels_are_made_square(options: dict[str, object], size: tuple[int, int], passes) -> None:
    source = clip(_SARNum=4, _SARDen=3)
    with upscale(source, square_pixels=True, **options).get_frame(0) as frame:
        assert (frame.width, frame.height) == size
        assert Fraction(frame.props["_SARNum"], frame.props["_SARDen"]) == 1
    assert len(passes) == 1


def test_pixels_stay_as_they_are_where_nobody_asks() -> None:
    with upscale(clip(_SARNum=4, _SARDen=3), height=36).get_frame(0) as frame:
        assert (frame.width, frame.props["_SARNum"]) == (48, 4)
    with upscale(clip(), square_pixels=True).get_frame(0) as frame:
        assert (frame.width, frame.height) == (64, 48)


@pytest.mark.parametrize("form", [vs.RGBS, vs.RGBH, vs.RGB24, vs.YUV420P8])
def test_strength_is_the_share_of_the_networks_picture(form: int) -> None:
    source = clip(form, _Matrix=0 if form != vs.YUV420P8 else 1)
    full, half, none = (pixels(upscale(source, strength=share).get_frame(0)) for share in (1, 0.25, 0))
    np.testing.assert_allclose(half, 0.25 * full + 0.75 * none, atol=1e-6 if form != vs.RGBH else 1e-3)
    rgb = plugin._prepare(source, core.get_video_format(vs.RGBS)).resize.Lanczos(64, 48, format=vs.RGBS)
    np.testing.assert_allclose(none, pixels(rgb.get_frame(0)), atol=1e-6 if form != vs.RGBH else 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("form", [vs.YUV420P8, vs.YUV444P10, vs.YUV422P16, vs.GRAY8, vs.RGB24, vs.YUV420PS])
def test_a_format_has_the_colours_of_the_source(form: int) -> None:
    """A flat picture stays what it was, through the network and back, by the source's own matrix and range."""
    wanted = core.get_video_format(form)
    for matrix, full in ((1, 0), (6, 1), (9, 0)):
        blank = core.std.BlankClip(width=32, height=24, format=vs.YUV444P16, length=1, color=[30000, 30000, 36000])
        source = blank.std.SetFrameProps(_Matrix=matrix, _Range=full)
        result = upscale(source, format=form)
        assert result.format.id == form
        range_out = 1 if wanted.color_family == vs.RGB else full
        with result.get_frame(0) as frame:
            if wanted.sample_type == vs.INTEGER:
                assert frame.props["_Range"] == range_out
            assert frame.props["_Matrix"] == (0 if wanted.color_family == vs.RGB else matrix)
            found = [float(np.asarray(frame[plane]).mean()) for plane in range(wanted.num_planes)]
        plain = source.resize.Point(
            format=form, matrix=None if wanted.color_family == vs.RGB else matrix, range=range_out
        )
        with plain.get_frame(0) as frame:
            expected = [float(np.asarray(frame[plane]).mean()) for plane in range(wanted.num_planes)]
        np.testing.assert_allclose(found, expected, rtol=0.01, atol=0.002)


def test_transparency_has_the_size_of_the_picture() -> None:
    alpha = core.std.BlankClip(width=32, height=24, format=vs.GRAY8, length=1, color=100).get_frame(0)
    source = clip()
    source = source.std.ModifyFrame(source, lambda n, f: with_alpha(f.copy(), alpha))
    with upscale(source, scale=1.5).get_frame(0) as frame:
        found = frame.props["_Alpha"]
        assert (found.width, found.height) == (48, 36)
        np.testing.assert_array_equal(np.asarray(found[0]), 100)


def with_alpha(frame: vs.VideoFrame, alpha: vs.VideoFrame) -> vs.VideoFrame:
    frame.props["_Alpha"] = alpha
    return frame


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"height": 48, "scale": 2}, "name a height or a scale, passed both: 48 and 2"),
        ({"height": 1}, "height must be at least 2 pixels, passed 1"),
        ({"scale": 0}, "scale must be above 0 and at most 64, passed 0"),
        ({"scale": 65}, "scale must be above 0 and at most 64, passed 65"),
        ({"strength": 1.5}, "strength must be from 0 to 1, passed 1.5"),
        ({"dedup": -1}, "dedup must be at least 0 and below 256 steps of 8 bits, passed -1"),
        ({"format": 7}, "format must be one of VapourSynth's, as in vs.YUV420P10, passed 7"),
        ({"format": vs.YUV420P8, "height": 31}, "format YUV420P8 needs even sizes, and pictures become 42x31"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(vs.Error) as caught:
        upscale(clip(), **options)
    assert str(caught.value) == f"vsfdat.upscale: {sentence}"
