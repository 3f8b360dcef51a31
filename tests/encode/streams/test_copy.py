import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import pytest

from tests.encode.clips import Recipe, click_time, decode, make_video, packets
from tests.encode.interrupts import stop_after
from tests.encode.streams.films import chapters_of, make_sounding, packet_of, remake, set_chapters
from tests.fast_loop import parametrize
from vsfdat.encode import Settings, upscale_file
from vsfdat.encode.container import open_container
from vsfdat.encode.streams import copy
from vsfdat.errors import EncodeError
from vsfdat.options import UpscaleOptions

CHAPTERS = [("one", 0, 0.4), ("two", 0.4, 0.8)]


@pytest.mark.slow
def test_fonts_chapters_and_names_are_kept_and_pictures_stand_upright(tmp_path: Path, model: Path) -> None:
    plain, output = make_video(tmp_path / "plain.mkv", Recipe()), tmp_path / "output.mkv"
    upscale_file(dress(plain), output, Settings(upscale=UpscaleOptions(model=model, device="cpu")))
    with av.open(str(output)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "attachment"]
        _, sound, font = container.streams
        assert (sound.metadata["language"], sound.metadata["title"]) == ("jpn", "Commentary")
        assert (font.name, font.mimetype, font.data) == ("font.ttf", "font/ttf", b"the font")
        assert container.metadata["title"] == "A film"
    assert chapters_of(output) == CHAPTERS
    frame = decode(output)[0]
    assert (frame.width, frame.height) == (48, 64)  # a 32x24 film that was held upright


def test_covers_and_fonts_are_said_to_be_lost(tmp_path: Path, upscale, caplog) -> None:
    plain = make_video(tmp_path / "plain.mkv", Recipe())
    upscale(dress(plain, {"cover.jpg": "image/jpeg"}), ".mov")
    assert caplog.messages == [
        "attachment stream 2 (font.ttf) does not fit into mov and is left out; an output that ends in .mkv keeps it.",
        "video stream 3 (cover.jpg) does not fit into mov and is left out; an output that ends in .mkv keeps it.",
    ]


@pytest.mark.slow
@parametrize("ending", [".mkv", ".mp4"], quick=[".mp4"])
def test_covers_are_kept(tmp_path: Path, upscale, ending: str) -> None:
    cover = jpeg()
    path = remake(
        make_video(tmp_path / "plain.mkv", Recipe()), tmp_path / "film.mkv",
        lambda output, _: output.add_attachment("cover.jpg", "image/jpeg", cover) and None,
    )  # fmt: skip
    for source in (path, upscale(path, ".mp4").rename(tmp_path / "film.mp4")):
        with av.open(str(upscale(source, ending, overwrite=True, end=0.4))) as container:
            (kept,) = [s for s in container.streams.video if s.disposition & av.stream.Disposition.attached_pic]
            assert bytes(next(packet for packet in container.demux(kept) if packet.size)) == cover


def jpeg() -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 32, 32, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    frame = av.VideoFrame(32, 32, "yuvj420p")
    frame.pts = 0
    return bytes(encoder.encode(frame)[0])


def test_sound_that_cannot_be_read_is_the_inputs_fault(tmp_path: Path, upscale, monkeypatch) -> None:
    source = make_video(tmp_path / "source.mkv", Recipe())

    monkeypatch.setattr(copy, "open_container", lambda path: Unreadable(open_container(path)))
    with pytest.raises(EncodeError) as caught:
        upscale(source, ".mp4")
    assert str(caught.value) == (
        f"{source}: cannot be read (Input/output error); what is done is kept, and the same command goes on from there"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [".output.mp4.vsfdat", "source.mkv"]


class Unreadable:
    """A file on a disk that fails after its beginning."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def demux(self, chosen: Any) -> Any:
        yield next(self._container.demux(chosen))
        raise OSError(5, "Input/output error")


def dress(plain: Path, attachments: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Give a film what films have: names, a font, chapters, and a mark that it is to be turned."""

    def edit(output, streams):
        output.metadata["title"] = "A film"
        streams[0].set_display_rotation(90)
        streams[1].metadata.update(language="jpn", title="Commentary")
        output.add_attachment("font.ttf", "font/ttf", b"the font")
        for name, kind in attachments.items():
            output.add_attachment(name, kind, b"a picture")
        set_chapters(output, CHAPTERS)

    return remake(plain, plain.with_stem("dressed"), edit)


@parametrize("codec", ["wmav2", "adpcm_ms", "adpcm_ima_wav", "pcm_alaw"], quick=["wmav2"])
def test_what_matroska_holds_as_windows_does_is_copied_bit_by_bit(tmp_path: Path, upscale, codec: str, caplog) -> None:
    path = make_sounding(tmp_path / "film.avi", codec, video="mpeg4")
    output = upscale(path, ".mkv")
    assert [data for _, data in packets(output, "audio")] == [data for _, data in packets(path, "audio")]
    with av.open(str(output)) as container:
        assert container.streams.audio[0].codec_context.name == codec
        assert len(list(container.decode(audio=0))) > 5
    assert not [message for message in caplog.messages if "audio" in message]


@pytest.mark.slow
def test_sound_and_subtitles_can_be_left_out(tmp_path: Path, upscale, caplog) -> None:
    path = make_video(tmp_path / "film.mkv", Recipe(subtitles=[(0.1, 0.2, "hello")]))
    for wanted, kinds in [({"no_audio": True}, ["video", "subtitle"]), ({"no_subtitles": True}, ["video", "audio"])]:
        with av.open(str(upscale(path, ".mkv", overwrite=True, **wanted))) as container:
            assert [stream.type for stream in container.streams] == kinds
    assert caplog.messages == []


def test_a_subtitle_that_a_cut_goes_through_is_shown_on_its_part(tmp_path: Path, upscale) -> None:
    path = make_video(tmp_path / "film.mkv", Recipe(subtitles=[(0.05, 0.1, "gone"), (0.1, 0.3, "a"), (0.5, 0.4, "b")]))
    with av.open(str(upscale(path, ".mkv", start=0.2, end=0.6))) as container:
        shown = [packet for packet in container.demux(subtitles=0) if packet.size]
    assert [(bytes(packet), packet.pts, packet.duration) for packet in shown] == [(b"a", 0, 200), (b"b", 300, 100)]


@parametrize("ending", [".mkv", ".mp4"], quick=[".mkv"])
def test_a_cut_has_its_part_of_the_chapters(tmp_path: Path, upscale, ending: str) -> None:
    plain = make_video(tmp_path / "plain.mkv", Recipe())
    path = remake(plain, tmp_path / "film.mkv", lambda output, _: set_chapters(output, CHAPTERS))
    assert chapters_of(upscale(path, ending, start=0.2, end=0.6)) == [("one", 0, 0.2), ("two", 0.2, 0.4)]


@parametrize("ending", [".mkv", ".mp4", ".mov"], quick=[".mp4"])
def test_chapters_end_where_the_user_stopped(tmp_path: Path, upscale, monkeypatch, ending: str) -> None:
    plain = make_video(tmp_path / "plain.mkv", Recipe())
    chapters = [("one", 0, 0.1), ("two", 0.1, 60), ("three", 60, 90)]
    path = remake(plain, tmp_path / "film.mkv", lambda output, _: set_chapters(output, chapters))
    stop_after(monkeypatch, 5)
    output = upscale(path, ending, keep_partial=True)
    seconds = len(decode(output)) / 25
    assert 0.2 <= seconds < 0.8
    assert chapters_of(output) == [("one", 0, 0.1), ("two", 0.1, pytest.approx(seconds))]
    with av.open(str(output)) as container:
        assert container.duration / 1_000_000 == pytest.approx(seconds, abs=0.05)  # the last sound may end later


@parametrize("ending", [".mkv", ".mp4"], quick=[".mp4"])
def test_chapters_of_what_is_missing_are_left_out(tmp_path: Path, upscale, ending: str) -> None:
    """As of a download that broke off: an MP4 would say that it is as long as its chapters."""
    plain = make_video(tmp_path / "plain.mkv", Recipe())
    chapters = [("one", 0, 0.4), ("two", 0.4, 60), ("three", 60, 90)]
    path = remake(plain, tmp_path / "film.mkv", lambda output, _: set_chapters(output, chapters))
    found = chapters_of(upscale(path, ending))
    assert [title for title, _, _ in found] == ["one", "two"]
    assert found[1][2] < 2


def test_sound_that_is_damaged_midway_is_kept_around_it(tmp_path: Path, upscale, caplog) -> None:
    plain = make_video(tmp_path / "plain.mkv", Recipe(audio=None))

    def edit(output, _):
        sound = output.add_mux_stream("pcm_bluray", rate=48000)
        block = b"\x03\xc0\x31\x40" + bytes(2 * 240 * 2)  # a header, then 5 ms of silence in stereo, 16 bits deep
        return [packet_of(sound, block if number != 60 else b"\x03", number / 200, 0.005) for number in range(160)]

    path = remake(plain, tmp_path / "film.m2ts", edit)
    output = upscale(path, ".mkv")
    assert caplog.messages == [
        "audio stream 1 (pcm_bluray) goes into matroska as pcm_s16le, sample for sample the same.",
        "What is damaged of the audio is left out.",
    ]
    assert sum(len(data) for _, data in packets(output, "audio")) == 159 * 240 * 4


def test_sound_out_of_its_order_never_stops_the_film(tmp_path: Path, upscale, caplog) -> None:
    """Neither what goes back, nor a single packet that jumps ahead, as in broadcasts with flipped bits."""
    plain = make_video(tmp_path / "plain.mkv", Recipe(audio="mp2"))
    path = remake(plain, tmp_path / "film.ts", lambda output, _: None, pes_payload_size="0")
    content = bytearray(path.read_bytes())
    sounds = [found.start() + 9 for found in re.finditer(rb"\x00\x00\x01\xc0", content)]
    for number, seconds in ((10, 0.5), (20, 50)):
        content[sounds[number] : sounds[number] + 5] = clock(round(seconds * 90000))
    path.write_bytes(content)
    output = upscale(path, ".mp4")
    before, after = ([data for _, data in packets(film, "audio")] for film in (plain, output))
    assert len(decode(output)) == 20
    assert len(before) == len(after) + 2 > 30
    assert click_time(output) - packets(output, "video")[0][0] == pytest.approx(0.5, abs=0.03)
    assert caplog.messages == ["What of the audio is out of its order in time is left out."]


def clock(ticks: int) -> bytes:
    """Write a time as the packets of broadcasts hold it, in 1/90000 s."""
    high, middle, low = ticks >> 30, ticks >> 15 & 0x7FFF, ticks & 0x7FFF
    return bytes([0x21 | high << 1]) + (middle << 1 | 1).to_bytes(2) + (low << 1 | 1).to_bytes(2)
