"""How long a whole film would take and how large it would be, from short runs of frames made as the command makes them.

Networks are slow and encoders less so: how the film's bytes come and go is taken from a long sample that is plainly
resized, and what the network makes of that from short runs that are made both ways.
"""

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsfdat import color
from vsfdat.encode.container import open_container
from vsfdat.encode.makers import Here
from vsfdat.encode.output.picture import settle_matrix, to_encoder
from vsfdat.encode.pace import Pace
from vsfdat.encode.segments import Manifest, Segment, plan_segments
from vsfdat.encode.work import Work
from vsfdat.frames import planes
from vsfdat.plugin.repeats import Repeats, Source

# The plain sample: as many runs of so many frames. Encoders look about 40 frames ahead.
PLAIN_RUNS, PLAIN_LENGTH = 8, 50
# Frames of a run that the network makes: one key frame, and enough of the others to tell how these differ.
_LENGTH = 6
# Frames after which encoders begin anew where nothing else has them do so.
_LONGEST_GROUP = 250

type Runs = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Forecast:
    """Of a whole film: its frames, seconds and bytes.

    A frame that is computed takes the network `network` seconds, any frame takes decoder and encoder `other`;
    `repeats` is the share of frames that are not computed.
    """

    frames: int
    seconds: float
    size: float
    network: float
    other: float
    repeats: float


@dataclass(frozen=True)
class Packets:
    """What an encoder made of some frames: `keys` packets of `key_bytes` in all, and `others` of `other_bytes`."""

    keys: int = 0
    key_bytes: int = 0
    others: int = 0
    other_bytes: int = 0

    def __add__(self, more: "Packets") -> "Packets":
        return Packets(*(one + other for one, other in zip(vars(self).values(), vars(more).values(), strict=True)))


def forecast(work: Work, numbers: Sequence[int], *, opening: float, dedup: float | None, shares_cpu: bool) -> Forecast:
    """Make runs of a film's frames and reckon with them.

    Args:
        work: The film, as the command opens it.
        numbers: Of the frames that the network's runs begin at.
        opening: Seconds that it took to open the film and load the model.
        dedup: As in `UpscaleOptions`.
        shares_cpu: The network runs where decoder and encoder do, so that none waits for the others.

    Raises:
        EncodeError: A frame cannot be decoded or encoded.
        vapoursynth.Error: The network fails.
    """
    total = work.video.clip.num_frames
    short, long = runs_at(total, numbers, _LENGTH), spread_evenly(total, PLAIN_RUNS, PLAIN_LENGTH)
    plain = _plainly(work, dedup)
    with tempfile.TemporaryDirectory(prefix="vsfdat-try-") as folder:
        maker = _Maker(Path(folder))
        first, _ = maker.make(work, [(short[0][0], short[0][0] + 1)])
        made, with_network = maker.make(work, short)
        _, without = maker.make(plain, short)
        sampled, course = maker.make(plain, long)
    repeats = sampled.repeats / sampled.frames
    computed = max(1, made.frames - made.repeats)
    other = sampled.seconds / sampled.frames
    network = made.frames / made.clip / computed
    a_frame = (1 - repeats) * network + other if shares_cpu else max((1 - repeats) * network, other)
    size = scale(course, with_network, without, total, len(long)) + _count_other_bytes(work)
    return Forecast(total, opening + first.seconds + (total - 1) * a_frame, size, network, other, repeats)


def spread_evenly(total: int, count: int, length: int) -> Runs:
    """Spread runs over a film, as (first, stop); all of it in one where they would be no less."""
    if total <= count * length:
        return [(0, total)]
    firsts = [(total - length) * place // max(1, count - 1) for place in range(count)]
    return [(first, first + length) for first in firsts]


def runs_at(total: int, numbers: Sequence[int], length: int) -> Runs:
    """Begin short runs at some frames, earlier where the film ends, without those that overlap an earlier run."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        first = max(0, min(number, total - length))
        if not runs or first >= runs[-1][1]:
            runs.append((first, min(first + length, total)))
    return runs


class _Maker:
    """Makes runs of frames as the command makes segments.

    Args:
        folder: For its files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, 0

    def make(self, work: Work, runs: Runs) -> tuple[Pace, Packets]:
        """Make runs; give how fast that was, and what came of it."""
        self._made += 1
        folder = self._folder / str(self._made)
        segments = [Segment(number, *run) for number, run in enumerate(runs)]
        with Manifest.open(folder, {}, folder) as manifest:
            maker = Here(work, keeps_frames=False)
            pace = maker.make(segments, manifest, lambda frames: None, threading.Event())  # noqa: ARG005
            packets = sum((_read_packets(manifest.path(segment)) for segment in segments), Packets())
        return pace, packets


def _read_packets(path: Path) -> Packets:
    with open_container(path) as container:
        found = [(packet.is_keyframe, packet.size) for packet in container.demux(video=0) if packet.size]
    keys, others = ([size for is_key, size in found if is_key == kind] for kind in (True, False))
    return Packets(len(keys), sum(keys), len(others), sum(others))


def _plainly(work: Work, dedup: float | None) -> Work:
    """Open the same film plainly resized; frames that the network would not compute are marked as its own are."""
    video = work.video
    clip = settle_matrix(work.source.clip, video.picture)
    target, sort_out = color.network_format(clip, 3), color.sort_out()
    clip = color.to_network(clip.std.ModifyFrame(clip, lambda n, f: sort_out(f)), target)  # noqa: ARG005
    if dedup is not None:
        clip = clip.std.ModifyFrame(clip, _mark_repeats(Repeats(dedup)))
    resized = clip.resize.Lanczos(video.clip.width, video.clip.height, format=vs.RGBS)
    encoded = to_encoder(resized, work.source.clip.format, video.picture, video.codec)
    return replace(work, video=replace(video, clip=encoded))


def _mark_repeats(repeats: Repeats) -> Any:
    def mark(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        _, is_repeat = repeats.get([Source(n, planes(f), color.levels(f))], lambda: f)
        if not is_repeat:
            return f
        marked = f.copy()
        marked.props["VsfdatRepeat"] = 1
        return marked

    return mark


def scale(course: Packets, with_network: Packets, without: Packets, total: int, runs: int) -> float:
    """Reckon the bytes of a film's video.

    Args:
        course: Of the plain sample.
        with_network: Of the short runs.
        without: Of the same frames, plainly resized.
        total: Frames of the film.
        runs: Of the plain sample; each begins with a key frame.
    """
    key = course.key_bytes / course.keys * with_network.key_bytes / without.key_bytes
    if not (course.others and without.other_bytes):
        return total * key
    other = course.other_bytes / course.others * with_network.other_bytes / without.other_bytes
    cuts = (course.keys - runs) / (course.keys + course.others - runs)
    inside = cuts if runs == 1 else cuts / (1 - (1 - cuts) ** _LONGEST_GROUP) if cuts else 1 / _LONGEST_GROUP
    keys = min(total, len(plan_segments(total)) + inside * total)
    return keys * key + (total - keys) * other


def _count_other_bytes(work: Work) -> int:
    """Count the bytes of sound, subtitles and files that are copied."""
    plan, source = work.plan, work.source
    begin, end = source.pts[0] * source.time_base, source.end * source.time_base
    size = sum(len(attachment.data) for attachment in (*plan.attachments, *plan.covers))
    if not plan.ways:
        return size
    with open_container(source.path) as container:
        for packet in container.demux([container.streams[index] for index in plan.ways]):
            if packet.pts is not None and begin <= packet.pts * packet.time_base < end:
                size += packet.size
    return size
