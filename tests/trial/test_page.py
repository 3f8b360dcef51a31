import base64
import html.parser
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vsfdat.errors import EncodeError
from vsfdat.trial import page as pages
from vsfdat.trial.page import LARGEST, Facts, Scene, build_page
from vsfdat.trial.stills import PLAIN

FACTS = Facts("a </script><b>.mkv", "64×36 to 128×72", "All 9 frames", "Here.", {PLAIN: "", "sharp": "1 s a frame"})


def scenes(count: int, size: tuple[int, int], seed: int = 1) -> list[Scene]:
    chance = np.random.default_rng(seed)
    return [
        Scene(
            "busiest",
            f"0:00:0{n}.0",
            {name: chance.integers(0, 256, (*size, 3), np.uint8) for name in (PLAIN, "sharp")},
        )
        for n in range(count)
    ]


class Reader(html.parser.HTMLParser):
    """Collects tags, what they load, ids, and the texts of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.scripts: list[str] = []
        self.title = ""
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        given = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.loads += [str(given[name]) for name in ("src", "href", "action") if name in given]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts[-1] += data
        if self._within == "title":
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        self._within = ""


def read(text: str) -> tuple[Reader, dict[str, Any]]:
    reader = Reader(text)
    assert len(reader.scripts) == 2
    return reader, json.loads(reader.scripts[0])


def decode(uri: str) -> Image.Image:
    kind, _, data = uri.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_everything_is_in_the_page_and_nothing_is_loaded() -> None:
    text = build_page(FACTS, scenes(2, (72, 128)))
    reader, data = read(text)
    assert (reader.title, data["title"]) == (FACTS.title, FACTS.title)
    assert reader.loads == []
    assert not re.search(r"https?:|@import|url\(|fetch\(|\bimport\b", text)
    assert [scene["time"] for scene in data["scenes"]] == ["0:00:00.0", "0:00:01.0"]
    for scene in data["scenes"]:
        assert {name: decode(uri).size for name, uri in scene["pictures"].items()} == {
            PLAIN: (128, 72),
            "sharp": (128, 72),
        }
        assert (scene["size"], scene["part"]) == ([128, 72], [0, 0, 1, 1])
        assert decode(scene["thumb"]).size == (128, 72)


def test_each_thing_that_the_script_looks_for_is_there_once() -> None:
    reader, _ = read(build_page(FACTS, scenes(1, (36, 64))))
    asked = set(re.findall(r'\bat\("([\w-]+)"\)', reader.scripts[1])) | {"left-name", "right-name"}
    assert asked <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))


def test_both_schemes_and_a_slider_that_says_what_it_is() -> None:
    text = build_page(FACTS, scenes(1, (36, 64)))
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport" content="width=device-width' in text
    assert re.search(r'role="slider" tabindex="0" aria-label="\w+" aria-valuemin="0" aria-valuemax="100"', text)


@pytest.mark.slow
def test_a_page_is_never_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LARGEST == 5_000_000
    monkeypatch.setattr(pages, "LARGEST", 500_000)  # for the time that noise takes
    text = build_page(FACTS, scenes(1, (540, 960)))
    _, data = read(text)
    assert len(text.encode()) <= 500_000
    width, height = data["scenes"][0]["size"]
    assert 320 <= width < 960
    left, top, right, bottom = data["scenes"][0]["part"]
    assert [round((right - left) * 960), round((bottom - top) * 540)] == [width, height]


def test_the_part_with_most_detail_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_LADDER", ((32, 90),))
    picture = np.full((72, 128, 3), 90, np.uint8)
    picture[40:58, 80:112] = np.random.default_rng(2).integers(0, 256, (18, 32, 3))
    _, data = read(build_page(FACTS, [Scene("typical", "0:00:00.0", {PLAIN: picture, "sharp": 255 - picture})]))
    left, top, right, bottom = data["scenes"][0]["part"]
    assert (abs(left * 128 - 80) <= 1, abs(top * 72 - 40) <= 1) == (True, True)
    assert ((right - left) * 128, (bottom - top) * 72) == (32, 18)


def test_what_does_not_fit_at_all_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LARGEST", 1_000)
    with pytest.raises(EncodeError) as raised:
        build_page(FACTS, scenes(2, (36, 64)))
    assert str(raised.value) == (
        "2 moments of 2 models do not fit on a page of 0 MB; show fewer, with --moments or --models"
    )
