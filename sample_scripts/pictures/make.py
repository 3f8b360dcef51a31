"""Make before_after.png: parts of two pictures, halved and doubled again, by bicubic and by vsfdat, at 200 %.

uv run --all-extras python sample_scripts/pictures/make.py PICTURES

PICTURES has the originals, which ../README.md names.
"""

import sys
from pathlib import Path

import numpy as np
import vapoursynth as vs
from PIL import Image, ImageDraw, ImageFont

import vsfdat

HERE = Path(__file__).parent
ZOOM = 2
WIDTH, HEIGHT = 360, 170  # of a part, in the doubled picture
GAP, LABEL = 8, 22
# The original, its width before doubling, and the part's left upper corner.
PARTS = [
    ("renpy-demo__concert1.png", 480, (500, 66)),
    ("endless-sky-high-dpi__city14-sfiera@2x.jpg", 720, (770, 268)),
]


def clip_of(picture: Image.Image) -> vs.VideoNode:
    """Make a clip of one picture."""
    blank = vs.core.std.BlankClip(width=picture.width, height=picture.height, format=vs.RGB24, length=1)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:  # noqa: ARG001 (ModifyFrame's parameters)
        frame = f.copy()
        for plane in range(3):
            np.asarray(frame[plane])[:] = np.asarray(picture)[..., plane]
        return frame

    return blank.std.ModifyFrame(blank, fill)


def picture_of(clip: vs.VideoNode) -> Image.Image:
    """Take the picture out of a clip."""
    with clip.resize.Bicubic(format=vs.RGB24, dither_type="error_diffusion").get_frame(0) as frame:
        return Image.fromarray(np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=-1))


def part(picture: Image.Image, left: int, top: int) -> Image.Image:
    """Cut a part out and enlarge its pixels as they are."""
    cut = picture.crop((left, top, left + WIDTH, top + HEIGHT))
    return cut.resize((WIDTH * ZOOM, HEIGHT * ZOOM), Image.Resampling.NEAREST)


def main(folder: str) -> None:
    sheet = Image.new("RGB", (2 * WIDTH * ZOOM + GAP, LABEL + len(PARTS) * (HEIGHT * ZOOM + GAP) - GAP), "white")
    for column, name in enumerate(("bicubic", "vsfdat")):
        place = column * (WIDTH * ZOOM + GAP) + 2, 1
        ImageDraw.Draw(sheet).text(place, name, "black", ImageFont.load_default(18))
    for row, (name, width, corner) in enumerate(PARTS):
        original = Image.open(Path(folder) / name).convert("RGB")
        small = original.resize((width, width * original.height // original.width), Image.Resampling.BICUBIC)
        source = clip_of(small)
        doubled = source.resize.Bicubic(2 * small.width, 2 * small.height)
        for column, clip in enumerate((doubled, vsfdat.upscale(source))):
            place = column * (WIDTH * ZOOM + GAP), LABEL + row * (HEIGHT * ZOOM + GAP)
            sheet.paste(part(picture_of(clip), *corner), place)
    sheet.save(HERE / "before_after.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
