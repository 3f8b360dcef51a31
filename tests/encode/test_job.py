import gc
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests.encode.clips import Recipe, click_time, decode, make_video, packets
from tests.encode.interrupts import stop_after
from tests.fast_loop import parametrize
from vsfdat import pipeline, plugin
from vsfdat.encode import Settings, upscale_file, work
from vsfdat.encode.makers import pump
from vsfdat.encode.output.encoding import SegmentEncoder
from vsfdat.errors import EncodeError, VsfdatError
from vsfdat.options import UpscaleOptions

VARYING = (0, 512, 1200, 1300, 4000, 4100, 9000, 9600, 12000, 13000, 13100, 20000)


def times(path: Path) -> list[Fraction]:
    return [seconds for seconds, _ in packets(path, "video")]


def test_upscales_frames_and_copies_the_sound_bit_by_bit(run, tmp_path: Path) -> None:
    output, outcome = run(Recipe())
    frames = decode(output)
    assert (len(frames), frames[0].width, frames[0].height) == (20, 64, 48)
    assert (outcome.frames, outcome.total, outcome.width, outcome.height) == (20, 20, 64, 48)
    assert [data for _, data in packets(output, "audio")] == [
        data for _, data in packets(tmp_path / "source.mkv", "audio")
    ]
    assert click_time(output) == pytest.approx(0.5, abs=0.002)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.mp4", "source.mkv"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("endings", "time_base", "stretch"),
    [((".mp4", ".mp4"), Fraction(1, 12800), 1), ((".ts", ".mp4"), Fraction(1, 90000), 7)],
    ids=["film", "broadcast"],
)
def test_varying_times_are_kept_to_the_tick(run, tmp_path: Path, endings, time_base, stretch) -> None:
    pts = [value * stretch for value in VARYING]
    output, _ = run(Recipe(pts=pts, time_base=time_base), endings)
    found = times(output)
    assert [seconds - found[0] for seconds in found] == [value * time_base for value in pts]
    with av.open(str(tmp_path / f"source{endings[0]}")) as container:
        begins = Fraction(container.start_time, 1_000_000) if endings[0] == ".ts" else 0
    assert found[0] == pytest.approx(times(tmp_path / f"source{endings[0]}")[0] - begins, abs=1e-5)


def test_a_cut_moves_picture_sound_and_subtitles_together(run) -> None:
    recipe = Recipe(subtitles=[(0.05, 0.1, "gone"), (0.3, 0.2, "kept")])
    output, outcome = run(recipe, (".mkv", ".mkv"), start=0.2, end=0.7)
    assert outcome.total == outcome.frames == len(decode(output)) == 13  # at 25 a second, from 0.20 to 0.68
    assert times(output)[0] == 0
    assert click_time(output) == pytest.approx(0.3, abs=0.002)
    assert packets(output, "subtitles") == [(Fraction(1, 10), b"kept")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "codec", "pixel_format"),
    [
        (Recipe(), "h264", "yuv420p"),
        (Recipe(), "hevc", "yuv420p10le"),
        (Recipe(size=(64, 64)), "av1", "yuv420p10le"),
        (Recipe(is_full_range=True, matrix=5, primaries=6, transfer=6), "h264", "yuvj420p"),
        (Recipe(matrix=9, primaries=9, transfer=16, pixel_format="yuv420p10le"), "hevc", "yuv420p10le"),
        (Recipe(matrix=6, pixel_format="yuv444p", encoder="ffv1", options={}), "ffv1", "yuv444p10le"),
    ],
    ids=["h264", "hevc", "av1", "full range", "HDR", "lossless"],
)
def test_colours_are_carried_over(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recipe, codec, pixel_format):
    monkeypatch.setattr(plugin, "upscale", enlarge)
    output, _ = run(recipe, (".mkv", ".mkv"), codec=codec, crf=None if codec == "ffv1" else 2)
    with av.open(str(output)) as container:
        found = container.streams.video[0].codec_context
        assert found.pix_fmt == pixel_format
        described = (found.colorspace, found.color_primaries, found.color_trc, found.color_range)
    assert described == (recipe.matrix, recipe.primaries, recipe.transfer, 2 if recipe.is_full_range else 1)
    assert (
        np.abs(bars(output) - bars(tmp_path / "source.mkv")).max() < 4
    )  # of 255; a wrong matrix makes it 18, a wrong range 13


def enlarge(clip, **_):
    """Stand in for the network: its colours are right by definition, so all that is measured is the way there."""
    rgb = clip.resize.Bicubic(format=vs.RGBS)
    return rgb.resize.Point(clip.width * 2, clip.height * 2)


def bars(path: Path) -> np.ndarray:
    """Average the middle of the four bars in the first frame, RGB by the file's own word."""
    frame = decode(path)[0]
    rgb = frame.to_ndarray(format="rgb24", src_colorspace=frame.colorspace, src_color_range=frame.color_range)
    height, width = rgb.shape[:2]
    middles = [slice(width * bar // 4 + width // 12, width * (bar + 1) // 4 - width // 12) for bar in range(4)]
    return np.array([rgb[height // 4 : -height // 4, middle].mean((0, 1)) for middle in middles])


@pytest.mark.slow
def test_a_missing_matrix_is_settled_and_written_down(run, caplog: pytest.LogCaptureFixture) -> None:
    output, _ = run(Recipe(matrix=2))
    assert caplog.messages == [
        "The file does not say which YUV matrix it has; taken as BT.601 for 32x24, and the output says so."
    ]
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.colorspace == 6


@pytest.mark.slow
def test_pixels_stay_as_wide_and_height_can_be_chosen(run) -> None:
    output, outcome = run(Recipe(sample_aspect=Fraction(8, 9)), upscale={"height": 36})
    with av.open(str(output)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(8, 9)
    assert (outcome.width, outcome.height) == (48, 36)


@pytest.mark.slow
def test_pixels_are_made_square_where_that_is_asked_for(run) -> None:
    output, outcome = run(Recipe(sample_aspect=Fraction(8, 9)), upscale={"square_pixels": True})
    with av.open(str(output)) as container:
        assert container.streams.video[0].sample_aspect_ratio in (None, 1)
    assert (outcome.width, outcome.height) == (56, 48)


@pytest.mark.slow
def test_repeated_drawings_are_counted_and_come_out_alike(run, tmp_path: Path, model: Path) -> None:
    held, outcome = run(Recipe(encoder="ffv1", drawn_on=2, options={}), (".mkv", ".mkv"), codec="ffv1")
    assert outcome.remark == "10 of 20 frames (50%) repeat earlier ones and were not computed again"
    every = tmp_path / "every.mkv"
    options = UpscaleOptions(model=model, device="cpu", engine="reference", dedup=None)
    assert upscale_file(tmp_path / "source.mkv", every, Settings(codec="ffv1", upscale=options)).remark is None
    assert packets(held, "video") == packets(every, "video")


@pytest.mark.slow
@parametrize("pixel_format", ["bgr0", "gray"], quick=["gray"])
def test_rgb_and_gray_become_yuv(run, pixel_format: str) -> None:
    output, _ = run(Recipe(encoder="ffv1", pixel_format=pixel_format, matrix=0, options={}))
    assert decode(output)[0].format.name == "yuv420p"


def test_interrupting_leaves_a_playable_file(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stop_after(monkeypatch, 5)
    output, outcome = run(Recipe(), keep_partial=True)
    assert not outcome.is_whole
    assert 5 <= len(decode(output)) == outcome.frames <= 5 + vs.core.num_threads + 1 + pump.PICTURES_AHEAD
    seconds, _ = packets(output, "audio")[-1]
    assert seconds < outcome.frames / 25
    assert not list(tmp_path.glob("*.partial*"))


def test_a_failing_frame_leaves_nothing_behind(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def failing(clip, **_):
        def select(n, f):
            if n == 7:
                raise ValueError("the network broke")
            return f

        rgb = clip.resize.Point(format=vs.RGBS)
        return rgb.std.ModifyFrame(rgb, select)

    monkeypatch.setattr(plugin, "upscale", failing)
    with pytest.raises(EncodeError, match="the network broke"):
        run(Recipe())
    assert [path.name for path in tmp_path.iterdir()] == ["source.mkv"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codec": "ffv1", "crf": 3}, "--crf does not apply to ffv1, which is lossless"),
        ({"codec": "vp8"}, "codec must be one of h264, hevc, av1, ffv1, passed 'vp8'"),
        ({"codec": "ffv1"}, "ffv1 does not fit into mov, choose an output that ends in .mkv"),
        ({"start": 5}, "{source}: no frame from 5 s to its end, it lasts 0.80 s"),
        ({"start": 0.3, "end": 0.3}, "{source}: no frame from 0.3 s to 0.3 s, it lasts 0.80 s"),
        ({"upscale": {"num_streams": 0}}, "num_streams must be at least 1, passed 0"),
        ({"preset": "warp"},
         "preset must be one of ultrafast, superfast, veryfast, faster, fast, medium, slow, slower, veryslow, placebo "
         "for h264, passed 'warp'"),
        ({"codec": "av1", "preset": "14"},
         "preset must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 for av1, passed '14'"),
        ({"crf": 99}, "crf must be from 0 to 51 for h264, passed 99"),
        ({"codec": "hevc", "crf": 99}, "crf must be from 0 to 51 for hevc, passed 99"),
        ({"codec": "av1", "crf": -1}, "crf must be from 0 to 63 for av1, passed -1"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_do_not_fit_are_told_in_one_sentence(run, tmp_path: Path, settings, message) -> None:
    with pytest.raises((EncodeError, ValueError)) as caught:
        run(Recipe(), (".mp4", ".mov"), **settings)
    assert str(caught.value) == message.format(source=tmp_path / "source.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


def test_files_that_are_not_what_they_should_be_are_told_in_one_sentence(tmp_path: Path) -> None:
    text, sound, video = tmp_path / "notes.mp4", tmp_path / "sound.mka", make_video(tmp_path / "video.mkv")
    text.write_text("not a film")
    with av.open(str(sound), "w") as output:
        output.add_stream("flac", rate=48000, layout="mono")
    output = tmp_path / "output.mp4"
    for path, target, message in [
        (tmp_path / "none.mp4", output, f"input not found: {tmp_path / 'none.mp4'}"),
        (text, output, f"{text}: not a readable video file (Invalid data found when processing input)"),
        (video, video, f"output is the input: {video}"),
        (video, text, f"output exists: {text} (pass --overwrite to replace it)"),
        (video, tmp_path / "no" / "o.mp4", f"output folder not found: {tmp_path / 'no'}"),
        (video, Path("/proc/o.mkv"), "/proc/o.mkv: cannot be written (No such file or directory)"),
        (video, tmp_path / "o.avi", "output must end in .mkv, .mp4, .mov or .webm, passed 'o.avi'"),
        (video, tmp_path / "noext", "output must end in .mkv, .mp4, .mov or .webm, passed 'noext'"),
        (video, tmp_path / "o.webm", "h264 does not fit into webm, choose an output that ends in .mkv"),
    ]:
        with pytest.raises(EncodeError) as caught:
            upscale_file(path, target, Settings())
        assert str(caught.value) == message
    assert text.read_text() == "not a film"


@pytest.mark.parametrize(
    ("settings", "ending", "message"),
    [
        ({}, ".avi", "output must end in "),
        ({"codec": "ffv1"}, ".mov", "ffv1 does not fit into mov"),
        ({"preset": "warp"}, ".mp4", "preset must be one of "),
        ({"upscale": {"model": "best"}}, ".mp4", "model must be one of "),
    ],
)
def test_what_the_arguments_show_is_told_before_the_file_is_read(run, monkeypatch, settings, ending, message) -> None:
    monkeypatch.setattr(work, "open_source", lambda path: pytest.fail("minutes of indexing"))
    with pytest.raises(VsfdatError, match=message):
        run(Recipe(), (".mp4", ending), **settings)


def test_endings_may_be_upper_case(run) -> None:
    output, _ = run(Recipe(), (".mkv", ".MP4"))
    head = output.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")  # an index up front, for players on the web


def test_a_file_that_is_called_partial_is_left_alone(run, tmp_path: Path) -> None:
    mine = tmp_path / "output.partial.mp4"
    mine.write_text("mine")
    output, _ = run(Recipe())
    assert (mine.read_text(), len(decode(output))) == ("mine", 20)


@pytest.mark.slow
@parametrize("location", [0, 2], quick=[2], ids=["left", "top left"])
@parametrize("codec", ["h264", "hevc", "av1"], quick=["hevc"])
def test_the_place_of_chroma_is_written_down(run, codec: str, location: int) -> None:
    options = {"crf": "1", "chroma_sample_location": str(location + 1)}
    output, _ = run(Recipe(size=(64, 64), options=options), (".mp4", ".mkv"), codec=codec)
    frame = vs.core.bs.VideoSource(str(output), cachemode=0).get_frame(0)
    assert frame.props["_ChromaLocation"] == location


def test_odd_sizes_and_transparency_are_said_to_be_lost(run, caplog: pytest.LogCaptureFixture) -> None:
    recipe = Recipe(size=(63, 47), encoder="ffv1", pixel_format="yuva420p", options={})
    _, outcome = run(recipe)
    assert (outcome.width, outcome.height) == (124, 92)
    assert caplog.messages == [
        "Pictures of 63x47 cannot be held with chroma of half the size; the last column or row is cut off.",
        "The file's transparency is left out.",
    ]


@pytest.mark.slow
def test_a_slow_encoder_is_noticed(run, monkeypatch: pytest.MonkeyPatch) -> None:
    write = SegmentEncoder.write
    monkeypatch.setattr(SegmentEncoder, "write", lambda self, picture: (time.sleep(0.1), write(self, picture)))
    monkeypatch.setattr(vs.core, "num_threads", 1)
    _, outcome = run(Recipe())
    assert outcome.remark is not None
    assert "the network waited for the encoder" in outcome.remark


@pytest.mark.slow
def test_a_film_that_is_done_leaves_nothing_for_the_collector(run) -> None:
    """Or the next film of a batch finds the last one's frames and maps where it wants its own."""
    gc.collect()
    gc.disable()
    try:
        run(Recipe())
        assert not pipeline._open
    finally:
        gc.enable()
