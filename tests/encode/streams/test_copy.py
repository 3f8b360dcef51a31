from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import pytest

from tests.encode.clips import Recipe, decode, make_video
from vsfdat.encode import Settings, streams, upscale_file
from vsfdat.encode.container import open_container
from vsfdat.errors import EncodeError
from vsfdat.options import UpscaleOptions

CHAPTERS = [("one", 0, Fraction(2, 5)), ("two", Fraction(2, 5), Fraction(4, 5))]


def test_fonts_chapters_and_names_are_kept_and_pictures_stand_upright(tmp_path: Path, model: Path) -> None:
    plain, output = make_video(tmp_path / "plain.mkv", Recipe()), tmp_path / "output.mkv"
    upscale_file(dress(plain), output, Settings(upscale=UpscaleOptions(model=model, device="cpu")))
    with av.open(str(output)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "attachment"]
        _, sound, font = container.streams
        assert (sound.metadata["language"], sound.metadata["title"]) == ("jpn", "Commentary")
        assert (font.name, font.mimetype, font.data) == ("font.ttf", "font/ttf", b"the font")
        assert container.metadata["title"] == "A film"
        found = [
            (
                chapter["metadata"]["title"],
                chapter["start"] * chapter["time_base"],
                chapter["end"] * chapter["time_base"],
            )
            for chapter in container.chapters()
        ]
    assert found == CHAPTERS
    frame = decode(output)[0]
    assert (frame.width, frame.height) == (48, 64)  # a 32x24 film that was held upright


def test_covers_and_fonts_are_said_to_be_lost(tmp_path: Path, model: Path, caplog) -> None:
    plain, output = make_video(tmp_path / "plain.mkv", Recipe()), tmp_path / "output.mp4"
    upscale_file(
        dress(plain, {"cover.jpg": "image/jpeg"}), output, Settings(upscale=UpscaleOptions(model=model, device="cpu"))
    )
    assert caplog.messages == [
        "attachment stream 2 (font.ttf) does not fit into mp4 and is left out; an output that ends in .mkv keeps it.",
        "video stream 3 is a cover picture and is left out.",
    ]


def test_sound_that_cannot_be_read_is_the_inputs_fault(tmp_path: Path, model: Path, monkeypatch) -> None:
    source, output = make_video(tmp_path / "source.mkv", Recipe()), tmp_path / "output.mp4"

    monkeypatch.setattr(streams, "open_container", lambda path: Unreadable(open_container(path)))
    with pytest.raises(EncodeError) as caught:
        upscale_file(source, output, Settings(upscale=UpscaleOptions(model=model, device="cpu")))
    assert str(caught.value) == f"{source}: cannot be read (Input/output error)"
    assert [path.name for path in tmp_path.iterdir()] == ["source.mkv"]


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
    path = plain.with_stem("dressed")
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        output.metadata["title"] = "A film"
        streams = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        streams[0].set_display_rotation(90)
        streams[1].metadata.update(language="jpn", title="Commentary")
        output.add_attachment("font.ttf", "font/ttf", b"the font")
        for name, kind in attachments.items():
            output.add_attachment(name, kind, b"a picture")
        output.set_chapters([
            {"id": number, "start": int(start * 1000), "end": int(end * 1000), "time_base": Fraction(1, 1000),
             "metadata": {"title": title}}
            for number, (title, start, end) in enumerate(CHAPTERS)
        ])  # fmt: skip
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                output.mux(packet)
    return path
