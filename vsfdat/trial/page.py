"""One HTML page with everything in it: pictures, style and script."""

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsfdat.encode.extras import require
from vsfdat.errors import EncodeError

from .stills import PLAIN, find_detail

# Bytes of the page. Mail and chats take no more.
LARGEST = 5_000_000
# Width of the parts that are shown, in pixels, and WebP's quality: the first that fits is taken. What a codec leaves
# must not be taken for what a model does, so that parts get smaller before they get bad.
_LADDER = ((1280, 95), (1280, 90), (960, 92), (800, 90), (640, 90), (480, 88), (320, 85), (240, 75), (160, 60))
_ASPECT = 16 / 9
_THUMB_WIDTH, _THUMB_QUALITY = 240, 72

type Pixels = NDArray[np.uint8]
type Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """A moment as it is shown: what it is, and its whole picture [H, W, 3] by name, the plain one too."""

    title: str
    time: str
    pictures: Mapping[str, Pixels]


@dataclass(frozen=True)
class Facts:
    """What the page says: name and line of the film, a line and a note of the forecast, a note by model.

    `aspect` is a pixel's width by its height.
    """

    title: str
    film: str
    forecast: str
    note: str
    models: Mapping[str, str]
    aspect: float = 1.0


def build_page(facts: Facts, scenes: Sequence[Scene]) -> str:
    """Write a page of at most 5 MB, with parts of the pictures as large as that allows.

    Raises:
        EncodeError: It allows none.
    """
    for width, quality in _LADDER:
        page = _fill(facts, [_pack(scene, width, quality) for scene in scenes])
        if len(page.encode()) <= LARGEST:
            return page
    raise EncodeError(
        f"{len(scenes)} moments of {len(facts.models)} models do not fit on a page of {LARGEST // 1_000_000} MB; "
        "show fewer, with --moments or --models"
    )


def _fill(facts: Facts, scenes: Sequence[Mapping[str, Any]]) -> str:
    data = json.dumps({**vars(facts), "scenes": scenes}, separators=(",", ":"))
    template = Template((files(__package__) / "page.html").read_text(encoding="utf-8"))
    # Within a script only what would end it means something.
    return template.substitute(title=html.escape(facts.title), data=data.replace("<", "\\u003c"))


def _pack(scene: Scene, width: int, quality: int) -> dict[str, Any]:
    plain = scene.pictures[PLAIN]
    left, top, right, bottom = box = _choose_part(plain, width)
    parts = {name: picture[top:bottom, left:right] for name, picture in scene.pictures.items()}
    rows, columns = plain.shape[:2]
    return {
        "title": scene.title,
        "time": scene.time,
        "size": [right - left, bottom - top],
        "part": [edge / whole for edge, whole in zip(box, (columns, rows, columns, rows), strict=True)],
        "thumb": _thumb(plain),
        "pictures": {name: _to_uri(part, quality) for name, part in parts.items()},
    }


def _choose_part(picture: Pixels, width: int) -> Box:
    """Choose the part with most detail, as (left, top, right, bottom); all of it where it is hardly larger."""
    rows, columns = picture.shape[:2]
    height = round(width / _ASPECT)
    width, height = (
        (min(columns, width), min(rows, height)) if columns * rows > 1.3 * width * height else (columns, rows)
    )
    left, top = find_detail(picture, width, height)
    return left, top, left + width, top + height


def _thumb(picture: Pixels) -> str:
    image = require("PIL.Image").fromarray(picture)
    image.thumbnail((_THUMB_WIDTH, 4 * _THUMB_WIDTH))
    return _to_uri(np.asarray(image), _THUMB_QUALITY)


def _to_uri(picture: Pixels, quality: int) -> str:
    packed = io.BytesIO()
    require("PIL.Image").fromarray(np.ascontiguousarray(picture)).save(packed, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(packed.getvalue()).decode()
