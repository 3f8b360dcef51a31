from fractions import Fraction
from pathlib import Path

import av

from tests.encode.clips import Recipe, decode, make_video
from vsfdat.encode import Settings, upscale_file

CHAPTERS = [("one", 0, Fraction(2, 5)), ("two", Fraction(2, 5), Fraction(4, 5))]


def test_fonts_chapters_and_names_are_kept_and_pictures_stand_upright(tmp_path: Path, model: Path) -> None:
    plain, output = make_video(tmp_path / "plain.mkv", Recipe()), tmp_path / "output.mkv"
    upscale_file(dress(plain), output, Settings(upscale={"model": model, "device": "cpu"}))
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


def dress(plain: Path) -> Path:
    """Give a film what films have: names, a font, chapters, and a mark that it is to be turned."""
    path = plain.with_stem("dressed")
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        output.metadata["title"] = "A film"
        streams = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        streams[0].set_display_rotation(90)
        streams[1].metadata.update(language="jpn", title="Commentary")
        output.add_attachment("font.ttf", "font/ttf", b"the font")
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
