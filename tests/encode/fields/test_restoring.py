"""Fields of films of every kind: what they were before they were fields comes back, at its own times."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from tests.encode.fields.films import (
    RATE,
    Field,
    Planes,
    draw,
    expected,
    name_first,
    recognise,
    spread,
    weave,
    write,
)
from vsfdat.encode.fields import restore
from vsfdat.encode.input.source import Source, open_source
from vsfdat.errors import EncodeError

PICTURES = draw(48)
TWOS = [picture for picture in draw(24, still=range(8, 14)) for _ in (0, 1)]
PULLDOWN = (2, 3)
NTSC_FILM = Fraction(24000, 1001)


def scenes(*parts: tuple[int, int, int]) -> list[Field]:
    """Join scenes of pulldown, each cut from its pictures [start, stop) after it had dropped so many fields."""
    return [field for start, stop, drop in parts for field in spread(range(start, stop), "film", PULLDOWN, drop)]


FILMS = {
    "film": spread(range(48), "film", PULLDOWN),
    "film that begins anywhere": spread(range(48), "film", PULLDOWN, drop=3),
    "film by 2:3:3:2": spread(range(48), "film", (2, 3, 3, 2), drop=1),
    "video": spread(range(48), "video", (1,)),
    "whole": spread(range(24), "whole", (2,)),
    "a field late": spread(range(24), "joined", (2,), drop=1),
    "cuts": scenes((0, 13, 0), (30, 43, 1), (10, 24, 2), (40, 48, 3), (0, 11, 4)),
    "hybrid": [
        *spread(range(24), "film", PULLDOWN),
        *spread(range(24, 48), "video", (1,)),
        *spread(range(12), "whole", (2,)),
        *spread(range(12, 36), "film", PULLDOWN, drop=3),
    ],
}


def make(path: Path, fields: Sequence[Field], order: str = "tff", pictures: Sequence[Planes] = PICTURES, **how) -> Path:
    return write(path, weave(pictures, fields, is_top_first=how.pop("top", order == "tff")), order, **how)


def look(source: Source, pictures: Sequence[Planes] = PICTURES, *, is_top_first: bool = True) -> list[tuple[str, int]]:
    return [recognise(frame, pictures, is_top_first=is_top_first) for frame in source.clip.frames(close=True)]


@pytest.mark.slow
@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("name", FILMS)
def test_what_was_a_picture_is_one_again_to_the_bit(name: str, order: str, tmp_path: Path) -> None:
    source = restore(open_source(make(tmp_path / "film.mkv", FILMS[name], order)), "auto")
    is_top_first = order == "tff"
    wanted = expected(FILMS[name])
    assert len(source.pts) == source.clip.num_frames == len(wanted)
    assert look(source, is_top_first=is_top_first) == name_first(wanted, PICTURES, is_top_first=is_top_first)
    assert {frame.props["_FieldBased"] for frame in source.clip.frames(close=True)} == {vs.FIELD_PROGRESSIVE}
    assert all(later > earlier for earlier, later in itertools.pairwise([*source.pts, source.end]))


@pytest.mark.slow
def test_film_is_shown_as_evenly_as_it_was_and_in_step(tmp_path: Path) -> None:
    source = restore(open_source(make(tmp_path / "film.avi", FILMS["film"], codec="utvideo")), "auto")
    assert [(time - source.origin) * source.time_base for time in source.pts] == [n / NTSC_FILM for n in range(48)]
    assert (source.end - source.origin) * source.time_base == len(FILMS["film"]) // 2 / RATE
    assert source.frame_rate == source.clip.fps == NTSC_FILM


def test_each_part_of_a_hybrid_keeps_its_own_rate(tmp_path: Path, caplog) -> None:
    path = make(tmp_path / "film.avi", FILMS["hybrid"], codec="utvideo")
    source = restore(open_source(path), "auto")
    lasting = [(later - time) * source.time_base for time, later in itertools.pairwise(source.pts)]
    assert lasting[:23] == [1 / NTSC_FILM] * 23
    assert lasting[24:47] == [1 / RATE] * 23
    # Where film begins with two pairs nobody can tell them from whole frames.
    assert lasting[50:-1] == [1 / NTSC_FILM] * 19
    assert caplog.messages == [
        f"{path}: fields were looked at (top first): 71 pictures, 45 of film, out of 3:2 pulldown; 12 of interlaced "
        "video, deinterlaced, one for each frame; 14 whole ones, as they are."
    ]


def test_whole_pictures_that_are_called_interlaced_stay_and_are_called_whole(tmp_path: Path, caplog) -> None:
    path = make(tmp_path / "film.mkv", FILMS["whole"])
    opened = open_source(path)
    source = restore(opened, "auto")
    assert (source.pts, source.time_base) == (opened.pts, opened.time_base)
    assert source.clip.get_frame(0).props["_FieldBased"] == vs.FIELD_PROGRESSIVE
    assert caplog.messages == [f"{path}: flagged interlaced, but its pictures are whole, and stay as they are."]


def test_a_film_without_fields_is_not_touched_and_nothing_is_said(tmp_path: Path, caplog) -> None:
    source = open_source(make(tmp_path / "film.mkv", FILMS["whole"], "prog"))
    assert restore(source, "auto") is source
    assert caplog.messages == []


def test_off_leaves_all_as_it_is(tmp_path: Path) -> None:
    source = open_source(make(tmp_path / "film.mkv", FILMS["video"]))
    assert restore(source, "off") is source


@pytest.mark.slow
@pytest.mark.parametrize("says", ["prog", "bff"])
def test_what_the_fields_show_counts_more_than_what_the_file_says(says: str, tmp_path: Path) -> None:
    path = make(tmp_path / "film.mkv", FILMS["film"], says, top=True)
    assert look(restore(open_source(path), "auto")) == [("film", n) for n in range(48)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["film", "video", "a field late", "hybrid"])
def test_classes_survive_mpeg_2(name: str, tmp_path: Path, caplog) -> None:
    path = make(tmp_path / "film.mpg", FILMS[name], codec="mpeg2video", b="3000000", g="15", bf="2")
    source = restore(open_source(path), "auto")
    assert len(source.pts) == len(expected(FILMS[name]))
    clear = restore(open_source(make(tmp_path / "film.mkv", FILMS[name])), "auto")
    said = [message.partition(": ")[2] for message in caplog.messages]
    assert said[0] == said[1]
    for frame, original in zip(source.clip.frames(), clear.clip.frames(), strict=True):
        assert np.abs(np.asarray(frame[0]).astype(int) - np.asarray(original[0])).mean() < 4


@pytest.mark.slow
def test_drawings_that_last_two_pictures_come_back(tmp_path: Path) -> None:
    path = make(tmp_path / "film.mpg", FILMS["film"], pictures=TWOS, codec="mpeg2video", b="3000000", bf="2")
    assert len(restore(open_source(path), "auto").pts) == 48


def test_soft_telecine_is_film_already(tmp_path: Path, caplog) -> None:
    """The decoder gives film's pictures, each shown for two fields or three, and calls them whole."""
    path = write(tmp_path / "film.mpg", PICTURES, "tff", "mpeg2video", b="3000000", g="15")
    path.write_bytes(repeat_fields(path.read_bytes()))
    source = open_source(path)
    assert restore(source, "auto") is source
    assert source.clip.num_frames == 48
    assert caplog.messages == []


def repeat_fields(stream: bytes) -> bytes:
    """Have every other picture of MPEG-2 say that its first field comes again, and all that they are progressive."""
    content, place, number = bytearray(stream), -1, 0
    while (place := content.find(b"\x00\x00\x01\xb5", place + 1)) >= 0:
        if content[place + 4] >> 4 == 8:  # a picture's coding extension
            content[place + 7] = content[place + 7] & 0x7D | (0x80 * (number % 4 < 2)) | 0x02 * (number % 2)
            content[place + 8] |= 0x80
            number += 1
    assert number == 48
    return bytes(content)


def test_bwdif_deinterlaces_every_frame(tmp_path: Path, caplog) -> None:
    path = make(tmp_path / "film.mkv", FILMS["film"])
    source = restore(open_source(path), "bwdif")
    assert len(source.pts) == 60
    assert "woven" not in {kind for kind, _ in look(source)}
    assert caplog.messages == [
        f"{path}: fields were looked at (top first): 60 pictures, 60 of interlaced video, deinterlaced, one for each "
        "frame."
    ]


@pytest.mark.slow
def test_ivtc_takes_all_for_film(tmp_path: Path) -> None:
    source = restore(open_source(make(tmp_path / "film.mkv", FILMS["cuts"])), "ivtc")
    assert {kind for kind, _ in look(source)} == {"film"}


@pytest.mark.slow
def test_without_bwdif_film_comes_back_and_one_sentence_says_what_does_not(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr("vsfdat.encode.fields.restoring._has_bwdif", lambda: False)
    path = make(tmp_path / "film.mkv", FILMS["hybrid"])
    seen = look(restore(open_source(path), "auto"))
    assert (len(seen), [kind for kind, _ in seen].count("woven")) == (71, 12)
    assert caplog.messages == [
        f"{path}: 12 pictures are interlaced and stay so: BWDIF (vapoursynth-bwdif) is not installed, it comes with: "
        'pip install "vsfdat[cli]"',
        f"{path}: fields were looked at (top first): 71 pictures, 45 of film, out of 3:2 pulldown; 12 of interlaced "
        "video, left so; 14 whole ones, as they are.",
    ]
    with pytest.raises(EncodeError) as caught:
        restore(open_source(path), "bwdif")
    assert str(caught.value) == ('BWDIF (vapoursynth-bwdif) is not installed, it comes with: pip install "vsfdat[cli]"')


def test_heights_without_fields_are_left_alone_or_refused(tmp_path: Path) -> None:
    pictures = [tuple(plane[: 62 // (1 + (n > 0))] for n, plane in enumerate(picture)) for picture in PICTURES]
    source = open_source(write(tmp_path / "film.mkv", pictures, "tff"))
    assert restore(source, "auto") is source
    with pytest.raises(EncodeError) as caught:
        restore(source, "ivtc")
    assert str(caught.value) == (
        f"{source.path}: pictures 62 lines high have no fields, whose lines are a multiple of 4; "
        "leave --deinterlace out"
    )


def test_patterns_of_rows_in_whole_pictures_are_no_combing(tmp_path: Path) -> None:
    """As sharp text and blinds have them, with a codec's or a camera's noise over them."""
    random = np.random.default_rng(0)
    pictures = []
    for luma, *chroma in PICTURES[:24]:
        striped = luma.astype(int)
        striped[:, :32] = np.where(np.arange(64) % 2, 90, 150)[:, None]
        noisy = np.clip(striped + random.normal(0, 2.5, striped.shape), 0, 255).astype(np.uint8)
        pictures.append((noisy, *chroma))
    source = open_source(write(tmp_path / "film.mkv", pictures, "tff"))
    assert look(restore(source, "auto"), pictures) == [("film", n) for n in range(24)]
