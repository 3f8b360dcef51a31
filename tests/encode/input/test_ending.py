"""A file's end is where its packets end, whatever its header promises."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.encode.clips import Recipe, make_video
from tests.encode.damaged import count_frames, cut_off, remux
from tests.fast_loop import parametrize
from vsfdat.encode import Settings, upscale_file
from vsfdat.encode.input.source import open_source
from vsfdat.errors import EncodeError
from vsfdat.options import UpscaleOptions

# Four seconds, in so many bytes that a share of them is the same share of the time.
LONG = Recipe(pts=range(100), time_base=Fraction(1, 25), options={"crf": "18", "g": "10", "bf": "0"})
FASTSTART = {"movflags": "+faststart"}


@parametrize(
    ("name", "options"),
    [("a.mp4", FASTSTART), ("a.mov", FASTSTART), ("a.mkv", {}), ("a.flv", {}), ("a.avi", {})],
    quick=[("a.mp4", FASTSTART), ("a.mkv", {})],
)
def test_a_download_that_stopped_is_told_and_ends_where_its_packets_do(name, options, tmp_path: Path, caplog) -> None:
    plain = make_video(tmp_path / f"plain{Path(name).suffix}", LONG)
    path = cut_off(remux(plain, tmp_path / name, options=options), 0.5)
    source = open_source(path)
    frames = count_frames(path)
    assert len(source.pts) == frames < 60
    typical = round(Fraction(1, 25) / source.time_base)
    assert source.end - source.pts[-1] == pytest.approx(typical, abs=1)
    assert source.frame_rate == pytest.approx(25, rel=0.02)
    [message] = caplog.messages
    ends, promised, share = map(float, (word for word in message.replace(f"{path}", "").split() if word[0].isdigit()))
    assert message == (
        f"{path}: ends at {ends:.2f} s, and its header promises {promised:.2f} s: {share:.0f} % of it is missing, "
        "as when a download stopped."
    )
    assert (ends, promised) == (pytest.approx(frames / 25, abs=0.13), pytest.approx(4, abs=0.13))
    assert share == pytest.approx(100 * (1 - ends / promised), abs=1)


NAMES = ["a.mp4", "a.mov", "a.mkv", "a.flv", "a.avi", "a.ts", "a.mpg", "a.h264"]


@parametrize("name", NAMES, quick=["a.mp4", "a.h264"])
def test_whole_files_miss_nothing(name: str, tmp_path: Path, caplog) -> None:
    encoder = "mpeg2video" if name == "a.mpg" else "libx264"
    audio = {"a.h264": None, "a.mpg": "mp2"}.get(name, "aac")
    recipe = Recipe(pts=LONG.pts, time_base=LONG.time_base, encoder=encoder, audio=audio, options={"bf": "2"})
    source = open_source(make_video(tmp_path / name, recipe))
    assert len(source.pts) == 100
    assert [message for message in caplog.messages if "constant" not in message] == []
    assert source.frame_rate == pytest.approx(25)


def test_sound_that_plays_on_is_not_missing_pictures(tmp_path: Path, caplog) -> None:
    for name in ("a.mp4", "a.mkv"):
        path = make_video(tmp_path / name, Recipe(pts=[0, 512, 1024, 128000]))  # the sound lasts ten seconds
        source = open_source(remux_without_the_last_picture(path))
        assert len(source.pts) == 3
        assert source.end * source.time_base == pytest.approx(0.12, abs=0.001)
    assert caplog.messages == []


def remux_without_the_last_picture(path: Path) -> Path:
    target = path.with_stem("short")
    with av.open(str(path)) as old, av.open(str(target), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.size and (packet.stream.type == "audio" or packet.pts * packet.time_base < 1):
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    return target


def test_the_last_picture_stays_as_long_as_its_packet_says(tmp_path: Path) -> None:
    path = tmp_path / "slides.mp4"
    plain = make_video(tmp_path / "plain.mp4", Recipe(audio=None, options={"bf": "0"}))
    with av.open(str(plain)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(packet for packet in old.demux() if packet.size):
            packet.duration = 51200 if number == 19 else 512
            packet.stream = stream
            new.mux(packet)
    source = open_source(path)
    assert (source.end - source.pts[-1]) * source.time_base == 4


@pytest.mark.slow
def test_the_output_of_half_a_film_has_the_films_rate(tmp_path: Path, model: Path) -> None:
    path = cut_off(remux(make_video(tmp_path / "plain.mp4", LONG), tmp_path / "half.mp4", options=FASTSTART), 0.5)
    upscale_file(path, tmp_path / "output.mp4", Settings(upscale=UpscaleOptions(model=model, device="cpu")))
    with av.open(str(tmp_path / "output.mp4")) as container:
        video = container.streams.video[0]
        assert video.average_rate == 25
        assert video.duration * video.time_base == Fraction(count_frames(path), 25)


def test_a_download_that_stopped_before_the_index_is_told(tmp_path: Path) -> None:
    path, empty = cut_off(make_video(tmp_path / "film.mp4", LONG), 0.8), tmp_path / "empty.mkv"
    empty.touch()
    for culprit, why in [
        (path, "its index is missing, as when a download or a recording stopped"),
        (empty, "it is empty"),
    ]:
        with pytest.raises(EncodeError) as caught:
            open_source(culprit)
        assert str(caught.value) == f"{culprit}: not a readable video file ({why})"
