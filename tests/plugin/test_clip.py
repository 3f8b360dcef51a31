import gc
import logging
import random
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import vapoursynth as vs
from torch import Tensor

import vsfdat
from tests.fast_loop import parametrize
from tests.stand_ins import Enlarger, Gathering, picture_clip, pixels, pq_nits, pq_signal, tiny_fdat
from vsfdat.arch import FDAT
from vsfdat.engine import slots

core = vs.core
TINY = tiny_fdat()


def upscale(clip: vs.VideoNode, model: str | FDAT = TINY, **arguments: object) -> vs.VideoNode:
    return vsfdat.upscale(clip, model, **({"device": "cpu", "engine": "reference"} | arguments))


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch):
    """Let a test say which engine stands in for the network, by precision where it matters."""

    def install(make) -> None:
        monkeypatch.setattr(slots, "build", lambda module, *, precision, **_: lambda: make(precision))

    return install


@pytest.fixture
def threads_of_vapoursynth():
    before = core.num_threads
    core.num_threads = 8
    yield 8
    core.num_threads = before


def noise(form: int = vs.RGBS, width: int = 19, height: int = 11, length: int = 1, **props: int) -> vs.VideoNode:
    numbers = np.random.default_rng(0).random((3, height, width), np.float32)
    bits = core.get_video_format(form)
    scale = 1 if bits.sample_type == vs.FLOAT else 2**bits.bits_per_sample - 1
    return picture_clip((numbers * scale).astype(np.float32), form, length, **props)


def numbered(length: int, form: int = vs.RGBS) -> vs.VideoNode:
    """Make a clip whose frame n is n/1024 everywhere and says its number."""
    blank = core.std.BlankClip(width=16, height=8, format=form, length=length, keep=True)

    def paint(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in range(3):
            np.asarray(frame[plane])[:] = n / 1024
        frame.props["number"] = n
        return frame

    return blank.std.ModifyFrame(blank, paint)


# What comes out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [(1, 1, 2), (1, 9, 2), (5, 7, 2), (37, 51, 2), (64, 48, 2), (37, 51, 1), (37, 51, 3), (37, 51, 4)],
)
def test_a_frame_is_what_the_module_gives(width: int, height: int, scale: int) -> None:
    module = tiny_fdat(scale=scale)
    clip = noise(width=width, height=height)
    out = upscale(clip, module)
    assert (out.width, out.height, out.format.id, out.num_frames) == (width * scale, height * scale, vs.RGBS, 1)
    source = torch.from_numpy(pixels(clip.get_frame(0)))
    with torch.inference_mode():
        expected = module(source[None])[0].clamp(0, 1)
    np.testing.assert_allclose(pixels(out.get_frame(0)), expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("form", [form for form in vs.PresetVideoFormat if form not in (vs.NONE, vs.GRAY32)], ids=str)
def test_every_format_goes_through(form: vs.PresetVideoFormat, engines) -> None:
    engines(lambda precision: Enlarger())
    clip = core.std.BlankClip(format=form, width=16, height=12, length=1).std.SetFrameProps(
        **({"_Matrix": 1} if core.get_video_format(form).color_family == vs.YUV else {})
    )
    out = upscale(clip)
    frame = out.get_frame(0)
    assert (frame.width, frame.height) == (32, 24)
    assert out.format.id == frame.format.id == (vs.RGBH if form == vs.RGBH else vs.RGBS)
    assert (frame.props["_Matrix"], frame.props["_Range"]) == (vs.MATRIX_RGB, vs.RANGE_FULL)


@pytest.mark.parametrize("form", [vs.RGBS, vs.RGBH, vs.RGB48])
def test_pixels_arrive_as_they_were(form: vs.PresetVideoFormat, engines) -> None:
    engines(lambda precision: Enlarger())
    clip = noise(form)
    expected = pixels(clip.get_frame(0)).repeat(2, 1).repeat(2, 2) / (65535 if form == vs.RGB48 else 1)
    np.testing.assert_allclose(pixels(upscale(clip).get_frame(0)), expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "props"),
    [(vs.RGB24, {}), (vs.RGB24, {"_Range": 0}), (vs.RGB30, {}), (vs.RGB48, {}), (vs.GRAY8, {}),
     (vs.GRAY16, {"_Range": 1})],
    ids=str,
)  # fmt: skip
def test_integers_give_the_picture_that_they_give_as_floats(form: vs.PresetVideoFormat, props: dict) -> None:
    module = tiny_fdat(channels=1 if "GRAY" in form.name else 3)
    clip = noise(form, **props)
    floats = clip.resize.Point(format=vs.GRAYS if "GRAY" in form.name else vs.RGBS)
    whole, direct = (upscale(each, module).get_frame(0) for each in (floats, clip))
    np.testing.assert_array_equal(pixels(direct), pixels(whole))
    assert direct.format.id == whole.format.id
    assert direct.props["_Range"] == whole.props["_Range"] == vs.RANGE_FULL


def test_what_leaves_0_to_1_is_clamped_before_and_after_the_network(engines) -> None:
    seen = []

    class Stretching(Enlarger):
        def __call__(self, frame: Tensor) -> Tensor:
            seen.extend([frame.min().item(), frame.max().item()])
            return super().__call__(frame) * 3 - 1

    engines(lambda precision: Stretching())
    clip = picture_clip(np.array([[[-1.0, 0.5, 2.0, 0.4]]] * 3, np.float32), vs.RGBS)
    out = pixels(upscale(clip).get_frame(0))
    assert seen == [0, 1]
    np.testing.assert_allclose(out[0, 0, ::2], [0, 0.5, 1, 0.2], atol=1e-6)


@pytest.mark.parametrize(
    ("form", "expected"), [(vs.GRAY8, vs.GRAYS), (vs.GRAYH, vs.GRAYH), (vs.RGB24, vs.RGBS), (vs.YUV420P8, vs.RGBS)]
)
def test_a_network_of_one_channel(form: vs.PresetVideoFormat, expected: vs.PresetVideoFormat) -> None:
    module = tiny_fdat(channels=1)
    clip = noise(form, 16, 12, _Matrix=1)
    frame = upscale(clip, module).get_frame(0)
    assert frame.format.id == expected
    source = upscale_nothing(clip, expected)
    with torch.inference_mode():
        for plane, channel in zip(pixels(frame), source, strict=True):
            alone = module(torch.from_numpy(channel)[None, None])[0, 0].clamp(0, 1)
            np.testing.assert_allclose(plane, alone.numpy(), atol=1e-3 if form == vs.GRAYH else 1e-6)


def upscale_nothing(clip: vs.VideoNode, form: int) -> np.ndarray:
    """Convert a clip as VapourSynth does, with every colour property in place."""
    if clip.format.color_family == vs.RGB:
        clip = clip.std.SetFrameProps(_Matrix=0)
    return pixels(clip.resize.Bicubic(format=form).get_frame(0)).astype(np.float32).clip(0, 1)


def test_properties_and_length_are_kept(engines) -> None:
    engines(lambda precision: Enlarger())
    clip = numbered(30).std.SetFrameProps(_Transfer=16, _Primaries=9, _SARNum=4, _SARDen=3).std.AssumeFPS(fpsnum=7)
    out = upscale(clip)
    assert (out.fps, out.num_frames) == (clip.fps, 30)
    props = dict(out.get_frame(17).props)
    assert props == {"_Transfer": 16, "_Primaries": 9, "_SARNum": 4, "_SARDen": 3, "number": 17, "_Matrix": 0,
                     "_Range": 1, "_DurationNum": 1, "_DurationDen": 7}  # fmt: skip


@pytest.mark.parametrize("form", [vs.GRAY8, vs.GRAY10, vs.GRAY16, vs.GRAYH, vs.GRAYS], ids=str)
@pytest.mark.parametrize("scale", [1, 2])
def test_transparency_grows_with_the_picture(form: vs.PresetVideoFormat, scale: int, engines) -> None:
    engines(lambda precision: Enlarger(scale=scale))
    numbers = np.random.default_rng(0).integers(0, 2, (1, 11, 19)).repeat(3, 0) * (1 if "S" in form.name else 200)
    # By these, resize could not touch it.
    alpha = picture_clip(numbers.astype(np.float32), form, 3, _Matrix=0, _FieldBased=1, mine=7)
    clip = core.std.Splice([noise(length=1), noise(length=2).std.ClipToProp(alpha)])
    out = upscale(clip, tiny_fdat(scale=scale))
    expected = alpha.std.RemoveFrameProps().resize.Bilinear(19 * scale, 11 * scale)
    assert "_Alpha" not in out.get_frame(0).props
    for n in (1, 2):
        found = out.get_frame(n).props["_Alpha"]
        np.testing.assert_array_equal(pixels(found), pixels(expected.get_frame(n)))
        assert (found.format.id, found.props["mine"]) == (form, 7)
    assert out[1:].std.PropToClip("_Alpha").width == out.width


def test_transparency_that_cannot_grow_is_said_once_and_left_out(engines, caplog: pytest.LogCaptureFixture) -> None:
    engines(lambda precision: Enlarger())
    alpha = core.std.BlankClip(format=vs.GRAY32, width=19, height=11, length=3)
    out = upscale(noise(length=3).std.ClipToProp(alpha))
    with caplog.at_level(logging.WARNING):
        assert all("_Alpha" not in frame.props for frame in out.frames())
    assert caplog.messages == ["The clip's transparency is left out: VapourSynth cannot resize Gray32."]


def test_variable_frame_rate_stays_variable(engines) -> None:
    engines(lambda precision: Enlarger())
    short, long = (numbered(3).std.AssumeFPS(fpsnum=rate) for rate in (30, 10))
    out = upscale(core.std.Splice([short, long]))
    assert out.fps == 0
    assert [out.get_frame(n).props["_DurationDen"] for n in (2, 3)] == [30, 10]


def test_a_million_frames_are_lazy(engines) -> None:
    asked = []
    engines(lambda precision: Enlarger(before=lambda frame: asked.append(1)))
    source = core.std.BlankClip(format=vs.RGBS, width=8, height=8, length=2**20, keep=True)
    began = time.monotonic()
    out = upscale(source.std.FrameEval(lambda n: asked.append(n) or source))
    assert out.num_frames == 2**20
    assert not asked  # not even the first frame of the source
    out.get_frame(2**20 - 1)
    assert asked == [2**20 - 1, 1]
    assert time.monotonic() - began < 10


def test_the_embedded_model_is_the_default() -> None:
    out = vsfdat.upscale(noise(vs.YUV420P8, 16, 12, _Matrix=1), device="cpu")
    assert (out.width, out.height) == (32, 24)
    assert np.isfinite(pixels(out.get_frame(0))).all()


@pytest.mark.slow
def test_pq_stays_a_ramp_and_a_bright_edge_stays_in_its_nits() -> None:
    """The network, which learnt gamma, sees it as it is; by way of a gamma curve the ramp would go up and down."""

    def doubled(row: Tensor, transfer: int = 16) -> Tensor:
        tall = row.mul(1023).round().div(1023).expand(3, 16, -1).float().numpy()
        out = vsfdat.upscale(picture_clip(tall, vs.RGBS, _Transfer=transfer, _Primaries=9), device="cpu").get_frame(0)
        assert (out.props["_Transfer"], out.props["_Primaries"]) == (transfer, 9)
        return torch.from_numpy(pixels(out)).double()[:, 12:20, 16:-16].mean((0, 1))

    line = torch.linspace(0, 1, 512, dtype=torch.float64)
    ideal = ((torch.arange(1024) + 0.5) / 2 - 0.5)[16:-16] / 511
    for transfer in (16, 18):  # PQ, HLG
        found = doubled(line, transfer) * 1023
        assert found.diff().min() > 0.3
        assert (found - ideal * 1023).abs().max() < 3
    for dark, bright in ((5, 100), (100, 1000), (100, 4000)):
        step = torch.tensor([dark] * 32 + [dark + (bright - dark) / 4] + [bright] * 31, dtype=torch.float64)
        signal = pq_signal(step)
        cubic = torch.nn.functional.interpolate(signal.expand(3, 16, -1)[None], scale_factor=2, mode="bicubic")
        over = pq_nits(doubled(signal)).max() / bright - 1
        assert over < 0.03 < 0.1 < pq_nits(cubic).max() / bright - 1


def test_tiles_come_out_nearly_the_same() -> None:
    clip = noise(width=70, height=50)
    whole, tiled = (pixels(upscale(clip, tile=tile).get_frame(0)) for tile in (None, (33, 24)))
    assert whole.shape == tiled.shape
    assert 0 < np.abs(whole - tiled).max() < 0.05


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_precision_reaches_the_network(precision: str) -> None:
    full, low = (pixels(upscale(noise(), precision=name).get_frame(0)) for name in ("fp32", precision))
    assert 0 < np.abs(full - low).max() < 0.02


# Side by side


@parametrize(
    ("arguments", "slots"),
    [({"num_streams": 1}, 1), ({"num_streams": 4}, 4), ({"device": ["cpu", "cpu", "cpu"]}, 3),
     ({"device": ["cpu", "cpu"], "num_streams": 2}, 4)],
    quick=[({"device": ["cpu", "cpu"], "num_streams": 2}, 4)],
    ids=str,
)  # fmt: skip
@pytest.mark.usefixtures("threads_of_vapoursynth")
def test_all_slots_run_at_the_same_time(arguments: dict[str, object], slots: int, engines) -> None:
    gathering = Gathering(slots)
    engines(lambda precision: Enlarger(before=gathering))
    out = upscale(numbered(24), **arguments)
    for n, frame in enumerate(out.frames(prefetch=8, close=True)):  # one alone would wait in vain and fail
        assert frame.props["number"] == n


@pytest.mark.slow
@parametrize("num_threads", [1, 2, 8], quick=[8])
@parametrize("num_streams", [1, 3], quick=[3])
def test_any_order_any_threads(num_threads: int, num_streams: int, engines, threads_of_vapoursynth: int) -> None:
    engines(lambda precision: Enlarger())
    core.num_threads = num_threads
    out = upscale(numbered(200), num_streams=num_streams)
    dice = random.Random(num_threads)
    orders = [range(40), range(199, 150, -1), [7] * 10, [dice.randrange(200) for _ in range(60)]]
    for order in orders:
        futures = [(n, out.get_frame_async(n)) for n in order]
        for n, future in futures:
            frame = future.result()
            assert frame.props["number"] == n
            assert np.asarray(frame[2])[-1, -1] == np.float32(n / 1024)


@parametrize(
    "arguments",
    [{"num_streams": 3}, {"device": ["cpu", "cpu"], "num_streams": 2}, {"precision": "bf16"}],
    quick=[{"num_streams": 3}],
    ids=str,
)
def test_a_frame_has_the_same_bits_in_any_order_on_any_slot(
    arguments: dict[str, object], threads_of_vapoursynth: int
) -> None:
    dice = np.random.default_rng(0)
    pictures = [picture_clip(dice.random((3, 21, 30), np.float32), vs.RGBS) for _ in range(6)]
    clip = core.std.Splice(pictures)
    one_by_one = upscale(
        clip, engine="exact", **({"precision": "fp32"} | arguments | {"device": "cpu", "num_streams": 1})
    )
    expected = [pixels(frame) for frame in one_by_one.frames(close=True)]
    assert len({picture.tobytes() for picture in expected}) == 6
    out = upscale(clip, engine="exact", **arguments)
    order = random.Random(0).choices(range(6), k=40)
    for n, future in [(n, out.get_frame_async(n)) for n in order]:
        np.testing.assert_array_equal(pixels(future.result()), expected[n])


@pytest.mark.slow
def test_abandoned_requests_harm_nobody(engines, threads_of_vapoursynth: int) -> None:
    engines(lambda precision: Enlarger(before=lambda frame: time.sleep(0.002)))
    out = upscale(numbered(200), num_streams=2)
    for start in range(0, 150, 30):
        for n in range(start, start + 20):
            out.get_frame_async(n)  # and nobody ever looks
        assert out.get_frame(start + 25).props["number"] == start + 25


@pytest.mark.slow
def test_chained_and_branched_clips(engines, threads_of_vapoursynth: int) -> None:
    engines(lambda precision: Enlarger())
    once = upscale(numbered(40), num_streams=2)
    twice = upscale(once, num_streams=2)
    joined = core.std.Interleave([once.resize.Point(64, 32), twice])
    numbers = [frame.props["number"] for frame in joined.frames(prefetch=16, close=True)]
    assert numbers == [n for n in range(40) for _ in range(2)]


def test_threads_of_the_host_do_not_run_the_network(engines, threads_of_vapoursynth: int) -> None:
    names = set()
    engines(lambda precision: Enlarger(before=lambda frame: names.add(threading.current_thread().name)))
    out = upscale(numbered(60), num_streams=2)
    assert sum(1 for _ in out.frames(prefetch=8, close=True)) == 60
    assert len(names) <= 2
    assert all("_serve" in name for name in names)


# What goes wrong


def failing(out: vs.VideoNode, n: int) -> str:
    """Ask for a frame and give the last line of what VapourSynth says."""
    with pytest.raises(vs.Error) as caught:
        out.get_frame(n)
    return str(caught.value).strip().splitlines()[-1]


def test_a_failure_is_one_frames_own(engines, threads_of_vapoursynth: int) -> None:
    def before(frame: Tensor) -> None:
        if round(frame[0, 0, 0].item() * 1024) % 10 == 3:
            raise RuntimeError("a shape does not fit")

    engines(lambda precision: Enlarger(before=before))
    out = upscale(numbered(60), num_streams=3)
    futures = [out.get_frame_async(n) for n in range(60)]
    for n, future in enumerate(futures):
        if n % 10 == 3:
            with pytest.raises(vs.Error, match=f"vsfdat.upscale: frame {n}: a shape does not fit"):
                future.result()
        else:
            assert future.result().props["number"] == n
    assert failing(out, 3).endswith("vsfdat.upscale: frame 3: a shape does not fit")  # and again
    assert out.get_frame(4).props["number"] == 4


class Overflowing(Enlarger):
    def __call__(self, frame: Tensor) -> Tensor:
        picture = super().__call__(frame)
        if frame[0, 0, 0] > 0.004:  # from frame 5 on
            picture[1, 3, 3] = float("inf")
        return picture


def test_low_precision_that_overflows_is_run_again_in_fp32(engines, caplog: pytest.LogCaptureFixture) -> None:
    engines(lambda precision: Enlarger() if precision == "fp32" else Overflowing())
    out = upscale(numbered(10), precision="fp16", num_streams=2)
    with caplog.at_level(logging.WARNING):
        for n, frame in enumerate(out.frames(close=True)):
            assert (pixels(frame) == np.float32(n / 1024)).all()
    assert len(caplog.records) == 1
    assert "NaN or Inf in low precision" in caplog.records[0].getMessage()


def test_what_stays_infinite_is_an_error_that_names_the_frame(engines) -> None:
    engines(lambda precision: Overflowing())
    for precision in ("fp32", "bf16"):
        out = upscale(numbered(10), precision=precision)
        assert failing(out, 7).endswith(
            "vsfdat.upscale: frame 7: the network gave NaN or Inf in fp32, so its weights are damaged; "
            "use another model file"
        )
        assert out.get_frame(2).props["number"] == 2


def test_nan_in_the_source_is_named() -> None:
    clip = picture_clip(np.full((3, 4, 4), np.nan, np.float32), vs.RGBS)
    assert failing(upscale(clip), 0).endswith(
        "vsfdat.upscale: frame 0: the source frame holds NaN, repair it before upscaling"
    )


def test_a_matrix_that_cannot_be_undone_is_an_error_that_names_the_frame(engines) -> None:
    engines(lambda precision: Enlarger())
    good = noise(vs.YUV420P8, 16, 12, _Matrix=1)
    out = upscale(core.std.Splice([good, good.std.SetFrameProps(_Matrix=14)]))
    assert out.get_frame(0).width == 32
    assert failing(out, 1).endswith(
        "vsfdat.upscale: frame 1: the YUV matrix is 14 (ICtCp), which needs BT.2020's primaries (9) and the transfer "
        "PQ or HLG (16, 18), and primaries are 2 and transfer 2 (2: not said); if the clip holds something else, say "
        "so with clip.std.SetFrameProps(_Matrix=..., _Primaries=..., _Transfer=...), else convert it to another "
        "matrix first"
    )


def test_out_of_memory_goes_on_in_tiles(engines, caplog: pytest.LogCaptureFixture) -> None:
    sizes = []

    def before(frame: Tensor) -> None:
        sizes.append(tuple(frame.shape[1:]))
        if frame[0].numel() > 40 * 40:
            raise torch.OutOfMemoryError("CUDA out of memory")

    engines(lambda precision: Enlarger(before=before))
    clip = noise(width=100, height=60, length=6)
    with caplog.at_level(logging.WARNING):
        for frame in upscale(clip, num_streams=1).frames(close=True):
            expected = pixels(clip.get_frame(0)).repeat(2, 1).repeat(2, 2)
            np.testing.assert_allclose(pixels(frame), expected, atol=1e-6)
    assert sizes[:4] == [(60, 100), (60, 56), (32, 56), (32, 32)]
    assert set(sizes[4:]) == {(32, 32)}  # remembered
    assert len([record for record in caplog.records if "Out of memory" in record.getMessage()]) == 1


def test_memory_that_is_never_enough_is_an_error(engines) -> None:
    def before(frame: Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    engines(lambda precision: Enlarger(before=before))
    assert failing(upscale(noise()), 0).endswith(
        "vsfdat.upscale: frame 0: out of memory even for a tile of 8x8, "
        "free some memory on the device or use another one"
    )


def clip_of(**arguments: object) -> vs.VideoNode:
    return core.std.BlankClip(**({"format": vs.RGB24, "width": 8, "height": 8, "length": 1} | arguments))


PLAIN: dict[str, object] = {}
BAD = [
    (
        {"compile": True, "engine": "exact"},
        'compile must be False with engine="exact", whose kernels are compiled already',
    ),
    ({"num_streams": 0}, "num_streams must be at least 1, passed 0"),
    ({"num_streams": -2}, "num_streams must be at least 1, passed -2"),
    ({"num_streams": 1.5}, "num_streams must be at least 1, passed 1.5"),
    ({"num_streams": True}, "num_streams must be at least 1, passed True"),
    ({"tile": (0, 64)}, "tile must be (width, height) in pixels, both at least 1, passed (0, 64)"),
    ({"tile": 64}, "tile must be (width, height) in pixels, both at least 1, passed 64"),
    ({"tile": "64"}, "tile must be (width, height) in pixels, both at least 1, passed '64'"),
    ({"tile": (64, 64, 64)}, "tile must be (width, height) in pixels, both at least 1, passed (64, 64, 64)"),
    ({"overlap": -1}, "overlap must be at least 0 pixels, passed -1"),
    ({"overlap": None}, "overlap must be at least 0 pixels, passed None"),
    ({"precision": "fp8"}, "precision must be one of auto, fp32, fp16, bf16, passed 'fp8'"),
    ({"device": "gpu"}, "device must be one of auto, cpu, passed 'gpu'"),
    ({"device": "cuda:1"}, "device 'cuda:1' is not here, use one of auto, cpu"),
    ({"device": []}, "device must be a name or a list of names, passed []"),
    ({"model": "fdat-huge"},
     "model must be one of fdat-tiny-2x, fdat-tiny-2x-fast, fdat-tiny-2x-restore, fdat-tiny-1x-restore, "
     "another of `vsfdat models --all`, or the path of a checkpoint file, passed 'fdat-huge'"),
    ({"model": "missing.pth"}, "model file not found: missing.pth"),
    ({"model": tiny_fdat(num_out_ch=1)},
     "model must have 1 or 3 channels, as many out as in, passed one of 3 in and 1 out"),
    ({"clip": 5}, "clip must be a video clip, passed int"),
    ({"clip": core.std.BlankAudio()}, "clip must be a video clip, passed AudioNode"),
    ({"clip": clip_of(varformat=True)},
     "clip has a variable format, make it constant first, as with clip.resize.Bicubic(format=...)"),
    ({"clip": clip_of(varsize=True)},
     "clip has a variable size, make it constant first, as with clip.resize.Bicubic(width, height)"),
    ({"clip": clip_of(format=vs.GRAY32)},
     "clip must have at most 16 bits where it is integer, passed Gray32; convert it to float first"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sentence"), BAD, ids=[f"{', '.join(given)}: {said[:60]}" for given, said in BAD]
)
def test_bad_arguments(arguments: dict[str, object], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsfdat.engine.device._here", lambda: ["cpu"])
    with pytest.raises(vs.Error) as caught:
        vsfdat.upscale(**({"clip": clip_of(), "model": TINY, "device": "cpu"} | arguments))
    assert str(caught.value) == f"vsfdat.upscale: {sentence}"


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(vs.Error, match=r"^vsfdat.upscale: engine must be one of .*, passed 'quick'$"):
        upscale(noise(), engine="quick")


def test_a_clip_in_gpu_memory_is_brought_back() -> None:
    """By VapourSynth's own function, newer than what the tests have."""

    class OnGpu:
        gpu_resident = True

        def __init__(self, clip: vs.VideoNode) -> None:
            self.std = SimpleNamespace(GPUDownload=lambda: clip)

    brought, plain = (upscale(clip).get_frame(0) for clip in (OnGpu(noise()), noise()))
    np.testing.assert_array_equal(pixels(brought), pixels(plain))


# What stays


@pytest.fixture
def held(engines) -> list[weakref.ref[Tensor]]:
    """Have engines with weights, and know of these whether they live."""
    held: list[weakref.ref[Tensor]] = []

    def make(precision: str) -> Enlarger:
        weights = torch.ones(10)
        held.append(weakref.ref(weights))
        return Enlarger(before=lambda frame: weights.sum())

    engines(make)
    return held


def test_a_dropped_clip_takes_everything_with_it(held) -> None:
    threads = threading.active_count()
    out = upscale(numbered(20), num_streams=3)
    for n in range(5):
        out.get_frame(n)
    assert len(held) == 3
    assert all(weights() is not None for weights in held)
    del out
    deadline = time.monotonic() + 10
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    gc.collect()
    assert threading.active_count() <= threads
    assert all(weights() is None for weights in held)


def test_the_end_of_the_core_frees_what_a_living_clip_holds(held, monkeypatch: pytest.MonkeyPatch) -> None:
    at_the_end = []
    monkeypatch.setattr(vs, "register_on_destroy", at_the_end.append)
    monkeypatch.setattr(vs, "unregister_on_destroy", at_the_end.remove)
    threads = threading.active_count()
    out = upscale(numbered(20), num_streams=2)
    out.get_frame(0)
    (free,) = at_the_end
    free()
    assert threading.active_count() <= threads  # a clip of the test before may have been ending when they were counted
    assert all(weights() is None for weights in held)
    assert failing(out, 9).endswith("vsfdat.upscale: frame 9: the clip was freed before this frame's turn")


@pytest.mark.slow
def test_20_reloads_in_one_process_leave_nothing_behind() -> None:
    """A previewer keeps its process and gives the script a fresh core each time; see reload_often.py."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.reload_often"],
        capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    rows = [[int(number) for number in line.split()] for line in done.stdout.splitlines()]
    assert len(rows) == 20
    threads, tensors, objects, megabytes = map(list, zip(*rows, strict=True))
    assert set(threads) == {threads[0]}
    assert set(tensors[1:]) == {tensors[1]}
    assert max(objects[1:]) - min(objects[1:]) <= 20
    # Each load brings 48 MB of weights: kept ones would add up to 900 MB.
    assert max(megabytes[5:]) - min(megabytes[5:]) < 150
