"""How long a user waits for the first frame, stage by stage: with nothing kept from earlier, and again."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from tempfile import TemporaryDirectory

from vsfdat.errors import VsfdatError

_TORCH, _SECOND = "import torch", "second frame"


def measure_start(model: str, size: tuple[int, int], precision: str, device: str) -> dict[str, dict[str, float]]:
    """Time the stages of a start, in seconds.

    Args:
        model: A name in the catalog, or the path of a checkpoint.
        size: Width and height of the frame.
        precision: As `upscale` takes it.
        device: Likewise.

    Returns:
        By the names of the stages, when nothing was kept from an earlier start and when all was.

    Raises:
        VsfdatError: The start failed.
    """
    with TemporaryDirectory(prefix="vsfdat-") as folder:
        return {when: _start(folder, [model, size, precision, device]) for when in ("first", "again")}


def to_table(starts: dict[str, dict[str, float]]) -> str:
    """Lay the seconds out for a terminal; the last line has what is ours to shorten."""
    stages = {stage: [start[stage] for start in starts.values()] for stage in starts["first"]}
    stages["all, less torch and a frame"] = [
        sum(start.values()) - start[_TORCH] - 2 * start[_SECOND] for start in starts.values()
    ]
    lines = [f"{stage:28}{''.join(f'{each:8.2f}' for each in seconds)}" for stage, seconds in stages.items()]
    return "\n".join([f"{'seconds':28}{''.join(f'{when:>8}' for when in starts)}", *lines])


def _start(cache: str, arguments: list[object]) -> dict[str, float]:
    code = f"from vsfdat.bench.start import run_stages; run_stages({time.time()!r}, *{arguments!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"VSFDAT_CACHE": cache}, stdout=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise VsfdatError(f"the start could not be timed: its process ended with status {done.returncode}")
    seconds: dict[str, float] = json.loads(done.stdout)
    return seconds


def run_stages(launched: float, model: str, size: tuple[int, int], precision: str, device: str) -> None:
    """Go through a start and print its seconds as JSON.

    Args:
        launched: When this process was begun, as `time.time` has it.
        model: As `measure_start` takes it, and so are the others.
        size: Width and height.
        precision: Likewise.
        device: Likewise.
    """
    seconds = {"Python": time.time() - launched}

    @contextlib.contextmanager
    def stage(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - began

    with stage(_TORCH):
        import torch
    with stage("import VapourSynth, vsfdat"):
        import vsfdat.plugin  # noqa: F401
        from vsfdat.engine import find_devices
        from vsfdat.engine.slots import build_slot
        from vsfdat.models import load_model
    with stage("load the model"):
        network = load_model(model)
    place = find_devices(device)[0]
    with stage("build the engine"):
        run = build_slot(network, place, precision)()
    frame = torch.rand(3, size[1], size[0]).to(place)
    for name in ("first frame", _SECOND):
        with stage(name):
            run(frame).cpu()
    print(json.dumps(seconds))  # noqa: T201
