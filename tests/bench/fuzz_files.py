"""Damaged video files through the command, by hand: python -m tests.bench.fuzz_files [--count 200] [--keep FOLDER].

Small clips of many codecs and containers are damaged by seed and given to `vsfdat IN OUT`, each in a process of its
own, forked from one that has imported everything. Each must end with status 0 and every frame that FFmpeg decodes, or
with 1 and one sentence; never with a traceback, a wait without end, or a file left behind. Prints what did not.
"""

import argparse
import collections
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cyclopts  # noqa: F401 (as below: seconds that each child would spend)
import rich.progress  # noqa: F401
import safetensors.torch  # noqa: F401

import vsfdat.encode
import vsfdat.plugin  # noqa: F401
from tests.encode.clips import Recipe, make_video
from vsfdat import cli

GOP = {"g": "12"}
B_FRAMES = GOP | {"bf": "2"}
PLAIN = Recipe(size=(96, 64), pts=range(40), time_base=Fraction(1, 25))
RECIPES = {
    "h264.mp4": ("libx264", "aac", B_FRAMES),
    "h264.mkv": ("libx264", "flac", B_FRAMES),
    "h264.mov": ("libx264", "aac", GOP | {"bf": "0"}),
    "h264.ts": ("libx264", "mp2", B_FRAMES),
    "h264.flv": ("libx264", "aac", B_FRAMES),
    "h264.avi": ("libx264", "mp3", GOP | {"bf": "0"}),
    "raw.h264": ("libx264", None, B_FRAMES),
    "hevc.mkv": ("libx265", "aac", {"x265-params": "log-level=none:keyint=12:bframes=2"}),
    "hevc.mp4": ("libx265", "aac", {"x265-params": "log-level=none:keyint=12:bframes=2"}),
    "mpeg2.mpg": ("mpeg2video", "mp2", B_FRAMES | {"b": "2000000"}),
    "mpeg2.ts": ("mpeg2video", "ac3", B_FRAMES | {"b": "2000000"}),
    "mpeg4.avi": ("mpeg4", "mp3", B_FRAMES | {"b": "1000000"}),
    "vp8.webm": ("libvpx", "libopus", GOP | {"b": "1000000"}),
    "vp9.webm": ("libvpx-vp9", "libopus", GOP | {"b": "1000000", "cpu-used": "8"}),
    "vp9.mp4": ("libvpx-vp9", "aac", GOP | {"b": "1000000", "cpu-used": "8"}),
    "av1.mkv": ("libsvtav1", "libopus", GOP | {"preset": "10", "svtav1-params": "keyint=12"}),
    "av1.mp4": ("libsvtav1", "aac", GOP | {"preset": "10"}),
    "ffv1.mkv": ("ffv1", "flac", GOP | {"level": "3", "slicecrc": "1"}),
    "mjpeg.avi": ("mjpeg", "pcm_s16le", {}),
    "prores.mov": ("prores_ks", "pcm_s16le", {}),
}
FORMATS = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number to begin with, as printed")
    parser.add_argument("--limit", type=float, default=120, help="seconds that one file may take")
    parser.add_argument("--keep", type=Path, help="folder for the files that something is wrong with")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))  # no context manager: the forked would close it too
    numbers = range(options.first, options.first + options.count)
    forked(lambda: make_clean(folder, {name_of(number) for number in numbers}), folder / "log", options.limit)
    outcomes: collections.Counter[str] = collections.Counter()
    for number in numbers:
        outcome = attempt(folder, number, options)
        outcomes[outcome.word] += 1
        print(f"{number:4} {outcome.name:32} {outcome.word}", *outcome.faults, flush=True)
    shutil.rmtree(folder)
    print(f"seed {options.seed}, {options.count} files:", ", ".join(f"{n} {word}" for word, n in outcomes.items()))
    sys.exit(bool(outcomes["WRONG"]))


@dataclass(frozen=True)
class Outcome:
    """What came of one file; `faults` are what should not have."""

    name: str
    word: str
    faults: list[str]


@dataclass(frozen=True)
class Ended:
    """How a forked process ended; a status of None is one that did not."""

    status: int | None
    said: str


def name_of(number: int) -> str:
    return list(RECIPES)[number % len(RECIPES)]


def make_clean(folder: Path, names: Collection[str]) -> None:
    (folder / "clean").mkdir()
    for name in names:
        encoder, audio, given = RECIPES[name]
        pixel_format = FORMATS.get(encoder, "yuv420p")
        recipe = Recipe(
            size=PLAIN.size, pts=PLAIN.pts, time_base=PLAIN.time_base, encoder=encoder, audio=audio, options=given,
            pixel_format=pixel_format, is_full_range=pixel_format == "yuvj420p",
        )  # fmt: skip
        make_video(folder / "clean" / name, recipe)


def attempt(folder: Path, number: int, options: argparse.Namespace) -> Outcome:
    """Damage a clip, run the command on it, and say what is wrong with what it did."""
    dice = random.Random(f"{options.seed}-{number}")
    name = name_of(number)
    kind = dice.choice(list(DAMAGES))
    work = folder / str(number)
    work.mkdir()
    path, output = work / name, work / "output.mkv"
    path.write_bytes(DAMAGES[kind]((folder / "clean" / name).read_bytes(), dice))
    line = [str(path), str(output), "--model", "fdat-tiny-1x-restore", "--device", "cpu"]
    ended = forked(lambda: cli.main(line), folder / "log", options.limit)
    faults = judge(ended, path, output, options.limit)
    if faults and options.keep:
        shutil.copytree(work, options.keep / str(number), dirs_exist_ok=True)
    shutil.rmtree(work)
    word = "WRONG" if faults else "upscaled" if ended.status == 0 else "refused"
    said = ended.said.replace(f"{work}/", "")
    return Outcome(f"{kind} {name}", word, [*faults, repr(said[-400:])] if word != "upscaled" else [])


def judge(ended: Ended, path: Path, output: Path, limit: float) -> list[str]:
    if ended.status is None:
        return ["does not end"]
    faults = []
    if ended.status not in (0, 1):
        faults.append(f"status {ended.status}")
    if "Traceback" in ended.said or "[Errno" in ended.said:
        faults.append("no sentence")
    left = {each.name for each in path.parent.iterdir()} - {path.name}
    if left != ({output.name} if ended.status == 0 else set()):
        faults.append(f"leaves {left}")
    if ended.status == 1 and not ended.said.splitlines()[-1].startswith("vsfdat: "):
        faults.append("no last word")
    if ended.status == 0 and not faults:
        faults += judge_frames(path, output, limit)
    return faults


def judge_frames(path: Path, output: Path, limit: float) -> list[str]:
    log = path.with_suffix(".count")
    counted = forked(lambda: print(json.dumps([count(path), count(output)])), log, limit)
    log.unlink(missing_ok=True)
    if counted.status != 0:
        return ["cannot be counted"]
    (decoded, packets), (written, _) = json.loads(counted.said.splitlines()[-1])
    return [] if decoded <= written <= packets else [f"{written} frames of {decoded} decoded, {packets} packets"]


def count(path: Path) -> tuple[int, int]:
    """Count the frames that FFmpeg decodes of a file in one thread, and the packets that they come from."""
    frames = packets = 0
    with av.open(str(path)) as container:
        video = container.streams.best("video")
        video.codec_context.thread_count = 1
        for packet in container.demux(video):
            packets += packet.size > 0
            try:
                frames += len(packet.decode())
            except av.FFmpegError:
                continue
    return frames, packets


def forked(work: Callable[[], None], log: Path, limit: float) -> Ended:
    """Run something in a child, whose interpreter ends as the command's own does."""
    pid = os.fork()
    if pid == 0:
        become(log)
        try:
            work()
        except Exception:
            traceback.print_exc()
            sys.exit(99)
        sys.exit(0)
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return Ended(os.waitstatus_to_exitcode(status), log.read_text(errors="replace"))
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return Ended(None, log.read_text(errors="replace"))


def become(log: Path) -> None:
    """Have a child write all that it says into a file."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)


def flip(content: bytes, dice: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(dice.choice((1, 5, 25))):
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def zero(content: bytes, dice: random.Random) -> bytes:
    start, size = dice.randrange(len(content)), dice.choice((16, 200, 2000))
    return content[:start] + bytes(min(size, len(content) - start)) + content[start + size :]


def cut_out(content: bytes, dice: random.Random) -> bytes:
    start, size = dice.randrange(len(content)), dice.choice((16, 200, 2000))
    return content[:start] + content[start + size :]


def truncate(content: bytes, dice: random.Random) -> bytes:
    return content[: dice.randrange(len(content))]


def spoil_header(content: bytes, dice: random.Random) -> bytes:
    head = min(len(content), 2000)
    return flip(content[:head], dice) + content[head:]


def behead(content: bytes, dice: random.Random) -> bytes:
    return content[dice.choice((1, 64, 1000, len(content) // 2)) :]


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flipped": flip, "zeroed": zero, "cut out": cut_out, "truncated": truncate, "header": spoil_header,
    "beheaded": behead,
}  # fmt: skip


if __name__ == "__main__":
    main()
