"""The whole GPU programme in one command, under 8 minutes on one GPU; leaves a JSON.

    python -m tests.bench.gpu [--out FILE.json] [--minutes 8] [--dry-run]

Exit status: 0 where everything is exact, 1 where something is not, a stage broke or time was too short for all of it, 2
without a GPU: it cannot pass by skipping. `--dry-run` goes through all of it on the CPU at toy sizes, through Triton's
interpreter, and proves no more than that it runs.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

# The least of each; the project's own.
_GOALS = {"times_faster_than_eager": 4.0, "times_faster_than_compile": 2.0, "share_of_matmul_rate": 0.4}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    if options.dry_run:
        os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton
    import torch

    if not options.dry_run and not torch.cuda.is_available():
        print("There is no CUDA device here: nothing was measured. --dry-run goes through the programme on the CPU.")
        return 2
    device = torch.device("cpu") if options.dry_run else torch.device("cuda", torch.cuda.current_device())
    return programme(device, options, time.monotonic() + 60 * options.minutes)


def programme(device: Any, options: argparse.Namespace, deadline: float) -> int:
    """Run every stage, the most important first, and say by the status whether all went well.

    The seconds are what each may take of the whole, generously: most take less, and none takes the last one's.
    """
    from . import ceilings, clips, frames, kernels
    from .setting import Report, Setting, machine

    setting, report = Setting(device, options.dry_run), Report(options.out, deadline)
    report.stage("machine", lambda: machine(setting))
    report.stage("ceilings", lambda: ceilings.measure(setting))
    found = report.content
    table = frames.comparison(setting, report, found)
    report.rows("exactness", lambda: frames.exactness(setting, report), 90)
    report.rows("target", lambda: table[:1], 60)
    report.stage("compile", lambda: frames.compiled(setting, min(150, max(deadline - time.monotonic(), 30))))
    report.stage("goals", lambda: goals(found))
    report.rows("clips", lambda: clips.speeds(setting), 60)
    report.rows("breakdown", lambda: kernels.breakdown(setting, found["ceilings"]), 30)
    report.stage("reloads", lambda: clips.reloads(setting, report, min(60, max(deadline - time.monotonic(), 20))))
    report.rows("comparison", lambda: table[1:], 90)
    report.rows("kernel_exactness", lambda: kernels.exactness(setting, report), 120)
    report.stage("beyond_int32", lambda: kernels.beyond_int32(setting, report))
    for failure in report.failures:
        print(f"FAILED {failure}")
    print(f"{len(report.failures)} failures; results in {report.path}")
    return 1 if report.failures else 0


def goals(found: dict[str, Any]) -> dict[str, Any]:
    """What was reached of the project's goals for fdat_medium, 2x, 1920×1080, fp16; a goal missed is no failure."""
    from .setting import significant

    row = dict(found["target"][0])
    best = min(row["ours"]["ms"], row["ours_graphed"]["ms"])
    if "ms" in (found["compile"] or {}):  # nothing where that stage broke
        row["times_faster_than_compile"] = significant(found["compile"]["ms"] / best)
    reached = {name: {"goal": goal, "found": row.get(name)} for name, goal in _GOALS.items()}
    peaks = {name: row[name].get("peak_mib") for name in ("ours", "ours_graphed", "spandrel_eager")}
    return reached | {"peak_share_of_eager": {"goal": 1 / 3, "found": peaks}}


if __name__ == "__main__":
    sys.exit(main())
