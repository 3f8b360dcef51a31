"""What cameras, editors and codecs do to a picture before anybody upscales it."""

import io
from fractions import Fraction
from typing import Any

import numpy as np

from .checks import Range
from .downscale import Picture
from .recipe import DegradeFacts

_FRAMES = 3  # enough for the codec to predict the last frame from others, as it does in a video
_LARGEST_MOTION = 2  # pixels a frame


def degrade(patch: Picture, facts: DegradeFacts, draw: np.random.Generator) -> Picture:
    """Degrade a low-resolution patch as the recipe says, or leave it clean.

    Args:
        patch: [H, W, 3].
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


def through_yuv420(patch: Picture) -> Picture:
    """Take a picture [H, W, 3] to BT.709 YUV with halved chroma planes and back."""
    return _rgb(_yuv420(patch))


def through_video(frames: list[Picture], codec: str, strength: float, *, carefully: bool = False) -> list[Picture]:
    """Encode frames as a video and decode them.

    Args:
        frames: Pictures [H, W, 3] of one even size.
        codec: "h264" or "mpeg2".
        strength: CRF for H.264, quantiser for MPEG-2.
        carefully: Encode as films are, with frames predicted from both sides, instead of fast.

    Returns:
        As many frames, compressed.
    """
    import av

    encoder: Any = av.CodecContext.create({"h264": "libx264", "mpeg2": "mpeg2video"}[codec], "w")
    encoder.height, encoder.width = frames[0].shape[:2]
    encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
    encoder.thread_count = 1
    if codec == "h264":
        effort = {"preset": "medium"} if carefully else {"preset": "veryfast", "bf": "0"}
        encoder.options = {"crf": f"{strength:.1f}", **effort}
    else:
        encoder.qmin = encoder.qmax = max(1, round(strength))
        encoder.options = {"bf": "2"} if carefully else {}
    decoder: Any = av.CodecContext.create("h264" if codec == "h264" else "mpeg2video", "r")
    decoder.thread_count = 1

    packets = [packet for n, frame in enumerate(frames) for packet in encoder.encode(_yuv420(frame, n))]
    packets += encoder.encode(None)
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    return [_rgb(frame) for frame in [*decoded, *decoder.decode(None)]]


def _yuv420(picture: Picture, number: int = 0) -> Any:
    from av import VideoFrame

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    yuv = frame.reformat(format="yuv420p", dst_colorspace="ITU709", interpolation="BICUBIC")
    yuv.pts = number
    return yuv


def _rgb(frame: Any) -> Picture:
    converted = frame.reformat(format="rgb24", src_colorspace="ITU709", interpolation="BICUBIC")
    picture: Picture = converted.to_ndarray()
    return picture


def _moved(patch: Picture, offset: Any) -> Picture:
    """Move a patch's content, its border repeated."""
    rows = np.arange(patch.shape[0]) + offset[0]
    columns = np.arange(patch.shape[1]) + offset[1]
    moved: Picture = patch[rows.clip(0, patch.shape[0] - 1)][:, columns.clip(0, patch.shape[1] - 1)]
    return moved
