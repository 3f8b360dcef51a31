import logging
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests.encode.clips import Recipe, decode
from tests.stand_ins import picture_clip
from vsfdat import plugin
from vsfdat.encode.output.codecs import find_codec
from vsfdat.encode.output.picture import describe, settle_matrix, to_encoder
from vsfdat.errors import EncodeError

core = vs.core


def clip_of(form: int = vs.YUV420P10, **props: int) -> vs.VideoNode:
    return core.std.BlankClip(format=form, width=64, height=48, length=1).std.SetFrameProps(**{"_Matrix": 1} | props)


def prepared(size: tuple[int, int], codec: str) -> vs.VideoNode:
    """Upscale a picture whose every pixel is its own, by 1, and make it what an encoder takes."""
    source = clip_of(vs.YUV444P8)
    numbers = np.random.default_rng(0).random((3, size[1], size[0]), np.float32)
    chosen = find_codec(codec)
    return to_encoder(picture_clip(numbers, vs.RGBS), source.format, describe(source, chosen), chosen)


@pytest.mark.parametrize(
    ("props", "problem"),
    [
        ({"_Matrix": 10, "_Primaries": 9, "_Transfer": 16},
         "the YUV matrix is 10 (BT.2020 constant luminance), which needs the transfer of BT.709, BT.601 or BT.2020 "
         "(1, 6, 7, 14, 15), and primaries are 9 and transfer 16 (2: not said)"),
        ({"_Matrix": 14},
         "the YUV matrix is 14 (ICtCp), which needs BT.2020's primaries (9) and the transfer PQ or HLG (16, 18), and "
         "primaries are 2 and transfer 2 (2: not said)"),
        ({"_Matrix": 11}, "the YUV matrix is 11 (ST 2085), which VapourSynth does not know"),
    ],
    ids=str,
)  # fmt: skip
def test_a_matrix_that_cannot_be_undone_is_named_before_the_work(run, monkeypatch, props, problem) -> None:
    monkeypatch.setattr(plugin, "upscale", lambda clip, **_: pytest.fail("the work"))
    recipe = Recipe(
        matrix=2, primaries=props.get("_Primaries", 2), transfer=props.get("_Transfer", 2), encoder="libx264",
        options={"x264-params": f"colormatrix={ {10: 'bt2020c', 14: 'ICtCp', 11: 'smpte2085'}[props['_Matrix']] }"},
    )  # fmt: skip
    with pytest.raises(EncodeError) as caught:
        run(recipe)
    assert str(caught.value) == (
        f"{problem}; if the file holds something else, write that into it, as with ffmpeg -i IN -c copy -bsf:v "
        "hevc_metadata=matrix_coefficients=9 OUT (or h264_metadata, av1_metadata; colour_primaries, "
        "transfer_characteristics), else convert it to another matrix first"
    )


@pytest.mark.parametrize(
    ("matrix", "primaries", "transfer"), [(10, 9, 14), (12, 9, 14), (13, 9, 14), (14, 9, 16), (8, 1, 1), (4, 4, 4)]
)
def test_unusual_matrices_go_there_and_back(matrix: int, primaries: int, transfer: int) -> None:
    """The same numbers come out as went in, but for rounding and dither."""
    color, codec = [500, 480, 560], find_codec("hevc")
    source = core.std.BlankClip(format=vs.YUV420P10, width=64, height=48, length=1, color=color)
    source = source.std.SetFrameProps(_Matrix=matrix, _Primaries=primaries, _Transfer=transfer, _Range=0)
    picture = describe(source, codec)
    assert (picture.matrix, picture.primaries, picture.transfer) == (matrix, primaries, transfer)
    rgb = source.resize.Bicubic(format=vs.RGBS)
    back = to_encoder(rgb, source.format, picture, codec).get_frame(0)
    for plane in range(3):
        assert np.abs(np.asarray(back[plane]).astype(int) - color[plane]).max() <= 1


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "ffv1"])
def test_primaries_that_a_codec_cannot_say_are_named(run, monkeypatch, caplog, tmp_path: Path, codec: str) -> None:
    """And all others arrive."""
    monkeypatch.setattr(plugin, "upscale", lambda clip, **_: clip.resize.Point(format=vs.RGBS))
    recipe = Recipe(size=(64, 64), pts=(0,), audio=None, primaries=22, encoder="ffv1", options={})
    output, _ = run(recipe, (".mkv", ".mkv"), codec=codec)
    with av.open(str(output)) as container:
        said = container.streams.video[0].codec_context.color_primaries
    bitstream = core.bs.VideoSource(str(output), cachemode=0).get_frame(0).props.get("_Primaries", 2)
    if codec in ("av1", "ffv1"):
        assert (said, bitstream, caplog.messages) == (22, 22, [])
    else:
        assert (said, bitstream) == (2, 2)
        assert caplog.messages == [
            f"{codec} cannot say that primaries are 22 (EBU Tech 3213-E), and the output leaves them open; "
            "--codec av1 and ffv1 keep them."
        ]


def test_chroma_is_put_where_the_codec_can_say_that_it_is() -> None:
    for codec, kept in {"h264": range(6), "hevc": range(6), "av1": (0, 2), "ffv1": range(4)}.items():
        for location in range(6):
            found = describe(clip_of(_ChromaLocation=location), find_codec(codec)).chroma_location
            assert found == (location if location in kept else vs.CHROMA_LEFT)


def test_numbers_that_mean_nothing_are_not_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    picture = describe(clip_of(_Primaries=3, _Transfer=19, _ChromaLocation=77, _Range=5), find_codec("h264"))
    assert (picture.primaries, picture.transfer, picture.chroma_location, picture.is_full_range) == (2, 2, 0, False)
    assert not caplog.messages


def test_no_work_is_done_for_transparency() -> None:
    clip = clip_of().std.ClipToProp(core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=1))
    picture = describe(clip, find_codec("h264"))
    assert "_Alpha" not in settle_matrix(clip, picture).get_frame(0).props


@pytest.mark.parametrize("codec", ["h264", "ffv1"])
@pytest.mark.parametrize(("size", "becomes"), [((16, 1), (16, 2)), ((1, 16), (2, 16)), ((1, 1), (2, 2))])
def test_a_picture_of_one_row_or_column_is_doubled(size, becomes, codec, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        clip = prepared(size, codec)
    assert (clip.width, clip.height) == becomes
    assert caplog.messages == [f"No encoder takes pictures of {size[0]}x{size[1]}; the only column or row is doubled."]
    luma = np.asarray(clip.get_frame(0)[0]).astype(int)
    assert np.abs(luma - luma[: size[1], : size[0]]).max() <= 2  # dither


def test_a_picture_of_one_row_is_encoded(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "upscale", lambda clip, **_: clip.resize.Point(format=vs.RGBS))
    for codec in ("h264", "ffv1"):
        recipe = Recipe(size=(64, 1), pts=(0, 512), audio=None, pixel_format="yuv444p")
        output, _ = run(recipe, (".mkv", ".mkv"), codec=codec, overwrite=True)
        frame = decode(output)[0]
        assert (frame.width, frame.height) == (64, 2)


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_pictures_too_small_for_a_codec_are_refused(codec: str) -> None:
    """SVT-AV1 would write beyond its memory, and the process die of it."""
    for size, becomes in {(16, 15): "16x14", (8, 64): "8x64", (1, 1): "2x2"}.items():
        with pytest.raises(EncodeError) as caught:
            prepared(size, codec)
        assert str(caught.value) == (
            f"{codec} needs pictures of at least 16x16, and these become {becomes}; use --codec h264 or ffv1"
        )
    assert prepared((16, 16), codec).width == 16
