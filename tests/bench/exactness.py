"""The whole matrix of the exactness promise, by hand: python -m tests.bench.exactness [--presets fdat_tiny ...].

Every preset × head × unshuffle × size × strip height: the engine's error against float64 over the plain module's own.
The test suite runs the corners of this; the rest takes hours on a CPU.
"""

import argparse
import json
from dataclasses import replace

import torch

from tests.engine.test_runner import CPU, Truth, build
from tests.random_weights import random_network
from vsfdat.arch import PRESETS
from vsfdat.arch.config import UPSAMPLER_SCALES
from vsfdat.engine.plan import Plan
from vsfdat.ops import REFERENCE, choose

SIZES = ((37, 51), (64, 64), (121, 203), (272, 480))
STRIP_ROWS = (8, 16, 64, 4096)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--heads", nargs="+", default=list(UPSAMPLER_SCALES))
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="how many of the sizes, from the smallest")
    parser.add_argument("--out", type=argparse.FileType("w"))
    arguments = parser.parse_args()
    rows = [
        result
        for preset in arguments.presets
        for head in arguments.heads
        for unshuffle in (False, True)
        if not (unshuffle and head == "conv")
        for size in SIZES[: arguments.sizes]
        for result in measure(preset, head, unshuffle, size)
    ]
    worst = max(rows, key=lambda row: row["ratio"])
    print(f"{len(rows)} cases, {sum(not row['passed'] for row in rows)} failed; the worst: {worst}")
    if arguments.out:
        json.dump(rows, arguments.out, indent=1)


def measure(preset: str, head: str, unshuffle: bool, size: tuple[int, int]) -> list[dict]:
    scale = 2 if 2 in UPSAMPLER_SCALES[head] else 1
    config = replace(PRESETS[preset], scale=scale, upsampler_type=head, unshuffle_mod=unshuffle)
    network = random_network(config)
    frame = torch.rand(3, *size)
    truth = Truth(network, frame)
    results = []
    for backend in (REFERENCE, choose(CPU, torch.float32)):
        for strip in STRIP_ROWS if backend is REFERENCE else STRIP_ROWS[:1]:
            error = truth.error(build(network, Plan(strip), backend)(frame))
            results.append({
                "preset": preset, "head": head, "unshuffle": unshuffle, "size": f"{size[1]}x{size[0]}",
                "backend": backend.name, "rows": strip, "error": error, "plain": truth.plain_error,
                "ratio": error / truth.plain_error, "passed": error <= 2 * truth.plain_error + 1e-6,
            })  # fmt: skip
            print(results[-1], flush=True)
    return results


if __name__ == "__main__":
    main()
