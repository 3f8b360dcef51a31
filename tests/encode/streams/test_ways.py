"""Streams that come into an output as something that holds the same."""

from pathlib import Path

import av
import numpy as np
import pytest

from tests.encode.clips import Recipe, click_time, make_video, packets
from tests.encode.streams.films import make_sounding, packet_of, remake, sound_of
from tests.fast_loop import parametrize
from vsfdat.errors import EncodeError


@pytest.mark.slow
@parametrize(
    ("codec", "source", "ending", "kept"),
    [
        ("pcm_bluray", ".m2ts", ".mkv", "pcm_s24le"),
        ("pcm_bluray", ".m2ts", ".mov", "pcm_s24le"),
        ("pcm_bluray", ".m2ts", ".mp4", "flac"),
        ("pcm_dvd", ".vob", ".mkv", "pcm_s16le"),
        ("pcm_s16le", ".mkv", ".mp4", "flac"),
        ("flac", ".mkv", ".mov", "alac"),
        ("pcm_alaw", ".avi", ".mp4", "flac"),
    ],
    quick=[("pcm_bluray", ".m2ts", ".mkv", "pcm_s24le"), ("flac", ".mkv", ".mov", "alac")],
)
def test_sound_is_kept_sample_by_sample(tmp_path: Path, upscale, caplog, codec: str, source: str, ending: str, kept):
    path = make_sounding(tmp_path / f"film{source}", codec, video="mpeg2video" if source == ".vob" else "libx264")
    output = upscale(path, ending)
    with av.open(str(output)) as container:
        assert container.streams.audio[0].codec_context.name == kept
    before, after = sound_of(path), sound_of(output)
    assert len(before) >= 24000  # of noise, in stereo
    assert before.dtype == after.dtype == (np.int32 if codec in ("pcm_bluray", "flac") else np.int16)
    assert np.array_equal(before, after)
    container = {".mkv": "matroska"}.get(ending, ending[1:])
    assert caplog.messages[0] == (
        f"audio stream 1 ({codec}) goes into {container} as {kept}, sample for sample the same."
    )


def test_more_than_24_bits_are_not_cut_to_24(tmp_path: Path, upscale, caplog) -> None:
    path = make_sounding(tmp_path / "film.mkv", "pcm_s32le")
    assert np.array_equal(sound_of(upscale(path, ".mov")), sound_of(path))
    with pytest.raises(EncodeError, match=r"^audio stream 1 \(pcm_s32le\) does not fit into mp4, "):
        upscale(path, ".mp4")


def test_a_gap_in_the_sound_stays_one(tmp_path: Path, upscale) -> None:
    """Of sound in packets of a fixed size, the rest would else begin early."""
    plain = make_video(tmp_path / "plain.mkv", Recipe(audio=None))
    loud = b"\x03\xc0\x31\x40" + b"\x20\0" * 480

    def edit(output, _):
        sound = output.add_mux_stream("pcm_bluray", rate=48000)
        return [packet_of(sound, loud, number / 200, 0.005) for number in range(160) if not 40 <= number < 100]

    output = upscale(remake(plain, tmp_path / "film.m2ts", edit), ".mov")
    heard = sound_of(output)[:, 0] != 0
    assert len(heard) == pytest.approx(38400, abs=2)
    assert np.flatnonzero(~heard)[[0, -1]] / 48000 == pytest.approx([0.2, 0.5], abs=0.001)


def test_sound_that_changes_midway_goes_on_as_it_began(tmp_path: Path, upscale, caplog) -> None:
    plain = make_video(tmp_path / "plain.mkv", Recipe(audio=None))
    stereo, mono = b"\x03\xc0\x31\x40" + b"\x20\0" * 480, b"\x03\xc0\x11\x40" + b"\x20\0\0\0" * 240

    def edit(output, _):
        sound = output.add_mux_stream("pcm_bluray", rate=48000)
        return [packet_of(sound, stereo if number < 80 else mono, number / 200, 0.005) for number in range(160)]

    output = upscale(remake(plain, tmp_path / "film.m2ts", edit), ".mp4")
    heard = sound_of(output)
    assert heard.shape == (38400, 2)
    assert np.all(heard != 0)
    assert caplog.messages[1:] == ["audio stream 1 changes midway, to 48000 Hz, s16, mono; it is kept as it begins."]


@parametrize("ending", [".mkv", ".mp4", ".mov"], quick=[".mp4"])
def test_aac_of_broadcasts_is_taken_out_of_its_wrapping(tmp_path: Path, upscale, caplog, ending: str) -> None:
    plain = make_video(tmp_path / "plain.mkv", Recipe())
    path = remake(plain, tmp_path / "film.ts", lambda output, streams: None, mpegts_flags="+latm")
    output = upscale(path, ending)
    assert [data for _, data in packets(output, "audio")] == [data for _, data in packets(plain, "audio")]
    assert click_time(output) - packets(output, "video")[0][0] == pytest.approx(0.5, abs=0.002)
    container = {".mkv": "matroska"}.get(ending, ending[1:])
    assert caplog.messages == [
        f"audio stream 1 (aac_latm) goes into {container} as aac, the same sound in another wrapping."
    ]


def subtitles_of(path: Path) -> list[tuple[float, float, bytes]]:
    """List the subtitles of a film as (start, duration, content), without those that show nothing."""
    with av.open(str(path)) as container:
        shown = [packet for packet in container.demux(subtitles=0) if packet.size > 2]
        return [(float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p)) for p in shown]


@pytest.mark.slow
def test_subtitles_go_from_matroska_to_mp4_and_back(tmp_path: Path, upscale, caplog) -> None:
    texts = [(0.1, 0.2, "<i>Was</i>\nnun?"), (0.5, 0.2, "Täglich 1 < 2")]
    film = make_video(tmp_path / "film.mkv", Recipe(subtitles=texts))
    mp4 = upscale(film, ".mp4").rename(tmp_path / "film.mp4")
    italic = b"\0\0\0\x16styl\0\1\0\0\0\3\0\1\2\x10\xff\xff\xff\xff"
    assert subtitles_of(mp4) == [
        (0.1, 0.2, b"\0\x08Was\nnun?" + italic),
        (0.5, 0.2, b"\0\x0e" + "Täglich 1 < 2".encode()),
    ]
    back = upscale(mp4, ".mkv")
    assert subtitles_of(back) == [(start, duration, text.encode()) for start, duration, text in texts]
    assert caplog.messages == [
        "subtitle stream 2 (subrip) goes into mp4 as mov_text.",
        "subtitle stream 2 (mov_text) goes into matroska as subrip.",
    ]


@pytest.mark.slow
def test_styled_subtitles_are_said_to_lose_their_styles(tmp_path: Path, upscale, caplog) -> None:
    plain = make_video(tmp_path / "plain.mkv", Recipe(subtitles=[(0.1, 0.2, "x")]))

    def edit(output, _):
        with av.open(str(plain)) as source:
            header = source.streams.subtitles[0].codec_context
            header.open(strict=False)
            styled = output.add_stream("ass")
            styled.codec_context.subtitle_header = header.subtitle_header
        return [packet_of(styled, rb"0,0,Default,,0,0,0,,{\pos(3,4)}Sign", 0.3, 0.2)]

    path = remake(make_video(tmp_path / "silent.mkv", Recipe(audio=None)), tmp_path / "film.mkv", edit)
    assert subtitles_of(upscale(path, ".mp4")) == [(0.3, 0.2, b"\0\4Sign")]
    assert subtitles_of(upscale(path, ".mkv"))[0][2].endswith(rb"{\pos(3,4)}Sign")
    assert caplog.messages == [
        "subtitle stream 1 (ass) goes into mp4 as mov_text, "
        "without its styles, which an output that ends in .mkv keeps."
    ]
