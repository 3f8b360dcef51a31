"""What codecs leave of pictures: encoded and decoded again, in memory."""

from fractions import Fraction
from typing import Any

import numpy as np

from .pictures import Picture


def through_yuv420(picture: Picture) -> Picture:
    """Take a picture [H, W, 3] to BT.709 YUV with halved chroma planes and back."""
    return _rgb(_yuv420(picture))


def through_video(frames: list[Picture], codec: str, strength: float, *, carefully: bool = False) -> list[Picture]:
    """Encode frames as a video and decode them.

    Args:
        frames: Pictures [H, W, 3] of one even size.
        codec: "h264" for x264, "mpeg2" for the codec of DVDs.
        strength: CRF for H.264, quantiser for MPEG-2.
        carefully: Encode as films are, with frames predicted from both sides, instead of fast.

    Returns:
        As many frames, compressed.
    """
    encoder, decoder = _encoder(codec, strength, carefully), _decoder(codec)
    encoder.height, encoder.width = frames[0].shape[:2]
    packets = [packet for n, frame in enumerate(frames) for packet in encoder.encode(_yuv420(frame, n))]
    packets += encoder.encode(None)
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    return [_rgb(frame) for frame in [*decoded, *decoder.decode(None)]]


def _encoder(codec: str, strength: float, carefully: bool) -> Any:
    import av

    encoder: Any = av.CodecContext.create({"h264": "libx264", "mpeg2": "mpeg2video"}[codec], "w")
    encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
    encoder.thread_count = 1
    if codec == "h264":
        effort = {"preset": "medium"} if carefully else {"preset": "veryfast", "bf": "0"}
        encoder.options = {"crf": f"{strength:.1f}", **effort}
    else:
        encoder.qmin = encoder.qmax = max(1, round(strength))
        encoder.options = {"bf": "2"} if carefully else {}
    return encoder


def _decoder(codec: str) -> Any:
    import av

    decoder: Any = av.CodecContext.create({"h264": "h264", "mpeg2": "mpeg2video"}[codec], "r")
    decoder.thread_count = 1
    return decoder


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
