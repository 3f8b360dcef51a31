"""What the film's video track says of its pictures, beside their colours: names, timecode, that they are 3D."""

import struct
from dataclasses import dataclass
from typing import Any

from ..extras import require
from .sample import Sample
from .tags import tags_of

# FFmpeg's numbers of how two views share a picture, and Matroska's names: the left eye's first, the right eye's first.
_STEREO = {1: ("left_right", "right_left"), 2: ("top_bottom", "bottom_top")}
# x264's numbers of the same; it has none for the right eye's first.
_FRAME_PACKING = {"left_right": 3, "top_bottom": 4}


@dataclass(frozen=True)
class Marks:
    """Of a video track: its tags, its dispositions (a PyAV Disposition), and how the views of a 3D film lie in it.

    `stereo` and `timecode` are empty where there is no such mark; `stereo` is Matroska's name. `is_spherical`: the
    picture is one of all around.
    """

    tags: dict[str, str]
    disposition: Any
    stereo: str = ""
    timecode: str = ""
    is_spherical: bool = False

    def stereo_fits(self, container: str, encoder: str) -> bool:
        """Tell whether the output can say how the views lie."""
        return not self.stereo or container in ("matroska", "webm") or bool(self.encoder_options(encoder))

    def put_on(self, target: Any, container: str) -> None:
        """Mark the output's video track; the timecode is the caller's to count."""
        target.metadata.update(self.tags)
        target.disposition = self.disposition
        if self.stereo and container in ("matroska", "webm"):
            target.metadata["stereo_mode"] = self.stereo

    def encoder_options(self, encoder: str) -> dict[str, str]:
        """Give the options by which an encoder says how the views lie."""
        if encoder != "libx264" or self.stereo not in _FRAME_PACKING:
            return {}
        return {"x264-params": f"frame-packing={_FRAME_PACKING[self.stereo]}"}


def read_marks(container: Any, video: Sample) -> Marks:
    """Read the marks of a file's video track."""
    stream = video.stream
    return Marks(
        tags=tags_of(stream.metadata),
        disposition=stream.disposition,
        stereo=_stereo(video),
        timecode=_timecode(container, stream),
        is_spherical="spherical" in stream.codec_context.coded_side_data,
    )


def _timecode(container: Any, video: Any) -> str:
    """Find a timecode where containers keep it: with the video, with the file, or on a track of its own."""
    places = [video.metadata, container.metadata, *(s.metadata for s in container.streams if s.type == "data")]
    tags = [{key.lower(): value for key, value in place.items()} for place in places]
    return next((found["timecode"] for found in tags if "timecode" in found), "")


def _stereo(video: Sample) -> str:
    """Name how the views of a 3D film lie in the picture, by the container's word or else by the first picture's."""
    named = video.stream.metadata.get("stereo_mode", "")
    if named:
        return "" if named == "mono" else named
    data = video.stream.codec_context.coded_side_data.get("stereo_3d") or _first_picture(video).get("STEREO3D")
    if data is None:
        return ""
    layout, flags = struct.unpack_from("=ii", bytes(data))
    return _STEREO[layout][flags & 1] if layout in _STEREO else ""


def _first_picture(video: Sample) -> dict[str, Any]:
    """Decode the first picture for what comes with it, by FFmpeg's names."""
    try:
        for packet in (*video.packets, None):
            for frame in video.stream.decode(packet):
                return {kind.name: data for kind, data in frame.side_data.items()}
    except require("av").FFmpegError:
        pass  # damage is met again, and told, where all is read
    return {}
