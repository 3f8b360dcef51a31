"""How well a cluster is used, by hand: python -m tests.bench.cluster_pace [workers] [segments] [seconds].

Workers of uneven speed, of which the slowest takes four times as long as the fastest, sleep instead of making segments.
Prints the time that they took beside the ideal, in which all of them work until the same moment.
"""

import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import ray

from tests.encode.clips import make_model
from vsfdat.encode import Settings
from vsfdat.encode.makers.cluster import Cluster
from vsfdat.encode.makers.errand import Errand, Made
from vsfdat.encode.segments import Manifest, Segment, plan_segments
from vsfdat.options import UpscaleOptions

FRAMES = 500


def speed_of(worker: int) -> float:
    """Be as fast as a worker's number has it."""
    return random.Random(worker).uniform(0.5, 2)


def sleep(errand: Errand, segment: Segment, model: bytes, film: Any) -> Made:
    del segment, model, film
    time.sleep(float(errand.container) / speed_of(os.getpid()))
    return Made(str(os.getpid()), 0, content=b"packets")


def warm(_: int) -> int:
    time.sleep(1)
    return os.getpid()


def main(workers: str = "64", count: str = "1920", seconds: str = "2") -> None:
    segments = plan_segments(FRAMES * int(count))
    ray.init(num_cpus=int(workers), log_to_driver=False, include_dashboard=False)
    pids: set[int] = set()
    while len(pids) < int(workers):  # until every process is there
        pids |= set(ray.get([ray.remote(warm).remote(n) for n in range(int(workers))]))
    with tempfile.TemporaryDirectory(prefix="vsfdat-") as name:
        model = make_model(Path(name) / "tiny.safetensors")
        settings = Settings(upscale=UpscaleOptions(model=model))
        # What a task occupies is asked of the nodes, of which this is one: a core each.
        cluster = Cluster("auto", Path(name), settings, seconds, {"source": ""}, task=sleep, cpus=1)
        with Manifest.open(Path(name) / "job", {}, Path(name) / "film.mkv") as manifest:
            began = time.monotonic()
            cluster.make(segments, manifest, lambda _: None, threading.Event())
            took = time.monotonic() - began
            manifest.is_over = True
    ideal = len(segments) * float(seconds) / sum(map(speed_of, pids))
    print(f"{len(pids)} workers, {len(segments)} segments: {took:.1f} s, ideal {ideal:.1f} s: {ideal / took:.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
