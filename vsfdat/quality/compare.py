"""A contact sheet: the same detail from every upscaler, enlarged until each pixel can be judged."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vsfdat.errors import TrainingError

from .downscale import downscale
from .interpolate import Upscaler
from .metrics import luma
from .pictures import Picture, originals, picture_folders

Harm = Callable[[Picture], Picture]
_GAP = 8
_LABEL = 28  # rows above each column
_PAPER = (255, 255, 255)
_SEARCH_STEP = 8  # low-resolution pixels between the places looked at


def contact_sheet(
    upscalers: Mapping[str, Upscaler],
    data: Path,
    scale: int,
    *,
    harm: Harm | None = None,
    side: int = 64,
    zoom: int = 4,
    rows: int = 6,
) -> Picture:
    """Show the most detailed square of some pictures: source, every upscaler, original.

    Args:
        upscalers: What to show, by the name to write above.
        data: A folder of pictures, or of such folders; the rows are spread over all pictures.
        scale: Scale of all upscalers.
        harm: What happens to a source before it is upscaled, if anything; it gets pictures of even sides.
        side: Side of the squares in pixels of the original.
        zoom: How often each pixel is repeated.
        rows: Pictures to show at most.

    Returns:
        The sheet [H, W, 3].

    Raises:
        TrainingError: There are no rows, or no picture is as large as a square.
    """
    if rows < 1:
        raise TrainingError(f"rows must be at least 1, passed {rows}")
    pictures = [picture for folder in picture_folders(data) for _, picture in originals(folder, 2 * scale)]
    pictures = [picture for picture in pictures if min(picture.shape[:2]) >= side]
    if not pictures:
        raise TrainingError(f"no picture in {data} is {side} pixels wide and high")
    chosen = [pictures[n] for n in np.linspace(0, len(pictures) - 1, min(rows, len(pictures))).round().astype(int)]
    cells = [
        [_enlarged(square, zoom) for square in _squares(picture, upscalers, scale, harm, side)] for picture in chosen
    ]
    return _laid_out(["source", *upscalers, "original"], cells)


def _squares(
    picture: Picture, upscalers: Mapping[str, Upscaler], scale: int, harm: Harm | None, side: int
) -> list[Picture]:
    low = downscale(picture, scale, "bicubic")
    if harm is not None:
        low = harm(low)
    source = low.repeat(scale, axis=0).repeat(scale, axis=1)
    y, x = _most_detailed(picture, source, scale, side)
    wholes = [source, *(upscale(low) for upscale in upscalers.values()), picture]
    return [whole[y : y + side, x : x + side] for whole in wholes]


def _most_detailed(picture: Picture, source: Picture, scale: int, side: int) -> tuple[int, int]:
    """Where the source lacks most of the original: y and x of a square's corner."""
    lost = np.abs(luma(picture) - luma(source))
    step = _SEARCH_STEP * scale
    places = [
        (y, x) for y in range(0, picture.shape[0] - side + 1, step) for x in range(0, picture.shape[1] - side + 1, step)
    ]
    return max(places, key=lambda place: float(lost[place[0] : place[0] + side, place[1] : place[1] + side].mean()))


def _enlarged(square: Picture, zoom: int) -> Picture:
    return square.repeat(zoom, axis=0).repeat(zoom, axis=1)


def _laid_out(labels: Sequence[str], cells: Sequence[Sequence[Picture]]) -> Picture:
    from PIL import Image, ImageDraw, ImageFont

    height, width = cells[0][0].shape[:2]
    size = (len(labels) * (width + _GAP) + _GAP, _LABEL + len(cells) * (height + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    pen: Any = ImageDraw.Draw(sheet)
    for column, label in enumerate(labels):
        left = _GAP + column * (width + _GAP)
        pen.text((left, _GAP // 2), label, fill=(0, 0, 0), font=ImageFont.load_default(size=18))
        for row, line in enumerate(cells):
            sheet.paste(Image.fromarray(np.ascontiguousarray(line[column])), (left, _LABEL + row * (height + _GAP)))
    return np.asarray(sheet)
