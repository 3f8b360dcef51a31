"""Files that do not say when each frame is shown, or say it badly: discs, AVI, raw streams, joined recordings."""

import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
import vapoursynth as vs

from tests.encode.clips import Recipe, click_time, decode, make_video, packets
from tests.encode.damaged import remux
from tests.fast_loop import parametrize
from vsfdat.encode import Settings, upscale_file
from vsfdat.encode.input import source as source_module
from vsfdat.encode.input.source import open_source
from vsfdat.errors import EncodeError
from vsfdat.options import UpscaleOptions

AT_25 = {"pts": range(20), "time_base": Fraction(1, 25)}
B_FRAMES = {"bf": "2", "b": "2000000"}
DISC = Recipe(encoder="mpeg2video", audio="mp2", options=B_FRAMES, **AT_25)
UNTIMED = {
    "disc.mpg": DISC,
    "disc.vob": Recipe(encoder="mpeg2video", audio="ac3", options=B_FRAMES, **AT_25),
    "old.mpg": Recipe(encoder="mpeg1video", audio="mp2", options=B_FRAMES, **AT_25),
    "film.avi": Recipe(encoder="mpeg4", audio="mp3", options=B_FRAMES, **AT_25),
    "raw.h264": Recipe(audio=None, **AT_25),
    "raw.m2v": Recipe(encoder="mpeg2video", audio=None, options=B_FRAMES, **AT_25),
}


@pytest.mark.slow
@parametrize("name", UNTIMED, quick=["disc.vob", "raw.h264"])
def test_files_without_times_are_upscaled_in_step_with_their_sound(name: str, tmp_path: Path, model: Path) -> None:
    source, output = make_video(tmp_path / name, UNTIMED[name]), tmp_path / "output.mkv"
    upscale_file(source, output, Settings(upscale=UpscaleOptions(model=model, device="cpu")))
    times = [seconds for seconds, _ in packets(output, "video")]
    assert [float(later - times[0]) for later in times] == pytest.approx([n / 25 for n in range(20)], abs=0.001)
    assert float(times[0]) == pytest.approx(float(begin(source)), abs=0.001)
    if UNTIMED[name].audio:
        assert click_time(output) + float(begin_of_file(source)) == pytest.approx(click_time(source), abs=0.002)


def begin(path: Path) -> Fraction:
    """Read when a file's video begins, from when the file does."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        return (video.start_time or 0) * Fraction(video.time_base) - begin_of_file(path)


def begin_of_file(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        return Fraction(container.start_time or 0, 1_000_000)


def test_frames_of_discs_keep_their_varying_times(tmp_path: Path, monkeypatch) -> None:
    """As those of a film on a disc for televisions do, each of which stays for two fields or for three."""
    ticks = [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28]
    whole = {"g": "1", "qmin": "1", "qmax": "1", "b": "20000000"}  # so large that each has a packet of its own
    path = make_video(tmp_path / "film.mpg", replace(DISC, size=(720, 480), pts=ticks, options=whole))
    monkeypatch.setattr(
        "vsfdat.encode.input.source.index_frames", lambda path, *_: (vs.core.bs.VideoSource(str(path), cachemode=0), [])
    )
    source = open_source(path)
    assert [value - source.pts[0] for value in source.pts] == [3600 * tick for tick in ticks]
    assert (source.pts[0] - source.origin) * source.time_base == pytest.approx(begin(path), abs=1e-4)


def test_a_constant_rate_begins_where_the_video_does(tmp_path: Path, monkeypatch, caplog) -> None:
    path = make_video(tmp_path / "disc.mpg", DISC)
    monkeypatch.setattr("vsfdat.encode.input.source._ffmpeg_times", lambda path, stream: [])
    source = open_source(path)
    assert (source.pts[0] - source.origin) * source.time_base == pytest.approx(begin(path), abs=1e-4)
    assert source.pts[1] - source.pts[0] == 3600
    assert caplog.messages == [
        "The file does not say when each frame is shown; taken as a constant 25.000 frames a second."
    ]


@pytest.mark.parametrize("ending", [".ts", ".mpg"])
def test_a_clock_that_jumps_back_is_the_inputs_fault(ending: str, tmp_path: Path, model: Path) -> None:
    part = make_video(tmp_path / f"part{ending}", DISC)
    joined = tmp_path / f"joined{ending}"
    joined.write_bytes(part.read_bytes() * 2)
    with pytest.raises(EncodeError) as caught:
        upscale_file(joined, tmp_path / "output.mkv", Settings(upscale=UpscaleOptions(model=model, device="cpu")))
    assert str(caught.value) == (
        f"{joined}: its clock jumps back midway, as in joined recordings; "
        f'give it one clock first, as with: ffmpeg -i "joined{ending}" -c copy "joined.mkv"'
    )


def test_a_damaged_disc_is_upscaled_all_the_same(tmp_path: Path, model: Path) -> None:
    path, output = make_video(tmp_path / "disc.mpg", DISC), tmp_path / "output.mkv"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    path.write_bytes(content)
    upscale_file(path, output, Settings(upscale=UpscaleOptions(model=model, device="cpu")))
    assert len(decode(output)) == vs.core.bs.VideoSource(str(path), cachemode=0).num_frames


@pytest.mark.parametrize("encoder", ["libvpx", "libvpx-vp9"])
def test_transparency_beside_the_pictures_is_told_too(encoder: str, tmp_path: Path, caplog) -> None:
    plain = make_video(tmp_path / "plain.webm", Recipe(encoder=encoder, audio="libopus", options={}))
    path = remux(plain, tmp_path / "film.webm", dress=lambda video: video.metadata.update(alpha_mode="1"))
    open_source(path)
    assert caplog.messages == ["The file's transparency is left out."]


def test_transparency_is_not_decoded_for_nothing(tmp_path: Path) -> None:
    path = make_video(tmp_path / "film.mkv", Recipe(encoder="ffv1", pixel_format="yuva420p", options={}))
    with open_source(path).clip.get_frame(0) as frame:
        assert "_Alpha" not in frame.props


def test_a_file_is_opened_without_a_temporary_one(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "full"))
    assert len(open_source(make_video(tmp_path / "film.mkv")).pts) == 20
    assert caplog.messages == []


def test_one_frame_is_a_film(tmp_path: Path, caplog) -> None:
    source = open_source(make_video(tmp_path / "film.mkv", Recipe(pts=[0], audio=None)))
    assert (len(source.pts), source.end, caplog.messages) == (1, 40, [])


def test_a_single_wrong_time_costs_no_other_its_own(tmp_path: Path, monkeypatch, caplog) -> None:
    """As in a recording with a gap, after which a decoder shows a picture out of turn."""
    pts = [0, 40, 100, 120, 300, 320, 400, 420, 500, 540]
    path = make_video(tmp_path / "film.mkv", Recipe(pts=pts, time_base=Fraction(1, 1000)))
    index_whole = source_module.index_frames

    def index_wrongly(path: Path, *stream: object):
        clip, stamps = index_whole(path, *stream)
        return clip, [*stamps[:6], 0, *stamps[7:]]

    monkeypatch.setattr(source_module, "index_frames", index_wrongly)
    assert open_source(path).pts == [*pts[:6], 370, *pts[7:]]
    assert caplog.messages == [
        f"{path}: 1 of 10 frames have a wrong time or none; they are shown between those around them."
    ]


def test_folders_and_files_without_a_frame_are_told_in_one_sentence(tmp_path: Path) -> None:
    path = make_video(tmp_path / "film.mkv", Recipe(audio=None))
    with av.open(str(path)) as container:
        first = next(container.demux(video=0))
    path.write_bytes(path.read_bytes()[: first.pos + 50])
    for culprit, message in [
        (tmp_path, f"input is a folder, name a video file in it: {tmp_path}"),
        (path, f"{path}: its video cannot be decoded (not one frame of it)"),
    ]:
        with pytest.raises(EncodeError) as caught:
            open_source(culprit)
        assert str(caught.value) == message
