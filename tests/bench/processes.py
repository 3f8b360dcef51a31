"""One process on all cores beside a process for each core, by hand: python -m tests.bench.processes [model] [rounds].

Each way upscales as many frames of 480x272 as there are cores, in turn; prints the medians and their ratio.
"""

import os
import statistics
import subprocess
import sys
import time
from typing import IO

WORKER = """
import sys
import torch
from vsfdat import load_model
from vsfdat.engine.slots import build_slot
torch.set_num_threads(int(sys.argv[2]))
run, frame = build_slot(load_model(sys.argv[1]), torch.device("cpu"))(), torch.rand(3, 272, 480)
run(frame)
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        run(frame)
    print("done", flush=True)
"""


class Worker:
    """A process that upscales frames when it is told to."""

    def __init__(self, model: str, threads: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, model, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.wait()

    def ask(self, frames: int) -> None:
        """Have frames upscaled."""
        print(frames, file=self._pipe(self._process.stdin), flush=True)

    def wait(self) -> None:
        """Wait until they are."""
        self._pipe(self._process.stdout).readline()

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


def main(model: str = "fdat-tiny-2x-fast", rounds: str = "15") -> None:
    """Time both ways in turn."""
    cores = os.cpu_count() or 1
    ways = {"one process": [Worker(model, cores)], "one a core": [Worker(model, 1) for _ in range(cores)]}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(int(rounds)):
        for way, workers in ways.items():
            began = time.monotonic()
            for worker in workers:
                worker.ask(cores // len(workers))
            for worker in workers:
                worker.wait()
            seconds[way].append(time.monotonic() - began)
    one, many = (statistics.median(seconds[way]) for way in ways)
    print(f"{model}, {cores} cores: one process {cores / one:.3f} fps, one a core {cores / many:.3f}: {one / many:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
