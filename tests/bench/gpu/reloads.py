"""Load a script again and again as a previewer does, and print the device's memory after each: a JSON line a load.

python -m tests.bench.gpu.reloads DEVICE COUNT
"""

import gc
import json
import sys

import torch
import vapoursynth as vs

import vsfdat
from tests.reload_often import Previewer


def main(device: torch.device, count: int) -> None:
    """Each load makes a few frames of two clips; nothing but the process outlives it."""
    previewer = Previewer()
    vs.register_policy(previewer)
    for _ in range(count):
        environment = previewer.api.create_environment()
        previewer.set_environment(environment)
        _load(device)
        previewer.api.destroy_environment(environment)
        previewer.set_environment(None)
        gc.collect()
        print(json.dumps(_held(device)), flush=True)


def _load(device: torch.device) -> None:
    width, height = (16, 8) if device.type == "cpu" else (640, 360)
    source = vs.core.std.BlankClip(None, width, height, vs.RGB24, length=8, keep=True)
    for index, options in enumerate(({}, {"num_streams": 1}, {"precision": "fp32"}, {"engine": "reference"})):
        clip = vsfdat.upscale(source, device=str(device), **options)
        clip.set_output(index)  # keeps the clip until the script ends, as a previewer does
        for frame in clip.frames(prefetch=4, close=True):
            assert frame.width == 2 * width


def _held(device: torch.device) -> dict[str, int]:
    """Bytes in tensors, bytes the allocator holds, and bytes of the device in use by anyone."""
    if device.type != "cuda":
        return {"allocated": 0, "reserved": 0, "in_use": 0}
    free, total = torch.cuda.mem_get_info(device)
    return {
        "allocated": torch.cuda.memory_allocated(device), "reserved": torch.cuda.memory_reserved(device),
        "in_use": total - free,
    }  # fmt: skip


if __name__ == "__main__":
    main(torch.device(sys.argv[1]), int(sys.argv[2]))
