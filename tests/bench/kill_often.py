"""Kill a job again and again, and see that nothing is lost: python -m tests.bench.kill_often [kills] [seed].

The command is killed (9) at random moments and given again until the film is there, which is then compared with one of
a run that nobody disturbed; so on until there were so many kills. Sealed segments must stay as they are, no frame may
be made again but those under way, and nothing may be left behind. The status is 1 where anything is amiss.
"""

import functools
import gc
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import cyclopts  # noqa: F401 (as below: seconds that each child would spend)
import rich.progress  # noqa: F401
import vapoursynth as vs

from tests.encode.clips import Recipe, decode, make_video, packets
from vsfdat import cli, plugin
from vsfdat.encode import job
from vsfdat.encode.makers import frames
from vsfdat.encode.segments import plan_segments

FRAMES, SEGMENT, SECONDS_EACH = 120, 30, 0.01
# Asked for ahead, waiting for the encoder, and being kept.
UNDER_WAY = 12


def main(kills: str = "100", seed: str = "0") -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="vsfdat-") as name:
        folder = Path(name)
        film = make_video(folder / "film.mkv", Recipe(pts=range(0, FRAMES * 512, 512)))
        # A child would spend its time on copying what the collector looks at.
        gc.freeze()
        warnings.simplefilter("ignore", DeprecationWarning)  # children of a process of several threads use none of them
        whole = folder / "whole.mkv"
        began = time.monotonic()
        assert ended(start(film, whole, folder)) == 0
        undisturbed = time.monotonic() - began
        (folder / "made").unlink()
        said = [one_film(film, whole, folder, dice, undisturbed, int(kills))]
        while sum(len(each) for each in said) < int(kills):
            left = int(kills) - sum(len(each) for each in said)
            said.append(one_film(film, whole, folder, dice, undisturbed, left))
    moments = [min(share, 0.999) for each in said for share in each]
    quarters = [sum(low <= share < low + 0.25 for share in moments) for low in (0, 0.25, 0.5, 0.75)]
    print(f"{len(moments)} kills, {len(said)} films, each the same as undisturbed; by quarters of the film {quarters}")


def one_film(film: Path, whole: Path, folder: Path, dice: random.Random, seconds: float, most: int) -> list[float]:
    """Kill a job until it is done; give how far it was each time, as a share."""
    output, killed, sealed = folder / "output.mkv", list[float](), dict[Path, int]()
    while True:
        child = start(film, output, folder)
        if len(killed) < most:
            time.sleep(dice.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
        status = ended(child)
        if status == 0:
            break
        assert status == -signal.SIGKILL, f"ended with {status}"
        killed.append(len(made(folder)) / FRAMES)
        if not output.exists():
            sealed = check_sealed(folder / ".output.mkv.vsfdat", sealed)
    check_film(output, whole)
    count = len(made(folder))
    assert FRAMES <= count <= FRAMES + UNDER_WAY * len(killed), f"{count} frames made in {len(killed) + 1} runs"
    left = {path.name for path in folder.iterdir()} - {"film.mkv", "whole.mkv", "output.mkv", "made"}
    assert not left, f"left behind: {left}"
    for name in ("output.mkv", "made"):
        (folder / name).unlink()
    return killed


def check_sealed(folder: Path, before: dict[Path, int]) -> dict[Path, int]:
    now = {path: path.stat().st_mtime_ns for path in folder.glob("*.nut")}
    assert not folder.exists() or before.items() <= now.items(), "a sealed segment was made again"
    return now


def check_film(path: Path, expected: Path) -> None:
    for kind in ("video", "audio"):
        assert packets(path, kind) == packets(expected, kind), f"other packets of {kind}"
    assert [bytes(f.planes[0]) for f in decode(path)] == [bytes(f.planes[0]) for f in decode(expected)]


def made(folder: Path) -> bytes:
    path = folder / "made"
    return path.read_bytes() if path.exists() else b""


def start(film: Path, output: Path, folder: Path) -> int:
    """Run the command in a child, with a stand-in for the network that notes each frame that it makes."""
    child = os.fork()
    if child:
        return child
    log = os.open(folder / "made", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    plugin.upscale = functools.partial(enlarge, note=lambda: os.write(log, b"."))  # type: ignore[assignment]
    job.plan_segments = functools.partial(plan_segments, usual=SEGMENT)
    frames._SHORT = 0  # type: ignore[misc]  # so that every frame is kept
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    cli.main([str(film), str(output)])
    os._exit(0)


def enlarge(clip: vs.VideoNode, note: Callable[[], object], **_: object) -> vs.VideoNode:
    def select(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        time.sleep(SECONDS_EACH)
        note()
        return f

    larger = clip.resize.Point(clip.width * 2, clip.height * 2, format=vs.RGBS)
    return larger.std.ModifyFrame(larger, select)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
