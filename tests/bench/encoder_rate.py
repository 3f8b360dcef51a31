"""Time how many frames reach an encoder that has a network of 200 frames a second before it, beside its own rate.

python -m tests.bench.encoder_rate h264|hevc|av1|ffv1 PRESET|- [frames] [repeats]
python -m tests.bench.encoder_rate RATE [frames] [repeats]

The second one stands in for the encoder too, with one of so many frames a second that takes nothing of the processor's
time, as another machine's would: on a busy machine of few cores there is no telling otherwise.
"""

import contextlib
import dataclasses
import importlib
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import vapoursynth as vs

from vsfdat.encode.input.source import Source, open_source
from vsfdat.encode.makers import pump
from vsfdat.encode.makers.frames import Frames
from vsfdat.encode.makers.segmented import Segmented
from vsfdat.encode.output.codecs import find_codec
from vsfdat.encode.output.picture import describe, to_encoder
from vsfdat.encode.output.video import Video
from vsfdat.encode.pace import Busy
from vsfdat.encode.segments import Manifest, Segment
from vsfdat.encode.streams import plan_streams
from vsfdat.encode.work import Work

SAMPLE = Path(__file__).parents[2] / "sample_scripts/bigbuckbunny_sample.mp4"
NETWORK_RATE = 200
SIZE = (2560, 1440)

# Shares of the time in which the encoder had a picture to work on.
at_work: list[float] = []


class Paced(Segmented):
    """Encodes nothing, at a rate of its own."""

    rate = 0.0

    def write(self, picture: object) -> None:
        time.sleep(1 / self.rate)
        self.frames += 1

    def finish(self, *, is_whole: bool) -> None:
        pass


def main(encoder: str, *rest: str) -> None:
    if encoder[0].isdigit():
        Paced.rate = float(encoder)
        run("h264", "ultrafast", Paced, *map(int, rest))
    else:
        run(encoder, rest[0].strip("-"), Segmented, *map(int, rest[1:]))


def run(codec_name: str, preset: str, kind: type[Segmented], frames: int = 48, repeats: int = 3) -> None:
    codec = find_codec(codec_name)
    opened = open_source(SAMPLE)
    picture = describe(opened.clip, codec)
    larger = opened.clip.resize.Bicubic(*SIZE, format=vs.RGBS, matrix_in=picture.matrix)
    pictures = list(to_encoder(larger, opened.clip.format, picture, codec).frames())
    source, clip = lengthen(opened, frames), network(pictures, frames)
    importlib.import_module("rich.progress")  # takes a second, once
    options = codec.build_options(None, preset or None)
    plan = plan_streams(SAMPLE, "matroska", codec.encoder.name, audio=True, subtitles=True)
    film = Work(source, plan, Video(clip, source, picture, codec, options), 2)
    ways = {"the encoder alone": alone, "one after the other": in_turn, "side by side": side_by_side}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="vsfdat-") as folder:
        for _ in range(repeats):
            for way, work in ways.items():
                with begin(film, kind, Path(folder)) as writer:
                    seconds[way].append(work(writer, clip, pictures))
    name = (
        f"{codec.encoder.name} {options.get('preset', '')}" if kind is Segmented else f"stand-in of {Paced.rate:g} fps"
    )
    report(name, frames, seconds)


@contextlib.contextmanager
def begin(film: Work, kind: type[Segmented], folder: Path) -> Iterator[Segmented]:
    """Begin a job of one segment."""
    segments = [Segment(0, 0, len(film.video.starts))]
    with (
        Manifest.open(folder / "job", {}, folder / "o.mkv", restart=True) as manifest,
        contextlib.closing(Frames(film, segments, manifest, Busy())) as frames,
        contextlib.closing(kind(film, segments, manifest, frames, keeps_part=False)) as writer,
    ):
        yield writer
        manifest.is_over = True


def lengthen(source: Source, frames: int) -> Source:
    step = source.pts[1] - source.pts[0]
    return dataclasses.replace(source, pts=range(0, frames * step, step), end=frames * step, origin=0)


def network(pictures: list[vs.VideoFrame], frames: int) -> vs.VideoNode:
    """Stand in for a network: its frames take their time, one after the other, and none of the processor's."""
    first = pictures[0]
    blank = vs.core.std.BlankClip(None, first.width, first.height, first.format.id, length=frames)

    def take_time(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        time.sleep(1 / NETWORK_RATE)
        return pictures[n % len(pictures)].copy()

    return blank.std.ModifyFrame(blank, take_time)


def alone(writer: Segmented, clip: vs.VideoNode, pictures: list[vs.VideoFrame]) -> float:
    prepared = [writer.prepare(pictures[n % len(pictures)]) for n in range(clip.num_frames)]
    return timed(lambda: [writer.write(picture) for picture in prepared], writer)


def in_turn(writer: Segmented, clip: vs.VideoNode, pictures: list[vs.VideoFrame]) -> float:
    """As it was before the encoder had a thread of its own: while it works nothing else is asked for."""

    def write() -> None:
        for frame in clip.frames(prefetch=vs.core.num_threads, close=True):
            writer.write(writer.prepare(frame))

    return timed(write, writer)


def side_by_side(writer: Segmented, clip: vs.VideoNode, pictures: list[vs.VideoFrame]) -> float:
    start = time.perf_counter()
    pace = pump.write_all(clip, writer, 2, lambda count: None, threading.Event(), Busy(), Busy())
    seconds = time.perf_counter() - start
    at_work.append(writer.frames / pace.encoder / seconds)
    return seconds


def timed(write: Callable[[], object], writer: Segmented) -> float:
    start = time.perf_counter()
    write()
    writer.finish(is_whole=False)
    return time.perf_counter() - start


def report(encoder: str, frames: int, seconds: dict[str, list[float]]) -> None:
    print(f"{encoder} {SIZE[0]}x{SIZE[1]}, {frames} frames, median of {len(seconds['side by side'])}")
    own = seconds["the encoder alone"]
    for way, times in seconds.items():
        ratio = statistics.median(mine / other for mine, other in zip(own, times, strict=True))
        print(f"{way:20} {frames / statistics.median(times):7.2f} fps  {ratio:6.1%} of the encoder's own rate")
    print(f"side by side the encoder was at work {statistics.median(at_work):.1%} of the time")


if __name__ == "__main__":
    main(*sys.argv[1:])
