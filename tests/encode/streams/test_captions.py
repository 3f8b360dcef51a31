import re
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.encode.streams.films import captions_in, make_captioned
from tests.fast_loop import parametrize
from vsfdat.encode.streams.captions import Captions, packet_has_captions


def caption(number: int) -> bytes:
    return bytes((0xFC, 0x20 + number, 0x20, 0xFD, 0x80, 0x80))


ALL = [caption(number) for number in range(30)]


@pytest.mark.slow
@parametrize(
    ("name", "encoder", "codec"),
    [
        ("film.mkv", "libx264", "h264"),
        ("broadcast.ts", "libx264", "h264"),
        ("film.mp4", "libx265", "h264"),
        ("disc.mpg", "mpeg2video", "hevc"),
    ],
    quick=[("broadcast.ts", "libx264", "h264"), ("disc.mpg", "mpeg2video", "hevc")],
)
def test_captions_stay_with_their_pictures(tmp_path: Path, upscale, name: str, encoder: str, codec: str) -> None:
    path = make_captioned(tmp_path / name, encoder, ALL)
    assert captions_in(path) == ALL
    assert captions_in(upscale(path, ".mkv", codec=codec)) == ALL


@pytest.mark.parametrize("name", ["film.mkv", "broadcast.ts"])
def test_a_cut_has_its_part_of_the_captions(tmp_path: Path, upscale, name: str) -> None:
    path = make_captioned(tmp_path / name, "libx264", ALL)
    assert captions_in(upscale(path, ".mkv", start=0.4, end=0.8)) == ALL[10:20]


def test_captions_may_begin_midway(tmp_path: Path, upscale) -> None:
    late = [None] * 20 + ALL[20:]
    assert captions_in(upscale(make_captioned(tmp_path / "film.mkv", "libx264", late), ".mp4")) == late


@pytest.mark.slow
def test_captions_that_begin_late_are_said_to_be_lost_too(tmp_path: Path, upscale, caplog) -> None:
    path = make_captioned(tmp_path / "film.mkv", "libx264", [None] * 50 + ALL)
    assert captions_in(upscale(path, ".mkv", codec="ffv1")) == [None] * 80
    assert caplog.messages[-1] == (
        "The closed captions in the pictures are left out: ffv1 does not write them, libx264 and libx265 do."
    )


@pytest.mark.slow
def test_pictures_are_not_changed_by_captions(tmp_path: Path, upscale) -> None:
    """And are not all coded as the first one is, which would cost a multiple."""
    path = make_captioned(tmp_path / "film.mkv", "libx264", ALL)
    plain = make_captioned(tmp_path / "plain.mkv", "libx264", [None] * 30)
    with av.open(str(upscale(path, ".mkv"))) as one:
        pictures = [(frame.pict_type, frame.to_ndarray().tobytes()) for frame in one.decode(video=0)]
    with av.open(str(upscale(plain, ".mkv", overwrite=True))) as other:
        assert pictures == [(frame.pict_type, frame.to_ndarray().tobytes()) for frame in other.decode(video=0)]


def test_captions_of_dvds_come_along(tmp_path: Path, upscale) -> None:
    """There those of a group of pictures stand before its first."""
    stream = make_captioned(tmp_path / "film.m2v", "mpeg2video", [None] * 30, g="10").read_bytes()
    beside = b"\x00\x00\x01\xb2CC\x01\xf8\x84" + b"\xff\x94\x2c\xfe\x80\x80" * 4
    marked = re.sub(rb"\x00\x00\x01\xb8.{4}", lambda found: found[0] + beside, stream, flags=re.DOTALL)
    path = tmp_path / "disc.m2v"
    path.write_bytes(marked)
    found = [data for data in captions_in(upscale(path, ".mkv")) if data]
    assert found == [b"\xfc\x94\x2c\xfd\x80\x80" * 4] * marked.count(b"CC\x01\xf8")
    assert len(found) >= 3


def test_more_than_a_picture_holds_waits_for_the_next(tmp_path: Path) -> None:
    full = [b"\xfc\x41\x42" * 20, b"\xfc\x43\x44" * 20]
    path = make_captioned(tmp_path / "film.mkv", "libx264", [*full, None, None])
    captions = Captions(path, 0, Fraction(-1))
    together = captions.before(Fraction(1000)), captions.before(Fraction(1000))
    assert together == (b"".join(full)[:93], b"".join(full)[93:])


def test_only_packets_with_captions_are_taken_for_such(tmp_path: Path) -> None:
    for name, encoder in [("a.ts", "libx264"), ("b.mkv", "libx265"), ("c.mpg", "mpeg2video")]:
        found = []
        for captions in (ALL, [None] * 30):
            with av.open(str(make_captioned(tmp_path / name, encoder, captions))) as container:
                found.append({packet_has_captions(packet) for packet in container.demux(video=0) if packet.size})
        assert found == [{True}, {False}]
