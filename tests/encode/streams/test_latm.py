from pathlib import Path

import av
import numpy as np
import pytest

from tests.encode.clips import Recipe, make_video, packets
from tests.encode.streams.films import remake
from vsfdat.encode.streams.latm import LatmReader


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], list[bytes]]:
    """Give the same sound as frames of AAC, and as a broadcast's LATM packets."""
    folder = tmp_path_factory.mktemp("latm")
    plain = make_video(folder / "plain.mkv", Recipe())
    path = remake(plain, folder / "broadcast.ts", lambda output, streams: None, mpegts_flags="+latm")
    return [data for _, data in packets(plain, "audio")], [data for _, data in packets(path, "audio")]


def test_every_frame_comes_out_as_it_went_in(broadcast) -> None:
    frames, wrapped = broadcast
    reader = LatmReader()
    unwrapped = [frame for packet in wrapped for frame in reader.read(packet)]
    assert [frame[7:] for frame in unwrapped] == frames
    assert len(frames) > 30


def test_the_headers_say_what_it_is(tmp_path: Path, broadcast) -> None:
    reader, path = LatmReader(), tmp_path / "sound.aac"
    path.write_bytes(b"".join(frame for packet in broadcast[1] for frame in reader.read(packet)))
    with av.open(str(path)) as container:
        sound = container.streams.audio[0].codec_context
        assert (sound.name, sound.profile, sound.sample_rate, sound.layout.name) == ("aac", "LC", 48000, "mono")
        assert len(list(container.decode(audio=0))) == len(broadcast[0])


def test_what_cannot_be_read_is_a_value_error(broadcast) -> None:
    first, later = broadcast[1][0], broadcast[1][1]
    for damaged, message in [
        (first[:12], "a LATM packet that ends midway"),
        (b"\0" + first, "not a LATM packet"),
        (later, "a LATM packet before the first that says what it holds"),
    ]:
        with pytest.raises(ValueError, match=f"^{message}$"):
            LatmReader().read(damaged)


def test_flipped_bits_give_frames_or_a_sentence(broadcast) -> None:
    random = np.random.default_rng(1)
    for _ in range(300):
        packet = bytearray(broadcast[1][0])
        packet[random.integers(3, 12)] ^= 1 << random.integers(8)
        assert unwrap(bytes(packet)).startswith((b"\xff\xf1", b"LATM", b"AAC", b"a LATM packet"))


def unwrap(packet: bytes) -> bytes:
    try:
        return b"".join(LatmReader().read(packet))
    except ValueError as error:
        return str(error).encode()
