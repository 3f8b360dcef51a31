from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.encode.clips import Recipe, make_video
from tests.encode.streams.films import make_captioned, make_sounding, packet_of, remake
from vsfdat.encode import Settings, upscale_file, work
from vsfdat.encode.streams import plan_streams, trial
from vsfdat.encode.streams.ways import Copied
from vsfdat.errors import EncodeError
from vsfdat.options import UpscaleOptions


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("plain") / "plain.mkv", Recipe())


@pytest.fixture
def phone(tmp_path: Path, plain: Path) -> Path:
    """Give a film with a second sound, of a codec that FFmpeg cannot decode."""

    def edit(output, streams):
        sound = output.add_mux_stream("aac", rate=48000)
        return [packet_of(sound, b"\x01\x18 \x07", number / 50) for number in range(10)]

    path = remake(plain, tmp_path / "phone.mov", edit)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"mp4a" + bytes(7) + b"\1")
    content[entry:] = content[entry:].replace(b"mp4a", b"apac").replace(b"esds", b"dapa")
    path.write_bytes(content)
    return path


def add(output: Any, stream: Any, *contents: bytes) -> list[Any]:
    """Give the packets of a new stream of an output, a tenth of a second each."""
    stream.time_base = Fraction(1, 90000)
    return [packet_of(stream, content, number / 10) for number, content in enumerate(contents)]


def plan(path: Path, container: str, encoder: str = "libx264", **wanted: bool) -> list[int]:
    return sorted(plan_streams(path, container, encoder, **wanted).ways)


@pytest.mark.parametrize("container", ["mov", "mp4", "matroska"])
def test_sound_of_an_unknown_codec_is_left_out(phone: Path, container: str, caplog) -> None:
    assert plan(phone, container) == [1]
    assert caplog.messages == [
        "audio stream 2 (apple_apac) is left out: FFmpeg cannot decode it, and no output keeps it."
    ]


def test_teletext_and_data_are_left_out(tmp_path: Path, plain: Path, caplog) -> None:
    def edit(output, _):
        teletext, data = output.add_mux_stream("dvb_teletext"), output.add_data_stream("klv")
        return add(output, teletext, b"\x10" + bytes(91)) + add(output, data, b"\x06\x0e" + bytes(30))

    path = remake(plain, tmp_path / "broadcast.ts", edit)
    assert plan(path, "matroska") == [1]
    assert caplog.messages == [
        "subtitle stream 2 (dvb_teletext) is left out: FFmpeg cannot decode it, and no output keeps it.",
        "data stream 3 (klv) is left out: no output holds it.",
    ]


@pytest.mark.parametrize(
    ("codec", "container", "ending"),
    [("libopus", "mov", ".mkv"), ("flac", "webm", ".mkv"), ("wmav2", "mp4", ".mkv"), ("wmav2", "mov", ".mkv")],
)
def test_a_film_is_not_made_silent_without_being_asked(
    tmp_path: Path, codec: str, container: str, ending: str, caplog
) -> None:
    path = make_sounding(tmp_path / "film.mkv", codec) if codec != "wmav2" else windows(tmp_path)
    with pytest.raises(EncodeError) as caught:
        plan(path, container)
    assert str(caught.value) == (
        f"audio stream 1 ({codec.removeprefix('lib')}) does not fit into {container}, choose an output that ends in "
        f"{ending}, or leave sound out with --no-audio"
    )
    assert plan(path, container, audio=False) == []
    assert caplog.messages == []


def windows(folder: Path) -> Path:
    return make_sounding(folder / "film.avi", "wmav2", video="mpeg4")


def test_one_sound_that_does_not_fit_is_said_where_another_does(tmp_path: Path, plain: Path, caplog) -> None:
    def edit(output, _):
        return add(output, output.add_mux_stream("truehd", rate=48000), bytes(64), bytes(64))

    path = remake(plain, tmp_path / "disc.mkv", edit)
    assert plan(path, "mp4") == [1]
    assert caplog.messages == [
        "audio stream 2 (truehd) does not fit into mp4 and is left out; an output that ends in .mkv keeps it."
    ]
    assert plan(path, "matroska") == [1, 2]


def test_what_matroska_cannot_hold_is_never_sent_to_matroska(tmp_path: Path) -> None:
    path = make_sounding(tmp_path / "old.mov", "adpcm_ima_qt")
    with pytest.raises(EncodeError) as caught:
        plan(path, "matroska")
    assert str(caught.value) == (
        "audio stream 1 (adpcm_ima_qt) does not fit into matroska, choose an output that ends in .mov, "
        "or leave sound out with --no-audio"
    )


def test_all_is_said_before_the_film_is_indexed(tmp_path: Path, model: Path, monkeypatch) -> None:
    monkeypatch.setattr(work, "open_source", lambda path: pytest.fail("minutes of indexing"))
    settings = Settings(upscale=UpscaleOptions(model=model, device="cpu"))
    with pytest.raises(EncodeError, match=r"^audio stream 1 \(wmav2\) does not fit into mp4, "):
        upscale_file(windows(tmp_path), tmp_path / "output.mp4", settings)


def test_what_matroska_holds_stays_as_it_is_there(tmp_path: Path, monkeypatch, caplog) -> None:
    """Though its beginning alone may not decode: that of TTA needs to know how long the whole is."""
    path = make_sounding(tmp_path / "film.mkv", "flac")
    monkeypatch.setattr(trial, "_is_same", lambda *_, **__: False)
    assert [*plan_streams(path, "matroska", "libx264").ways.values()] == [Copied]
    assert caplog.messages == []


def test_bitmaps_have_no_place_in_mp4(tmp_path: Path, plain: Path, caplog) -> None:
    def edit(output, _):
        return add(output, output.add_mux_stream("hdmv_pgs_subtitle"), b"\x16" + bytes(13))

    assert plan(remake(plain, tmp_path / "disc.mkv", edit), "mp4") == [1]
    assert caplog.messages == [
        "subtitle stream 2 (hdmv_pgs_subtitle) does not fit into mp4 and is left out; "
        "an output that ends in .mkv keeps it."
    ]


def test_what_encoders_cannot_hold_is_said(tmp_path: Path, caplog) -> None:
    plan(make_captioned(tmp_path / "captioned.mkv", "libx264", [b"\xfc\x94\x2c"] * 10), "mp4", "libsvtav1")
    stereo = make_video(tmp_path / "3d.mkv", Recipe(options={"x264-params": "frame-packing=3"}))
    plan(stereo, "mp4", "libx264")
    plan(stereo, "mp4", "libx265")
    assert caplog.messages == [
        "The closed captions in the pictures are left out: libsvtav1 does not write them, libx264 and libx265 do.",
        "The mark that this is a 3D film (left_right) does not fit into mp4 with libx265 and is left out; "
        "an output that ends in .mkv keeps it.",
    ]


def test_tags_that_have_no_place_are_named(tmp_path: Path, plain: Path, caplog) -> None:
    def edit(output, _):
        output.metadata.update(title="A film", mood="grim", _STATISTICS_TAGS="BPS", DIRECTOR="Me")

    path = remake(plain, tmp_path / "film.mkv", edit)
    plan(path, "mp4")
    plan(path, "matroska")
    assert caplog.messages == [
        "mp4 has no place for tags of the file, which are left out: DIRECTOR, MOOD; "
        "an output that ends in .mkv keeps them."
    ]


def test_pictures_of_all_around_are_said_to_lose_their_mark(tmp_path: Path, plain: Path, caplog) -> None:
    path = remake(plain, tmp_path / "around.mp4", lambda output, _: None)
    words = {"Spherical": "true", "Stitched": "true", "StitchingSoftware": "x", "ProjectionType": "equirectangular"}
    described = "".join(f"<GSpherical:{key}>{value}</GSpherical:{key}>" for key, value in words.items())
    mark = bytes.fromhex("ffcc8263f8554a938814587a02521fdd") + described.encode()
    box = (len(mark) + 8).to_bytes(4, "big") + b"uuid" + mark
    content = bytearray(path.read_bytes())
    track = content.index(b"trak") - 4
    size = int.from_bytes(content[track : track + 4], "big")
    content[track + size : track + size] = box
    for place in (track, content.index(b"moov") - 4):
        content[place : place + 4] = (int.from_bytes(content[place : place + 4], "big") + len(box)).to_bytes(4, "big")
    path.write_bytes(content)
    plan(path, "matroska")
    assert caplog.messages == ["The mark that the pictures show all around (360°) is left out; a player must be told."]
