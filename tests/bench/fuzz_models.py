"""Try damaged and hostile model files through every door, and hold what happens against what is promised.

    python -m tests.bench.fuzz_models [--seeds 10] [--kinds flipped,swa]

Each file goes through `load_model`, `vsfdat info` and `upscale`, each in a child process of its own. A fault is a
traceback, a death, a message that is not one clean line with the file's name, more than 5 s of processor time or more
than 1 GB of memory, both beyond what the imports took. The status is 1 if there was any.
"""

import argparse
import importlib
import logging
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch

from tests.bench.hostile_kinds import KINDS, OFTEN
from vsfdat import cli
from vsfdat.errors import VsfdatError
from vsfdat.models import load_model

MOST_SECONDS, MOST_BYTES = 5.0, 10**9
# What no run may pass, so that a fault is a line in the table and not the end of the machine.
LIMIT_SECONDS, LIMIT_BYTES, LONGEST_MESSAGE = 30, 10 * 10**9, 2000


@dataclass(frozen=True)
class Outcome:
    """How one file fared at one door; `output` is all that it printed."""

    door: str
    status: int
    output: str
    seconds: float
    megabytes: float

    def faults(self, name: str) -> list[str]:
        """Say what is wrong with it."""
        failed = self.status == 1
        clean = self.output.isprintable() and name in self.output and len(self.output) <= LONGEST_MESSAGE
        checks = {
            f"died of {-self.status}": self.status < 0,
            "traceback": self.status > 1 or "Traceback" in self.output,
            "no clean line": failed and not clean,
            "escape": not all(line.isprintable() for line in self.output.splitlines()),
            f"{self.seconds:.0f} s": self.seconds > MOST_SECONDS,
            f"{self.megabytes:.0f} MB": self.megabytes > MOST_BYTES / 1e6,
        }
        return [fault for fault, found in checks.items() if found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="how often the random kinds are tried")
    parser.add_argument("--kinds", help="only these, with commas between")
    options = parser.parse_args()
    warm_up()
    files = faults = 0
    slowest, largest = 0.0, 0.0
    print(f"{'kind':36}{'door':12}{'s':>6}{'MB':>6}  outcome")
    for kind, seed, (suffix, write) in cases(options.seeds, options.kinds):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"m{suffix}"
            in_child("writing", lambda path=path, write=write, seed=seed: write(path, Random(seed)))
            outcomes = [in_child(door, lambda door=door, path=path: DOORS[door](path)) for door in DOORS]
        files += 1
        for outcome in outcomes:
            found = outcome.faults(path.name)
            faults += bool(found)
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.megabytes)
            said = f"FAULT {', '.join(found)}: {outcome.output[-300:]!r}" if found else shown(outcome)
            print(f"{f'{kind} {seed}':36}{outcome.door:12}{outcome.seconds:6.2f}{outcome.megabytes:6.0f}  {said}")
    print(f"{files} files, {faults} faults; at most {slowest:.1f} s and {largest:.0f} MB beyond the imports")
    sys.exit(faults > 0)


def cases(seeds: int, kinds: str | None) -> Iterator[tuple[str, int, tuple[str, Callable[[Path, Random], None]]]]:
    """Every kind that is wanted, once or with every seed."""
    wanted = kinds.split(",") if kinds else None
    for group, repeats in ((KINDS, 1), (OFTEN, seeds)):
        for kind, writer in group.items():
            if wanted is None or kind in wanted:
                yield from ((kind, seed, writer) for seed in range(repeats))


def warm_up() -> None:
    """Import here, once, all that the doors import when they are used; threads do not survive a fork."""
    torch.set_num_threads(1)
    for module in ("spandrel", "cyclopts", "vsfdat.plugin", "vsfdat.models.describe", "vsfdat.training.commands",
                   "vsfdat.bench.command", "torch.ao.quantization"):  # fmt: skip
        importlib.import_module(module)
    load_model()
    with tempfile.TemporaryDirectory() as folder:
        torch.save({"params": {"a": torch.zeros(1)}}, Path(folder) / "a.pth")
        for door in DOORS:
            in_child(door, lambda door=door: DOORS[door](Path(folder) / "a.pth"))


def in_child(name: str, work: Callable[[], object]) -> Outcome:
    """Do something in a child process within the limits, and report how it went."""
    with tempfile.TemporaryFile() as output:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _become_child(output.fileno(), work)
        status, usage = _wait(child)
        output.seek(0)
        text = output.read().decode("utf-8", "replace").strip()
    before, _, said = text.partition("\n")
    grown = usage.ru_maxrss / 1e3 - float(before or 0)
    return Outcome(name, status, said.strip(), usage.ru_utime + usage.ru_stime, grown)


def _become_child(output: int, work: Callable[[], object]) -> None:
    """Run `work` with its output in a file, after a line with the megabytes that it began with; never return."""
    status = 0
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_SECONDS, LIMIT_SECONDS))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, flush=True)
        work()
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        status = 3
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _wait(child: int) -> tuple[int, resource.struct_rusage]:
    deadline = time.monotonic() + 20 * LIMIT_SECONDS  # other work may be in the way
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), usage
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


def _load(path: Path) -> None:
    try:
        print(f"loads: {load_model(path).config.scale}x")
    except VsfdatError as error:
        print(error)
        sys.exit(1)


def _info(path: Path) -> None:
    logging.getLogger().handlers.clear()
    cli.main(["info", str(path)])


def _upscale(path: Path) -> None:
    import vapoursynth as vs

    import vsfdat

    clip = vs.core.std.BlankClip(None, 16, 16, vs.RGB24, 1)
    try:
        vsfdat.upscale(clip, path, device="cpu", engine="reference")
    except vs.Error as error:
        if error.__cause__ is not None:
            raise
        print(error)
        sys.exit(1)


DOORS = {"load_model": _load, "info": _info, "upscale": _upscale}


def shown(outcome: Outcome) -> str:
    """The first line of what it said, in a table's width."""
    line = outcome.output.splitlines()[0] if outcome.output else ""
    return line if len(line) < 150 else f"{line[:147]}..."


if __name__ == "__main__":
    warnings.simplefilter("default")
    main()
