"""What segments cost, by hand: python -m tests.bench.segment_price FILM CODEC [repeats].

A film is doubled by a stand-in for the network and encoded in segments and in one piece, in turn: bytes, PSNR, seconds.
"""

import contextlib
import functools
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import vapoursynth as vs

from vsfdat import plugin
from vsfdat.encode import Settings, job, upscale_file
from vsfdat.encode.segments import plan_segments


def enlarge(clip: vs.VideoNode, **_: object) -> vs.VideoNode:
    return clip.resize.Lanczos(clip.width * 2, clip.height * 2, format=vs.RGBS, matrix_in=1)


def main(film: str, codec: str, repeats: str = "3") -> None:
    plugin.upscale = enlarge  # type: ignore[assignment]
    ways: dict[str, Callable[..., object]] = {
        "in one piece": functools.partial(plan_segments, usual=10**9), "in segments": plan_segments
    }  # fmt: skip
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="vsfdat-") as folder:
        outputs = {way: Path(folder) / f"{way.replace(' ', '_')}.mkv" for way in ways}
        for _ in range(int(repeats)):
            for way, plan in ways.items():
                job.plan_segments = plan
                with contextlib.redirect_stderr(io.StringIO()):
                    began = time.monotonic()
                    upscale_file(Path(film), outputs[way], Settings(codec=codec, overwrite=True))  # type: ignore[arg-type]
                    seconds[way].append(time.monotonic() - began)
        report({way: (path.stat().st_size, quality(Path(film), path)) for way, path in outputs.items()}, seconds)


def quality(film: Path, output: Path) -> float:
    """Measure the PSNR of luma against what the encoder got, but for dithering, in dB."""
    found = vs.core.bs.VideoSource(str(output), cachemode=0).resize.Point(format=vs.GRAY16)
    sharp = enlarge(vs.core.bs.VideoSource(str(film), cachemode=0))
    sharp = sharp.resize.Bicubic(format=vs.YUV420P16, matrix=1, range=0).std.ShufflePlanes(0, vs.GRAY)
    errors = [
        np.square(np.asarray(one[0], np.float64) - np.asarray(other[0])).mean() / (219 * 256) ** 2
        for one, other in zip(found.frames(close=True), sharp.frames(close=True), strict=True)
    ]
    return -10 * float(np.log10(np.mean(errors)))


def report(found: dict[str, tuple[int, float]], seconds: dict[str, list[float]]) -> None:
    for way, (size, psnr) in found.items():
        print(f"{way}: {size} bytes, {psnr:.3f} dB, {statistics.median(seconds[way]):.2f} s")
    whole, parts = found["in one piece"], found["in segments"]
    ratios = [part / piece for piece, part in zip(seconds["in one piece"], seconds["in segments"], strict=True)]
    print(
        f"in segments: {100 * (parts[0] / whole[0] - 1):+.2f} % bytes at {parts[1] - whole[1]:+.3f} dB, "
        f"{100 * (statistics.median(ratios) - 1):+.1f} % time"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
