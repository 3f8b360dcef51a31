"""Films made of fields, of which it is known what each was: pulldown, video, pairs, cuts that break a cadence."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

type Planes = tuple[NDArray[np.uint8], ...]

RATE = Fraction(30000, 1001)


@dataclass(frozen=True)
class Field:
    """A field of a film: of which picture, and what kind of film it is there."""

    picture: int
    kind: str


def draw(count: int, size: tuple[int, int] = (96, 64), seed: int = 0, still: range = range(0)) -> list[Planes]:
    """Draw pictures on which a square with a pattern wanders over a still ground; not in those that are to be still."""
    width, height = size
    random = np.random.default_rng(seed)
    ground = [
        np.kron(random.integers(40, 120, (height // tall, width // tall)), np.ones((tall, tall))) for tall in (8, 4, 4)
    ]
    ground[1], ground[2] = ground[1][::2, ::2], ground[2][::2, ::2]
    side = height // 2
    pattern = np.kron(random.integers(60, 250, (side // 4, side // 4)), np.ones((4, 4)))
    pictures = []
    moments = itertools.accumulate((n not in still for n in range(count)), initial=0)
    for moment in itertools.islice(moments, count):
        planes = [plane.astype(np.uint8) for plane in ground]
        x, y = (_swing(moment * step, room) for step, room in ((3, width - side), (2, height - side)))
        planes[0][y : y + side, x : x + side] = pattern
        for plane in planes[1:]:
            plane[y // 2 : (y + side) // 2, x // 2 : (x + side) // 2] = 128 + pattern[::2, ::2] / 4
        pictures.append(tuple(planes))
    return pictures


def spread(pictures: range, kind: str, lengths: Sequence[int], drop: int = 0) -> list[Field]:
    """Make each picture as many fields as it is its turn to have, up to a whole frame; `drop` some at the beginning."""
    turns = itertools.cycle(lengths)
    fields = [Field(picture, kind) for picture in pictures for _ in range(next(turns))][drop:]
    return fields[: len(fields) // 2 * 2]


def weave(pictures: Sequence[Planes], fields: Sequence[Field], *, is_top_first: bool = True) -> list[Planes]:
    """Put every two fields into a frame."""
    frames = []
    for first, second in itertools.batched(fields, 2):
        top, bottom = (first, second) if is_top_first else (second, first)
        frames.append(tuple(plane.copy() for plane in pictures[top.picture]))
        for plane, other in zip(frames[-1], pictures[bottom.picture], strict=True):
            plane[1::2] = other[1::2]
    return frames


def expected(fields: Sequence[Field]) -> list[tuple[str, int]]:
    """List what is to be shown: pictures of which two fields follow each other, and one for each frame of video."""
    shown: list[tuple[str, int]] = []
    for place, (field, following) in enumerate(itertools.pairwise(fields)):
        if field.kind == following.kind == "video" and place % 2 == 0:
            shown.append(("video", field.picture))
        elif field == following and field.kind != "video" and ("film", field.picture) not in shown[-1:]:
            shown.append(("film", field.picture))
    return shown


def recognise(frame: vs.VideoFrame, pictures: Sequence[Planes], *, is_top_first: bool = True) -> tuple[str, int]:
    """Say what a frame shows: a "film" picture to the last bit, or "video", which is the first field of one alone.

    Of equal pictures the first is named, "woven" are two fields of different ones, and all else is "nothing".
    """
    planes = [np.asarray(frame[plane]) for plane in range(3)]
    first, second = (slice(0, None, 2), slice(1, None, 2))[:: 1 if is_top_first else -1]
    kept = [n for n, picture in enumerate(pictures) if _are_equal(planes, picture, first)]
    whole = [n for n in kept if _are_equal(planes, pictures[n], second)]
    if whole or not kept:
        return ("film", whole[0]) if whole else ("nothing", -1)
    is_woven = any(_are_equal(planes, picture, second) for picture in pictures)
    return "woven" if is_woven else "video", kept[0]


def name_first(
    shown: Sequence[tuple[str, int]], pictures: Sequence[Planes], *, is_top_first: bool = True
) -> list[tuple[str, int]]:
    """Name pictures as `recognise` does, by the first of those that are equal."""
    names: dict[tuple[str, int], int] = {}
    for kind, rows in {"film": slice(None), "video": slice(0 if is_top_first else 1, None, 2)}.items():
        known: dict[bytes, int] = {}
        for n, picture in enumerate(pictures):
            names[kind, n] = known.setdefault(b"".join(plane[rows].tobytes() for plane in picture), n)
    return [(kind, names[kind, n]) for kind, n in shown]


def _are_equal(planes: Sequence[NDArray[np.uint8]], others: Planes, rows: slice) -> bool:
    return all(np.array_equal(plane[rows], other[rows]) for plane, other in zip(planes, others, strict=True))


def write(
    path: Path, frames: Sequence[Planes], order: str = "tff", codec: str = "ffv1", rate: Fraction = RATE, **options: str
) -> Path:
    """Write frames into a file, flagged "tff", "bff" or "prog"."""
    flags = {"flags": "+ildct+ilme"} if order != "prog" and codec != "ffv1" else {}
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=rate)
        context = stream.codec_context
        context.height, context.width = frames[0][0].shape
        context.pix_fmt, context.time_base, context.options = "yuv420p", 1 / rate, flags | options
        for frame in _flagged(frames, order, 1 / rate):
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def _flagged(frames: Sequence[Planes], order: str, time_base: Fraction) -> Iterator[Any]:
    height, width = frames[0][0].shape
    graph = av.filter.Graph()
    flag, sink = graph.add("setfield", f"mode={order}"), graph.add("buffersink")
    graph.add_buffer(width=width, height=height, format="yuv420p", time_base=time_base).link_to(flag)
    flag.link_to(sink)
    graph.configure()
    for number, planes in enumerate(frames):
        frame = av.VideoFrame(width, height, "yuv420p")
        for source, plane in zip(planes, frame.planes, strict=True):
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            rows[:, : source.shape[1]] = source
        graph.push(frame)
        flagged = graph.pull()
        flagged.pts, flagged.time_base = number, time_base
        yield flagged


def _swing(way: int, room: int) -> int:
    """Go to and fro in whole pairs of pixels or rows of chroma."""
    place = way % (2 * room)
    return min(place, 2 * room - place) // 2 * 2
