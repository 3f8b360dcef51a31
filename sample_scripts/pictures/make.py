"""Make before_after.png: a crop of the sample clip as it is, by bicubic, and by vsfdat, all at 400 % of the result.

uv run --all-extras python sample_scripts/pictures/make.py
"""

from pathlib import Path

import numpy as np
import vapoursynth as vs
from PIL import Image

import vsfdat

HERE = Path(__file__).parent
FRAME = 36
LEFT, TOP, WIDTH, HEIGHT = 72, 16, 60, 60  # in the source
ZOOM = 4


def picture(clip: vs.VideoNode) -> Image.Image:
    """Take the frame out of a clip as 8-bit RGB."""
    frame = clip.resize.Bicubic(format=vs.RGB24).get_frame(FRAME)
    return Image.fromarray(np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=-1))


def panel(image: Image.Image) -> Image.Image:
    """Cut the crop out and enlarge its pixels as they are."""
    scale = image.width // source.width
    box = (LEFT * scale, TOP * scale, (LEFT + WIDTH) * scale, (TOP + HEIGHT) * scale)
    return image.crop(box).resize((WIDTH * 2 * ZOOM, HEIGHT * 2 * ZOOM), Image.Resampling.NEAREST)


source = vs.core.bs.VideoSource(str(HERE.parent / "bigbuckbunny_sample.mp4"), cachemode=0)
bicubic = source.resize.Bicubic(source.width * 2, source.height * 2)
ours = vsfdat.upscale(source)

panels = [panel(picture(clip)) for clip in (source, bicubic, ours)]
row = Image.new("RGB", (sum(each.width for each in panels) + 16, panels[0].height), "white")
for index, each in enumerate(panels):
    row.paste(each, (index * (each.width + 8), 0))
row.save(HERE / "before_after.png", optimize=True)
