"""Closed captions (CEA-608 and 708), which broadcasts and discs hide in the pictures: read beside the upscaling."""

import contextlib
import itertools
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from ..container import open_container
from ..extras import require

# What stands before captions in a packet: in H.264 and HEVC, in MPEG-2's broadcasts, on DVDs, and in SCTE 20.
_USER_DATA = b"\x00\x00\x01\xb2"
_BEGINNINGS = (b"\xb5\x00\x31GA94\x03", _USER_DATA + b"GA94\x03", _USER_DATA + b"CC\x01\xf8", _USER_DATA + b"\x03")
# Codecs of which FFmpeg's decoders tell captions.
WITH_CAPTIONS = ("h264", "hevc", "mpeg2video", "mpeg1video")
# Of one picture's captions: 31 constructs of 3 bytes.
_MOST_BYTES = 93
# Packets back to the last picture that needs no other, from which on captions are decoded.
_MOST_SINCE_KEY = 600
# Farther than pictures that need no other are from each other.
_SECONDS_EARLY = 15
LOST = "The closed captions in the pictures are left out: %s does not write them, libx264 and libx265 do."


def packet_has_captions(packet: Any) -> bool:
    """Tell whether a packet of video holds captions; one in 10¹² that does not may be taken for one that does."""
    content = bytes(packet)
    return any(beginning in content for beginning in _BEGINNINGS)


def can_hold_captions(encoder: str) -> bool:
    """Tell whether an encoder of FFmpeg writes captions into what it encodes."""
    options = require("av").CodecContext.create(encoder, "w").supported_options.private
    return any(option.name == "a53cc" for option in options)


class Captions:
    """The captions of a file's video, as its frames are asked for in order.

    Nothing is decoded until a packet holds some.

    Args:
        path: The file.
        index: Of the video stream.
        begin: A moment in the stream's unit: captions of pictures before it are not wanted.
    """

    def __init__(self, path: Path, index: int, begin: Fraction) -> None:
        self._input = open_container(path)
        self._video = self._input.streams[index]
        self._video.thread_type = "AUTO"
        self._seek(begin)
        self._found = self._read()
        self._next = next(self._found, None)
        self._untaken = b""
        self.skip_to(begin)
        self._raw: Any = None

    def close(self) -> None:
        """Let go of the file."""
        self._input.close()

    def skip_to(self, moment: Fraction) -> None:
        """Go on from a moment in the stream's unit: captions of earlier pictures are not wanted."""
        self._gather(moment)
        self._untaken = b""

    def before(self, moment: Fraction) -> bytes:
        """Take the captions of all pictures shown before a moment, in the stream's unit, that were not taken yet.

        Not more than one picture can hold: the rest is for the next.
        """
        self._gather(moment)
        taken, self._untaken = self._untaken[:_MOST_BYTES], self._untaken[_MOST_BYTES:]
        return taken

    def put_on(self, picture: Any, captions: bytes) -> Any:
        """Make a frame for the encoder of one: the same picture, time and all, with captions."""
        av = require("av")
        if self._raw is None:
            self._raw = av.CodecContext.create("rawvideo", "r")
            self._raw.width, self._raw.height, self._raw.pix_fmt = picture.width, picture.height, picture.format.name
        # PyAV gives frames what comes with a packet, and has no other way to give them anything.
        beside = av.packet.PacketSideData(get_args(av.packet.PktSideDataT).index("a53_cc"), len(captions))
        beside.update(captions)
        packet = av.Packet(picture.to_ndarray())
        packet.set_sidedata(beside)
        (frame,) = self._raw.decode(packet)
        frame.pict_type = picture.pict_type  # or each would be coded as the first of a film is
        return frame

    def _gather(self, moment: Fraction) -> None:
        while self._next is not None and self._next[0] < moment:
            self._untaken += self._next[1]
            self._next = next(self._found, None)

    def _seek(self, begin: Fraction) -> None:
        """Go where decoding gives all pictures from a moment on; in broadcasts FFmpeg finds any picture."""
        early = round(begin - _SECONDS_EARLY / Fraction(self._video.time_base))
        if early > (self._video.start_time or 0):
            with contextlib.suppress(require("av").FFmpegError):
                self._input.seek(early, stream=self._video)

    def _read(self) -> Iterator[tuple[int, bytes]]:
        """Yield (time, captions) in the order that pictures are shown; empty ones where there are none."""
        since_key: deque[Any] = deque(maxlen=_MOST_SINCE_KEY)
        packets = self._demux()
        for packet in packets:
            if packet.is_keyframe:
                since_key.clear()
            since_key.append(packet)
            if packet_has_captions(packet):
                break
            if packet.dts is not None:
                yield packet.dts, b""
        for packet in itertools.chain(since_key, packets):
            yield from _decode(packet)

    def _demux(self) -> Iterator[Any]:
        with contextlib.suppress(require("av").FFmpegError):  # told where sound is read, or pictures are
            yield from self._input.demux(self._video)


def _decode(packet: Any) -> Iterator[tuple[int, bytes]]:
    with contextlib.suppress(require("av").FFmpegError):  # of damaged pictures there are no captions
        for frame in packet.decode():
            data = {kind.name: bytes(beside) for kind, beside in frame.side_data.items()}
            if frame.pts is not None:
                yield frame.pts, data.get("A53_CC", b"")
