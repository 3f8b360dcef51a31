"""What becomes of each stream of a file, decided and told before hours of work."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsfdat.errors import EncodeError

from ..container import open_container, video_stream
from ..extras import require
from .captions import LOST, WITH_CAPTIONS, can_hold_captions, packet_has_captions
from .choose import choose, endings_that_keep
from .marks import Marks, read_marks
from .sample import Sample, read_samples
from .tags import lost_tags, tags_of
from .ways import Way

_log = logging.getLogger(__name__)

# What a picture may be called in a file, where its own name is not known, and what kind of file it is.
_PICTURES = {
    "mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png"), "bmp": ("cover.bmp", "image/bmp"),
    "gif": ("cover.gif", "image/gif"), "webp": ("cover.webp", "image/webp"),
}  # fmt: skip
_COVERS_OF_MP4 = ("mjpeg", "png", "bmp")


@dataclass(frozen=True)
class Attachment:
    """A file within the file, such as a font or a cover picture; of a picture also the codec and the size in pixels."""

    name: str
    mimetype: str
    data: bytes
    codec: str = ""
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Plan:
    """What an output gets from a file beside the upscaled pictures.

    `video` is the stream that is upscaled, `ways` has the streams that are carried over by their index, and `covers`
    are the pictures that are streams in the output. `has_captions`: the first pictures have; of some codecs later ones
    may, which is `may_have_captions`.
    """

    container: str
    encoder: str
    video: int
    marks: Marks
    tags: dict[str, str]
    ways: Mapping[int, Way] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()
    covers: Sequence[Attachment] = ()
    has_captions: bool = False
    may_have_captions: bool = False

    def encoder_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Add to an encoder's options those by which it writes captions and 3D marks."""
        mine = self.marks.encoder_options(self.encoder)
        if can_hold_captions(self.encoder):
            mine["a53cc"] = "1"
        # Of several parameters in one option none pushes out another.
        return {**options, **{key: ":".join(filter(None, [options.get(key), mine[key]])) for key in mine}}


def plan_streams(path: Path, container: str, encoder: str, *, audio: bool = True, subtitles: bool = True) -> Plan:
    """Decide what becomes of each stream of a file, and say what is lost or changed, each in one warning.

    One that cannot be kept is left out. Only where the film would be without any sound, and another output would keep
    it, that is for the user to decide.

    Args:
        path: The file.
        container: FFmpeg's name of the output's.
        encoder: FFmpeg's name of the video encoder.
        audio: Keep sound.
        subtitles: Keep subtitles.

    Raises:
        EncodeError: The file cannot be read, holds no video, or its sound does not fit.
    """
    with open_container(path) as source:
        video = video_stream(source, path).index
        samples = read_samples(source, video)
        if samples[video].stream.codec_context is None:
            raise EncodeError(f"{path}: its video cannot be decoded (FFmpeg has no decoder for {samples[video].codec})")
        planner = _Planner(source, container)
        for sample in samples:
            if sample.stream.index != video:
                planner.add(sample, is_wanted={"audio": audio, "subtitle": subtitles}.get(sample.stream.type, True))
        planner.tell_lost_sound()
        marks, tags = read_marks(source, samples[video]), tags_of(source.metadata)
        has_captions = any(map(packet_has_captions, samples[video].packets))
        _tell_lost_marks(marks, container, encoder)
        _tell_lost_tags(tags, container)
        if has_captions and not can_hold_captions(encoder):
            _log.warning(LOST, encoder)
        return Plan(
            container, encoder, video, marks, tags, planner.ways, planner.attachments, planner.covers, has_captions,
            may_have_captions=samples[video].codec in WITH_CAPTIONS,
        )  # fmt: skip


class _Planner:
    """Gathers what is kept, stream by stream."""

    def __init__(self, source: Any, container: str) -> None:
        self._origin = source.format.name
        self._has_chapters = bool(source.chapters())
        self._container = container
        self._has_sound = False
        self._lost_sound: list[tuple[Sample, list[str]]] = []
        self.ways: dict[int, Way] = {}
        self.attachments: list[Attachment] = []
        self.covers: list[Attachment] = []

    def add(self, sample: Sample, *, is_wanted: bool) -> None:
        """Take a stream in, or say why not."""
        kind = sample.stream.type
        if not is_wanted:
            return
        if kind in ("audio", "subtitle"):
            self._add_played(sample)
        elif kind == "attachment":
            stream = sample.stream
            self._attach(sample, Attachment(stream.name or "attachment", stream.mimetype or "", stream.data))
        elif kind == "video":
            self._add_video(sample)
        elif not self._is_known_otherwise(sample.stream):
            _log.warning("%s is left out: no output holds it.", sample.label)

    def tell_lost_sound(self) -> None:
        """Say which sound is left out, unless it is all there is and another output keeps it.

        Raises:
            EncodeError: So it is.
        """
        for sample, endings in self._lost_sound:
            if endings and not self._has_sound:
                raise EncodeError(
                    f"{sample.label} does not fit into {self._container}, choose an output that ends in {endings[0]}, "
                    "or leave sound out with --no-audio"
                )
        for sample, endings in self._lost_sound:
            self._tell_lost(sample, endings)

    def _add_played(self, sample: Sample) -> None:
        choice = choose(sample, self._container, self._origin)
        if choice is None:
            endings = endings_that_keep(sample, self._container, self._origin)
            if sample.stream.type == "audio":
                self._lost_sound.append((sample, endings))
            else:
                self._tell_lost(sample, endings)
            return
        self.ways[sample.stream.index] = choice.way
        self._has_sound |= sample.stream.type == "audio"
        if choice.remark:
            _log.warning("%s goes into %s as %s.", sample.label, self._container, choice.remark)

    def _tell_lost(self, sample: Sample, endings: Sequence[str]) -> None:
        if endings:
            self._tell_who_keeps(sample.label, endings[0])
        elif sample.stream.codec_context is None:
            _log.warning("%s is left out: FFmpeg cannot decode it, and no output keeps it.", sample.label)
        else:
            _log.warning("%s is left out: no output holds it.", sample.label)

    def _tell_who_keeps(self, label: str, ending: str) -> None:
        said = "%s does not fit into %s and is left out; an output that ends in %s keeps it."
        _log.warning(said, label, self._container, ending)

    def _add_video(self, sample: Sample) -> None:
        stream = sample.stream
        if not stream.disposition & require("av").stream.Disposition.attached_pic:
            _log.warning("video stream %d is another video and is left out.", stream.index)
            return
        name, mimetype = _PICTURES.get(sample.codec, ("cover", ""))
        name, mimetype = stream.metadata.get("filename", name), stream.metadata.get("mimetype", mimetype)
        data = b"".join(bytes(packet) for packet in sample.packets[:1])
        cover = Attachment(name, mimetype, data, sample.codec, (stream.width, stream.height))
        if self._container == "mp4" and sample.codec in _COVERS_OF_MP4 and all(cover.size):
            self.covers.append(cover)
        else:
            self._attach(sample, cover)

    def _attach(self, sample: Sample, attachment: Attachment) -> None:
        if self._container == "matroska":
            self.attachments.append(attachment)
        else:
            self._tell_who_keeps(f"{sample.stream.type} stream {sample.stream.index} ({attachment.name})", ".mkv")

    def _is_known_otherwise(self, stream: Any) -> bool:
        """Tell whether a stream of data holds what the output gets in another way: chapters, or a timecode."""
        is_chapters = self._has_chapters and stream.discard == require("av").stream.Discard.all
        return is_chapters or "timecode" in stream.metadata


def _tell_lost_marks(marks: Marks, container: str, encoder: str) -> None:
    if not marks.stereo_fits(container, encoder):
        _log.warning(
            "The mark that this is a 3D film (%s) does not fit into %s with %s and is left out; "
            "an output that ends in .mkv keeps it.",
            marks.stereo, container, encoder,
        )  # fmt: skip
    if marks.is_spherical:
        _log.warning("The mark that the pictures show all around (360°) is left out; a player must be told.")


def _tell_lost_tags(tags: dict[str, str], container: str) -> None:
    if lost := lost_tags(tags, container):
        _log.warning(
            "%s has no place for tags of the file, which are left out: %s; an output that ends in .mkv keeps them.",
            container, ", ".join(lost),
        )  # fmt: skip
