"""Colours, told to the digit: an engine that repeats pixels stands in for the network."""

import logging
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
import vapoursynth as vs

from tests.fast_loop import parametrize
from tests.stand_ins import picture_clip, pixels
from vsfdat import color
from vsfdat.color import describe_output, guess_matrix, levels, network_format, sort_out, to_network, why_not_rgb
from vsfdat.frames import Staging, planes

core = vs.core

SUBSAMPLINGS = {"410": (2, 2), "411": (2, 0), "420": (1, 1), "422": (1, 0), "440": (0, 1), "444": (0, 0)}
DEPTHS = [(vs.INTEGER, bits) for bits in (8, 9, 10, 12, 14, 16)] + [(vs.FLOAT, 16), (vs.FLOAT, 32)]
KR_KB = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}


def converted(clip: vs.VideoNode, channels: int = 3) -> vs.VideoNode:
    sorted_out = sort_out()
    return to_network(clip.std.ModifyFrame(clip, lambda n, f: sorted_out(f)), network_format(clip, channels))


def arriving(clip: vs.VideoNode, channels: int = 3) -> np.ndarray:
    """What the network sees of the first frame: [planes, H, W]."""
    frame = converted(clip, channels).get_frame(0)
    return Staging(torch.device("cpu")).upload(planes(frame), levels(frame)).numpy()


def flat(form: int, color: list[float], width: int = 32, height: int = 16, **props: int) -> vs.VideoNode:
    return core.std.BlankClip(format=form, color=color, width=width, height=height, length=2).std.SetFrameProps(**props)


def rgb_by_hand(yuv: tuple[float, float, float], matrix: int) -> np.ndarray:
    """Turn Y in [0, 1] and U, V in [-0.5, 0.5] into RGB, from ITU-T H.273's coefficients."""
    (y, u, v), (kr, kb) = yuv, KR_KB[matrix]
    red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    return np.array([red, (y - kr * red - kb * blue) / (1 - kr - kb), blue])


def numbers_of(yuv: tuple[float, float, float], bits: int, full: bool) -> list[float]:
    """Write Y in [0, 1] and U, V in [-0.5, 0.5] as integers of some depth."""
    y, u, v = yuv
    if full:
        peak = 2**bits - 1
        return [round(y * peak), *(round(c * peak + 2 ** (bits - 1)) for c in (u, v))]
    unit = 2 ** (bits - 8)
    return [round((16 + 219 * y) * unit), *(round((128 + 224 * c) * unit) for c in (u, v))]


@pytest.mark.parametrize(("sample", "bits"), DEPTHS, ids=lambda value: str(int(value)))
@pytest.mark.parametrize("sampling", SUBSAMPLINGS)
def test_every_yuv_format_becomes_single_rgb(sampling: str, sample: vs.SampleType, bits: int) -> None:
    form = core.query_video_format(vs.YUV, sample, bits, *SUBSAMPLINGS[sampling])
    yuv = (0.4, -0.1, 0.15)
    for full in (False, True):
        numbers = list(yuv) if sample == vs.FLOAT else numbers_of(yuv, bits, full)
        clip = converted(flat(form.id, numbers, _Matrix=1, _Range=int(full)))
        assert clip.format.id == vs.RGBS
        frame = pixels(clip.get_frame(0))
        step = 1e-3 if sample == vs.FLOAT else 2.0 / 2**bits  # half a step of rounding, times the largest coefficient
        np.testing.assert_allclose(frame, np.broadcast_to(rgb_by_hand(yuv, 1)[:, None, None], frame.shape), atol=step)


@pytest.mark.parametrize(("matrix", "full"), list(product(KR_KB, (False, True))))
def test_matrix_and_range_are_honoured(matrix: int, full: bool) -> None:
    yuv = (0.5, 0.2, -0.25)
    clip = converted(flat(vs.YUV444P16, numbers_of(yuv, 16, full), _Matrix=matrix, _Range=int(full)))
    np.testing.assert_allclose(pixels(clip.get_frame(0))[:, 3, 5], rgb_by_hand(yuv, matrix), atol=5e-5)


def test_every_frame_is_taken_at_its_own_word() -> None:
    yuv = (0.5, 0.2, -0.25)
    parts = [flat(vs.YUV420P16, numbers_of(yuv, 16, False), _Matrix=matrix) for matrix in (1, 9, 6)]
    clip = converted(core.std.Splice(parts))
    for index, matrix in enumerate((1, 9, 6)):
        picture = pixels(clip.get_frame(2 * index))
        np.testing.assert_allclose(picture[:, 3, 5], rgb_by_hand(yuv, matrix), atol=5e-5)


@pytest.mark.parametrize(("location", "offset"), [(None, 0.0), (0, 0.0), (1, 0.5)], ids=["unsaid", "left", "center"])
def test_chroma_is_sited_by_its_location(location: int | None, offset: float) -> None:
    """A chroma ramp is upsampled onto the line that its location says; cubics keep lines."""
    slope, width, height = 0.004, 64, 8
    numbers = np.zeros((3, height, width), np.float32)
    numbers[0] = 0.5
    numbers[2] = slope * np.arange(width)  # sample i of the subsampled plane is at luma 2·i + offset
    props = {} if location is None else {"_ChromaLocation": location}
    clip = converted(picture_clip(numbers, vs.YUV422PS, _Matrix=1, **props))
    red = pixels(clip.get_frame(0))[0, 4, 8:-8]
    expected = 0.5 + 2 * (1 - 0.2126) * slope * (np.arange(8, width - 8) - offset) / 2
    np.testing.assert_allclose(red, expected, atol=1e-5)


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
def test_integer_rgb_is_scaled_and_nothing_else(bits: int) -> None:
    form = core.query_video_format(vs.RGB, vs.INTEGER, bits)
    peak = 2**bits - 1
    frame = arriving(flat(form.id, [0, peak, peak // 3]))
    np.testing.assert_allclose(frame[:, 2, 2], [0, 1, (peak // 3) / peak], atol=1e-6)


def test_limited_rgb_is_stretched() -> None:
    frame = arriving(flat(vs.RGB24, [16, 235, 126], _Range=0))
    np.testing.assert_allclose(frame[:, 2, 2], [0, 1, 110 / 219], atol=1e-6)


@pytest.mark.parametrize("full", [None, False, True], ids=["unsaid", "limited", "full"])
@pytest.mark.parametrize(("family", "bits"), [*product([vs.RGB, vs.GRAY], [8, 10, 16]), (vs.RGB, 9), (vs.GRAY, 14)])
def test_integers_travel_as_they_are_and_arrive_as_if_converted(family: int, bits: int, full: bool | None) -> None:
    """Every sample there is, to the bit."""
    form = core.query_video_format(family, vs.INTEGER, bits)
    samples = np.arange(2**bits, dtype=np.float32).reshape(1, -1, 64).repeat(3, 0)
    clip = picture_clip(samples, form.id).std.RemoveFrameProps(["_Range"])
    if full is not None:
        clip = clip.std.SetFrameProps(_Range=int(full))
    channels = 1 if family == vs.GRAY else 3
    assert converted(clip, channels).format.id == form.id
    through_resize = clip.resize.Point(format=network_format(clip, channels).id)
    assert through_resize.format.sample_type == vs.FLOAT
    np.testing.assert_array_equal(arriving(clip, channels), pixels(through_resize.get_frame(0)).clip(0, 1))


def test_gray_integers_become_floats_for_a_network_of_three_channels() -> None:
    assert converted(flat(vs.GRAY8, [126])).format.id == vs.RGBS


@pytest.mark.parametrize("form", [vs.GRAY8, vs.GRAY16, vs.GRAYS, vs.GRAYH])
def test_gray_becomes_rgb_for_a_network_of_three_channels(form: vs.PresetVideoFormat) -> None:
    numbers = {vs.GRAY8: [126], vs.GRAY16: [126 * 256]}.get(form, [110 / 219])
    clip = converted(flat(form, numbers))
    assert clip.format.id == vs.RGBS
    np.testing.assert_allclose(pixels(clip.get_frame(0))[:, 2, 2], [110 / 219] * 3, atol=2e-4)


@pytest.mark.parametrize(
    ("form", "channels", "expected"),
    [
        (vs.RGBH, 3, vs.RGBH),
        (vs.RGBS, 3, vs.RGBS),
        (vs.RGB24, 3, vs.RGBS),
        (vs.YUV444PH, 3, vs.RGBS),
        (vs.GRAYH, 3, vs.RGBS),
        (vs.GRAY8, 1, vs.GRAYS),
        (vs.GRAYH, 1, vs.GRAYH),
        (vs.YUV420P8, 1, vs.RGBS),
        (vs.RGBH, 1, vs.RGBH),
    ],
)
def test_half_stays_half_and_all_else_is_single(
    form: vs.PresetVideoFormat, channels: int, expected: vs.PresetVideoFormat
) -> None:
    clip = core.std.BlankClip(format=form, length=1)
    assert network_format(clip, channels).id == expected
    assert converted(clip, channels).format.id in (expected, form)


@pytest.mark.parametrize(
    ("width", "height", "matrix"),
    [(640, 480, 6), (720, 576, 6), (720, 578, 1), (1280, 536, 1), (1920, 1080, 1), (3840, 2160, 1)],
)
def test_a_missing_matrix_is_guessed_by_size(width: int, height: int, matrix: int) -> None:
    assert guess_matrix(width, height) == matrix


@pytest.mark.parametrize("says", [{}, {"_Matrix": 2}, {"_Matrix": 0}, {"_Matrix": 3}], ids=str)
def test_a_guess_is_said_once(says: dict[str, int], caplog: pytest.LogCaptureFixture) -> None:
    yuv = (0.5, 0.2, -0.25)
    clip = converted(flat(vs.YUV420P16, numbers_of(yuv, 16, False), width=1280, height=20, **says))
    with caplog.at_level(logging.WARNING):
        frames = [clip.get_frame(n) for n in (1, 0)]
    np.testing.assert_allclose(pixels(frames[0])[:, 3, 5], rgb_by_hand(yuv, 1), atol=5e-5)
    assert [record.getMessage() for record in caplog.records] == [
        "The clip does not say which YUV matrix it has; taken as BT.709 for 1280x20. "
        "Say otherwise with clip.std.SetFrameProps(_Matrix=...), as in vs.MATRIX_BT709."
    ]


def test_nothing_is_said_where_nothing_is_guessed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for clip in (flat(vs.YUV420P8, [100, 100, 100], _Matrix=1), flat(vs.RGB24, [1, 2, 3]), flat(vs.GRAY8, [9])):
            converted(clip).get_frame(0)
    assert not caplog.records


@pytest.mark.parametrize(("form", "matrix"), [(vs.RGB24, 1), (vs.RGBS, 1), (vs.GRAY8, 0)])
def test_a_matrix_that_cannot_be_is_ignored(form: vs.PresetVideoFormat, matrix: int) -> None:
    clip = core.std.BlankClip(format=form, width=8, height=8, length=1).std.SetFrameProps(_Matrix=matrix)
    assert converted(clip).get_frame(0).props["_Matrix"] == vs.MATRIX_RGB


def test_gray_keeps_its_matrix_where_it_stays_gray() -> None:
    clip = flat(vs.GRAY8, [126], _Matrix=9)
    assert converted(clip, channels=1).get_frame(0).props["_Matrix"] == 9
    np.testing.assert_allclose(arriving(clip, channels=1)[0, 2, 2], 110 / 219, atol=1e-6)


def test_frames_say_what_was_read_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a mend of how colours are read reaches scripts as it reaches the command, which writes what was read."""
    read = color.describe
    other = {"matrix": 9, "primaries": 10, "transfer": 16, "is_full_range": True, "chroma_location": 2}
    monkeypatch.setattr(color, "describe", lambda *frame: replace(read(*frame), **other))
    for said in ({}, {"_Matrix": 5, "_Primaries": 5, "_Transfer": 6, "_Range": 0, "_ChromaLocation": 1}):
        props = sort_out()(flat(vs.YUV420P8, [81, 90, 240], **said).get_frame(0)).props
        found = [props[name] for name in ("_Matrix", "_Primaries", "_Transfer", "_Range", "_ChromaLocation")]
        assert found == [9, 10, 16, vs.RANGE_FULL, 2]


def test_gray_needs_no_matrix() -> None:
    for matrix in (0, 3, 11, 14, 15, 255):
        for form in (vs.GRAY8, vs.GRAYS):
            value = 126 if form == vs.GRAY8 else 110 / 219
            clip = flat(form, [value], _Matrix=matrix)
            np.testing.assert_allclose(arriving(clip)[:, 2, 2], [110 / 219] * 3, atol=1e-6)
            np.testing.assert_allclose(arriving(clip, channels=1)[:, 2, 2], [110 / 219], atol=1e-6)


PRIMARIES = (1, 2, *range(4, 13), 22)
TRANSFERS = (1, 2, *range(4, 19))


@parametrize("matrix", [1, *range(4, 18), 200], quick=[1, 10, 15])
def test_it_is_known_beforehand_what_resize_can_undo_and_do_again(matrix: int) -> None:
    """Both ways, with whatever primaries and transfer."""
    some = list(product(PRIMARIES, TRANSFERS))[:: 1 if matrix in (10, 12, 13, 14) else 23]

    def said(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        frame.props["_Primaries"], frame.props["_Transfer"] = some[n]
        return frame

    def works(clip: vs.VideoNode, n: int) -> bool:
        try:
            clip.get_frame(n).close()
        except vs.Error:
            return False
        return True

    yuv = core.std.BlankClip(format=vs.YUV444P16, width=2, height=2, length=len(some)).std.SetFrameProps(_Matrix=matrix)
    rgb = core.std.BlankClip(format=vs.RGBS, width=2, height=2, length=len(some))
    there = yuv.std.ModifyFrame(yuv, said).resize.Bicubic(format=vs.RGBS)
    back = rgb.std.ModifyFrame(rgb, said).resize.Bicubic(format=vs.YUV444P16, matrix=matrix)
    for n, (primaries, transfer) in enumerate(some):
        known = why_not_rgb(matrix, primaries, transfer) is None
        assert (works(there, n) and works(back, n)) == known, (primaries, transfer)


@pytest.mark.parametrize(
    ("props", "problem"),
    [
        ({"_Matrix": 15}, "the YUV matrix is 15 (IPT-C2), which VapourSynth does not know"),
        ({"_Matrix": 77}, "the YUV matrix is 77 (reserved), which VapourSynth does not know"),
        (
            {"_Matrix": 10, "_Transfer": 16, "_Primaries": 9},
            "the YUV matrix is 10 (BT.2020 constant luminance), which needs the transfer of BT.709, BT.601 or BT.2020 "
            "(1, 6, 7, 14, 15), and primaries are 9 and transfer 16 (2: not said)",
        ),
        (
            {"_Matrix": 14, "_Transfer": 16},
            "the YUV matrix is 14 (ICtCp), which needs BT.2020's primaries (9) and the transfer PQ or HLG (16, 18), "
            "and primaries are 2 and transfer 16 (2: not said)",
        ),
        (
            {"_Matrix": 13, "_Primaries": 1, "_Transfer": 3},  # 3 is reserved and as good as unsaid
            "the YUV matrix is 13 (chromaticity-derived constant luminance), which needs primaries (1, 4 to 9, 11, "
            "12, 22) and a transfer (1, 4 to 7, 9 to 18), and primaries are 1 and transfer 2 (2: not said)",
        ),
    ],
    ids=str,
)
def test_a_matrix_that_cannot_be_undone_is_named(props: dict[str, int], problem: str) -> None:
    frame = flat(vs.YUV420P10, [400, 500, 600], **props).get_frame(0)
    with pytest.raises(ValueError, match="the YUV matrix") as caught:
        sort_out()(frame)
    assert str(caught.value) == (
        f"{problem}; if the clip holds something else, say so with clip.std.SetFrameProps"
        "(_Matrix=..., _Primaries=..., _Transfer=...), else convert it to another matrix first"
    )


@pytest.mark.parametrize(
    "reserved", [{"_Primaries": 3}, {"_Primaries": 13}, {"_Transfer": 0}, {"_Transfer": 19}, {"_ChromaLocation": 6},
                 {"_Range": 2}], ids=str,
)  # fmt: skip
@pytest.mark.parametrize("form", [vs.YUV420P16, vs.GRAY16], ids=str)
def test_numbers_that_mean_nothing_are_as_good_as_unsaid(form: int, reserved: dict[str, int]) -> None:
    clip = flat(form, numbers_of((0.5, 0.2, -0.25), 16, False)[: 1 if form == vs.GRAY16 else 3], _Matrix=1)
    plain, odd = (converted(each).get_frame(0) for each in (clip, clip.std.SetFrameProps(**reserved)))
    np.testing.assert_array_equal(pixels(odd), pixels(plain))
    assert odd.props.get(*reserved, "nothing") == plain.props.get(*reserved, "nothing")


@pytest.mark.parametrize("field", [1, 2])
@pytest.mark.parametrize("height", [16, 18])
def test_interlaced_frames_are_said_once_and_taken_whole(
    field: int, height: int, caplog: pytest.LogCaptureFixture
) -> None:
    clip = converted(flat(vs.YUV420P8, [100, 90, 170], height=height, _Matrix=1, _FieldBased=field))
    with caplog.at_level(logging.WARNING):
        frames = [clip.get_frame(n) for n in range(2)]
    assert all(frame.props["_FieldBased"] == vs.FIELD_PROGRESSIVE for frame in frames)
    assert [record.getMessage() for record in caplog.records] == [
        "The clip is marked interlaced and is upscaled as if it were progressive, which is right where its "
        "pictures are whole (a script says so with clip.std.SetFieldBased(0)); else deinterlace it first: a script "
        "with core.bwdif.Bwdif(clip, field=1) or core.vivtc, the command with --deinterlace auto."
    ]


def properties_out(clip: vs.VideoNode) -> dict[str, object]:
    frame = core.create_video_frame(core.get_video_format(vs.RGBS), 4, 4)
    describe_output(frame, converted(clip).get_frame(0).props)
    return dict(frame.props)


def test_hdr_stays_hdr_and_what_nobody_knows_is_kept() -> None:
    clip = flat(
        vs.YUV420P10, [400, 500, 600], _Matrix=9, _Transfer=16, _Primaries=9, _Range=0, _ChromaLocation=2,
        _SARNum=4, _SARDen=3, _DurationNum=1001, _DurationDen=24000, MasteringDisplayMaxLuminance=1000, anything=7,
    )  # fmt: skip
    assert properties_out(clip) == {
        "_Matrix": 0, "_Transfer": 16, "_Primaries": 9, "_Range": 1, "_SARNum": 4, "_SARDen": 3,
        "_DurationNum": 1001, "_DurationDen": 24000, "MasteringDisplayMaxLuminance": 1000, "anything": 7,
    }  # fmt: skip


@pytest.mark.parametrize("form", [vs.RGB24, vs.RGBS, vs.RGBH])
def test_rgb_leaves_full_and_without_chroma(form: vs.PresetVideoFormat) -> None:
    clip = core.std.BlankClip(format=form, width=8, height=8, length=1)
    props = properties_out(clip.std.SetFrameProps(_Range=0, _ChromaLocation=0, _Matrix=1, _Transfer=13))
    assert (props["_Range"], props["_Matrix"], props["_Transfer"]) == (1, 0, 13)
    assert "_ChromaLocation" not in props


def test_the_pq_curve_is_not_touched() -> None:
    yuv = (0.6, 0.05, -0.05)
    clip = converted(flat(vs.YUV444P16, numbers_of(yuv, 16, False), _Matrix=9, _Transfer=16, _Primaries=9))
    np.testing.assert_allclose(pixels(clip.get_frame(0))[:, 3, 5], rgb_by_hand(yuv, 9), atol=5e-5)
