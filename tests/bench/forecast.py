"""Hold the forecast of `vsfdat try` against the real run: python -m tests.bench.forecast FILM MODEL [--clock wall].

By default seconds are the process's own, on a CPU, so that whoever else works there changes nothing; --clock wall
takes those on the wall, in turn, for a machine that is idle.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import vsfdat.encode.pace
import vsfdat.trial.forecast
from vsfdat.encode import upscale_file
from vsfdat.encode.makers import pump
from vsfdat.options import Moment, Settings, UpscaleOptions
from vsfdat.trial.moments import choose_moments
from vsfdat.trial.work import Request, Trial

_MOMENTS = 6


def main() -> None:
    asked = _read_arguments()
    if asked.one:
        _run_one(asked)
        return
    for _ in range(asked.rounds):
        expected, real = (_in_a_process(one) for one in ("forecast", "real"))
        for what, one, other in zip(("seconds", "bytes"), expected, real, strict=True):
            print(f"{what}: forecast {one:.1f}, real {other:.1f}, {one / other - 1:+.1%}", flush=True)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", type=Path)
    parser.add_argument("model")
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    parser.add_argument("--end", type=Moment.read)
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--plain", default="8x50", help="runs and length of the plain sample")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--one", choices=("forecast", "real"))
    return parser.parse_args()


def _in_a_process(one: str) -> list[float]:
    line = [sys.executable, "-m", "tests.bench.forecast", *sys.argv[1:], "--one", one]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()[-2:]]


def _run_one(asked: argparse.Namespace) -> None:
    clock = time.process_time if asked.clock == "cpu" else time.monotonic
    began = 0.0 if asked.clock == "cpu" else clock()  # imports count, or they do not
    settings = Settings(codec=asked.codec, end=asked.end, upscale=UpscaleOptions(model=asked.model, device="cpu"))
    vsfdat.encode.pace.monotonic = pump.monotonic = time.monotonic = clock
    vsfdat.trial.forecast.PLAIN_RUNS, vsfdat.trial.forecast.PLAIN_LENGTH = map(int, asked.plain.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        if asked.one == "real":
            output = Path(folder) / "real.mkv"
            upscale_file(asked.film, output, settings)
            print(clock() - began, output.stat().st_size)
            return
        trial = Trial.open(Request(asked.film, Path(), [asked.model], _MOMENTS, None, settings, True, began))
        numbers = [moment.number for moment in choose_moments(trial.work.source.clip, _MOMENTS)]
        expected = vsfdat.trial.forecast.forecast(trial.work, numbers, opening=trial.opening, dedup=0, shares_cpu=True)
        print(expected)
        print(expected.seconds, expected.size)


if __name__ == "__main__":
    main()
