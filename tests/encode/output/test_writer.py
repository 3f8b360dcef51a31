"""What encoders are told beside their options: threads, pixel formats, times, and how loud they may be."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests.encode.clips import Recipe, decode, packets
from tests.fast_loop import parametrize
from vsfdat.encode import job
from vsfdat.encode.output import codecs, encoders
from vsfdat.encode.output.encoding import SegmentEncoder
from vsfdat.encode.output.video import Video
from vsfdat.errors import EncodeError

SMALL = Recipe(size=(64, 64), audio=None)


def settings_in(path: Path, library: bytes) -> str:
    """Read the settings that an encoder leaves in its stream."""
    content = path.read_bytes()
    return content[content.index(library) :].partition(b"\0")[0].decode("ascii", "replace")


@pytest.mark.slow
def test_x264_works_on_frames_and_not_on_slices_of_one(run) -> None:
    """PyAV's default has a slice for each thread: slower, and larger by what slices do not know of each other."""
    output, _ = run(SMALL)
    settings = settings_in(output, b"x264 - core")
    assert "sliced_threads=0" in settings
    assert int(re.search(r" threads=(\d+)", settings)[1]) > 1
    assert "slices=" not in settings


@pytest.mark.slow
def test_x265_works_on_frames_too(run) -> None:
    """And, in pictures of some height, on rows: its own default, which FFmpeg's way of threading leaves alone."""
    output, _ = run(SMALL, codec="hevc")
    settings = settings_in(output, b"x265 (build")
    assert re.search(r" frame-threads=[1-9]", settings)
    assert " slices=1 " in settings


@pytest.mark.slow
def test_ffv1_works_on_24_slices_of_a_frame(run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    finish = SegmentEncoder.finish
    monkeypatch.setattr(
        SegmentEncoder, "finish", lambda self: (seen.append(self._stream.codec_context), finish(self))[1]
    )
    output, _ = run(SMALL, (".mkv", ".mkv"), codec="ffv1")
    assert seen[0].active_thread_type == av.codec.context.ThreadType.SLICE
    assert seen[0].options == {}  # FFmpeg took "slices", too
    assert len(decode(output)) == 20


@parametrize("size", [(4, 4), (16, 4), (4, 16)], quick=[(4, 4)])
def test_ffv1_takes_pictures_too_small_for_24_slices(run, size: tuple[int, int]) -> None:
    output, _ = run(replace(SMALL, size=size), (".mkv", ".mkv"), codec="ffv1")
    assert len(decode(output)) == 20


@pytest.mark.slow
def test_encoders_write_nothing_to_the_terminal() -> None:
    """In a process of its own, as libraries read once how loud they may be."""
    script = """
import av
from vsfdat.encode.output.codecs import find_codec
for name in ("h264", "hevc", "av1", "ffv1"):
    codec = find_codec(name)
    context = av.CodecContext.create(codec.encoder.name, "w")
    context.width, context.height, context.framerate, context.pix_fmt = 128, 96, 25, "yuv420p10le"
    context.options = codec.build_options(None, None)
    codec.encoder.open(context)
    frames = [av.VideoFrame(128, 96, "yuv420p10le") for _ in range(3)]
    assert sum(packet.size for frame in [*frames, None] for packet in context.encode(frame))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_how_loud_the_user_wants_a_library_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []
    context = SimpleNamespace(open=lambda: heard.append(os.environ["SVT_LOG"]))
    monkeypatch.setenv("SVT_LOG", "4")
    encoders.SVT_AV1.open(context)
    monkeypatch.delenv("SVT_LOG")
    encoders.SVT_AV1.open(context)
    assert heard == ["4", "1"]
    assert "SVT_LOG" not in os.environ


def test_what_the_encoder_refuses_is_told_in_its_own_words(run, tmp_path: Path, monkeypatch) -> None:
    careless = replace(codecs.find_codec("hevc"), least_side=1)
    monkeypatch.setattr(job, "find_codec", lambda name, encoder: careless)
    with pytest.raises(EncodeError) as caught:
        run(replace(SMALL, size=(8, 4)), codec="hevc")
    assert str(caught.value) == "hevc cannot encode 16x8 with crf 18, preset medium (Image size is too small (16x8))"
    assert [path.name for path in tmp_path.iterdir()] == ["source.mkv"]


@pytest.mark.slow
def test_interleaved_chroma_gives_the_same_picture(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As hardware wants it; x264 takes both."""
    output, _ = run(SMALL)
    before = packets(output, "video")
    output.unlink()
    plain = codecs.find_codec("h264")
    interleaved = replace(plain, encoder=replace(plain.encoder, is_interleaved=True))
    monkeypatch.setattr(job, "find_codec", lambda name, encoder: interleaved)
    output, _ = run(SMALL)
    assert packets(output, "video") == before


def test_ten_bits_are_interleaved_to_the_bit() -> None:
    """Which no encoder here takes, and hardware does: in the high bits, U and V in turn."""
    planar = av.VideoFrame(64, 48, "yuv420p10le")
    y, u, v = (np.random.default_rng(0).integers(0, 1024, shape, np.uint16) for shape in ((48, 64), (24, 32), (24, 32)))
    for plane, pixels in zip(planar.planes, (y, u, v), strict=True):
        rows = np.frombuffer(plane, np.uint16).reshape(pixels.shape[0], -1)
        rows[:, : pixels.shape[1]] = pixels
    form = vs.core.query_video_format(vs.YUV, vs.INTEGER, 10, 1, 1)
    hardware = codecs.find_codec("hevc", "nvenc").encoder
    luma, chroma = planar.reformat(format=hardware.pixel_format(form)).planes
    assert hardware.pixel_format(form) == "p010le"
    assert (np.frombuffer(luma, np.uint16).reshape(48, -1)[:, :64] == y << 6).all()
    assert (np.frombuffer(chroma, np.uint16).reshape(24, -1)[:, :64] == np.stack([u, v], 2).reshape(24, 64) << 6).all()


@pytest.mark.parametrize(
    ("codec", "encoder", "bits", "pixel_format"),
    [
        ("h264", "nvenc", 8, "nv12"),
        ("h264", "qsv", 10, "nv12"),
        ("hevc", "amf", 8, "p010le"),
        ("av1", "qsv", 10, "p010le"),
    ],
)
def test_hardware_gets_the_bits_that_it_takes(codec: str, encoder: str, bits: int, pixel_format: str) -> None:
    found = codecs.find_codec(codec, encoder)
    form = found.choose_format(vs.core.query_video_format(vs.YUV, vs.INTEGER, bits, 1, 1))
    assert found.encoder.pixel_format(form) == pixel_format
    assert pixel_format in {each.name for each in av.Codec(found.encoder.name, "w").video_formats}


def test_times_that_an_encoder_rounds_still_find_their_frame() -> None:
    """Intel's counts in 1/90000 s."""
    video = SimpleNamespace(starts=[0, 400, 1000, 1010])
    found = [Video.number_at(video, pts) for pts in (-3, 0, 3, 397, 400, 699, 701, 1004, 1006, 5000)]
    assert found == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]


@pytest.mark.slow
@parametrize(("ending", "tag"), [(".mp4", "hvc1"), (".mov", "hvc1"), (".mkv", None)], quick=[(".mp4", "hvc1")])
def test_apple_finds_hevc_under_the_name_that_it_knows(run, ending: str, tag: str | None) -> None:
    output, _ = run(SMALL, (".mkv", ending), codec="hevc")
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.codec_tag == (tag or "\0\0\0\0")


@pytest.mark.slow
@parametrize("frames", [1, 3], quick=[3])
def test_films_of_few_frames_have_times(run, frames: int) -> None:
    """More than once, because libx265's own times depend on what its memory holds."""
    for _ in range(4):
        output, _ = run(replace(SMALL, pts=SMALL.pts[:frames]), codec="hevc", overwrite=True)
        with av.open(str(output)) as container:
            found = [packet for packet in container.demux(video=0) if packet.size]
        assert len(found) == frames
        assert all(packet.dts <= packet.pts for packet in found)
        assert [packet.dts for packet in found] == sorted({packet.dts for packet in found})
