"""What cameras, editors and codecs do to a picture before anybody upscales it."""

import io
from typing import Any

import numpy as np

from vsfdat.quality.compress import through_video, through_yuv420
from vsfdat.quality.pictures import Picture

from .checks import Range
from .recipe import DegradeFacts

_FRAMES = 3  # enough for the codec to predict the last frame from others, as it does in a video
_LARGEST_MOTION = 2  # pixels a frame


def degrade(patch: Picture, facts: DegradeFacts, draw: np.random.Generator) -> Picture:
    """Degrade a low-resolution patch as the recipe says, or leave it clean.

    Args:
        patch: [H, W, 3]; even sides where a codec is a video's.
        facts: What may happen, how strongly and how often.
        draw: Where all chance comes from.

    Returns:
        [H, W, 3].
    """
    if draw.random() >= facts.share:
        return patch
    if facts.blur[1] > 0 and draw.random() < 0.5:
        patch = _blur(patch, draw.uniform(*facts.blur))
    if facts.noise[1] > 0 and draw.random() < 0.5:
        patch = _noise(patch, draw.uniform(*facts.noise), draw)
    if facts.codecs:
        codec = list(facts.codecs)[draw.integers(len(facts.codecs))]
        patch = _compress(patch, codec, facts.codecs[codec], draw)
    return patch


def degrade_clip(frames: list[Picture], facts: DegradeFacts, draw: np.random.Generator) -> list[Picture]:
    """Degrade a clip as the recipe says, or leave it clean; noise is another in every frame.

    Args:
        frames: Low-resolution pictures [H, W, 3] in their order; even sides where a codec is a video's.
        facts: What may happen, how strongly and how often.
        draw: Where all chance comes from.

    Returns:
        As many frames; a video's codec has made intra frames of them, and such as it predicted from one side or both.
    """
    if draw.random() >= facts.share:
        return frames
    if facts.blur[1] > 0 and draw.random() < 0.5:
        sigma = draw.uniform(*facts.blur)
        frames = [_blur(frame, sigma) for frame in frames]
    if facts.noise[1] > 0 and draw.random() < 0.5:
        sigma = draw.uniform(*facts.noise)
        frames = [_noise(frame, sigma, draw) for frame in frames]
    if not facts.codecs:
        return frames
    codec = list(facts.codecs)[draw.integers(len(facts.codecs))]
    value = draw.uniform(*facts.codecs[codec])
    if codec == "jpeg":
        return [_through_jpeg(frame, round(value)) for frame in frames]
    if codec == "yuv420":
        return [through_yuv420(frame) for frame in frames]
    return through_video(frames, codec, value, carefully=True)


def _blur(patch: Picture, sigma: float) -> Picture:
    from PIL import Image, ImageFilter

    return np.asarray(Image.fromarray(np.ascontiguousarray(patch)).filter(ImageFilter.GaussianBlur(sigma)))


def _noise(patch: Picture, sigma: float, draw: np.random.Generator) -> Picture:
    return (patch + draw.normal(0, sigma, patch.shape)).round().clip(0, 255).astype(np.uint8)


def _compress(patch: Picture, codec: str, strength: Range, draw: np.random.Generator) -> Picture:
    value = draw.uniform(*strength)
    if codec == "jpeg":
        return _through_jpeg(patch, round(value))
    if codec == "yuv420":
        return through_yuv420(patch)
    motion = draw.integers(-_LARGEST_MOTION, _LARGEST_MOTION + 1, 2)
    frames = [_moved(patch, motion * (_FRAMES - 1 - n)) for n in range(_FRAMES)]
    return through_video(frames, codec, value)[-1]


def _through_jpeg(patch: Picture, quality: int) -> Picture:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(patch)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def _moved(patch: Picture, offset: Any) -> Picture:
    """Move a patch's content, its border repeated."""
    rows = np.arange(patch.shape[0]) + offset[0]
    columns = np.arange(patch.shape[1]) + offset[1]
    moved: Picture = patch[rows.clip(0, patch.shape[0] - 1)][:, columns.clip(0, patch.shape[1] - 1)]
    return moved
