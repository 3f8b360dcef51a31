"""Many processes that upscale three frames and end, each in one of several ways: are they ever killed while they end?

    python -m tests.bench.exit_loop 1000

Run two side by side on a busy machine: what goes wrong at an interpreter's end goes wrong once in hundreds of times.
Prints how many ended with which status, by the way that they went; the exit status is 1 where any was not 0.
"""

import collections
import gc
import os
import sys
import time
from collections.abc import Callable

import torch
import vapoursynth as vs

import vsfdat
from vsfdat.arch import FDAT

_held: list[object] = []


class _Ending:
    """Ends the process right after its interpreter has locked all threads out: the rest takes most of the time."""

    def __del__(self) -> None:
        time.sleep(0.02)  # for threads to run into the lock
        os._exit(0)


def drop(clip: vs.VideoNode) -> None:
    """Wait for all frames and let the clip go, as a function of a script does."""
    for future in [clip.get_frame_async(n) for n in range(3)]:
        future.result().close()


def hold(clip: vs.VideoNode) -> None:
    """Leave the clip to VapourSynth's end, as a script's own variable does."""
    drop(clip)
    _held.append(clip)


def abandon(clip: vs.VideoNode) -> None:
    """End while frames are under way, as after an error."""
    for n in range(9):
        clip.get_frame_async(n)


_WAYS: tuple[Callable[[vs.VideoNode], None], ...] = (drop, hold, abandon)


def _upscaled(network: FDAT) -> vs.VideoNode:
    clip = vs.core.std.BlankClip(None, 64, 48, vs.YUV420P8, length=9).std.SetFrameProps(_Matrix=1)
    return vsfdat.upscale(clip, network, device="cpu").resize.Bicubic(format=vs.YUV420P8, matrix=1)


def main(count: int) -> None:
    """Fork and count."""
    torch.set_num_threads(1)  # a team of OpenMP's threads would not outlive the fork
    network = vsfdat.load_model("fdat-tiny-1x-restore")
    gc.freeze()  # most of what a child would do is to copy what its collector looks at
    ends: collections.Counter[tuple[str, int]] = collections.Counter()
    for run in range(count):
        way = _WAYS[run % len(_WAYS)]
        child = os.fork()
        if child == 0:
            way(_upscaled(network))
            sys.argv = _Ending()  # type: ignore[assignment]  # the first thing that a dying interpreter lets go
            return
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        ends[way.__name__, code] += 1
        if code:
            print(f"run {run} ({way.__name__}) ended with {code}", flush=True)
    for (name, code), times in sorted(ends.items()):
        print(f"{name}: {times} ended with {code}", flush=True)
    os._exit(any(code for _, code in ends))


if __name__ == "__main__":
    main(int(sys.argv[1]))
