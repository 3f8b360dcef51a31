"""Time spandrel's fdat_medium under torch.compile(mode="max-autotune"), 2x, 1920×1080, fp16: one JSON line.

python -m tests.bench.gpu.peer [--dry-run]
"""

import json
import sys
import time

import torch

from .frames import network, spandrels
from .setting import Setting


def main() -> None:
    dry = "--dry-run" in sys.argv
    setting = Setting(torch.device("cpu" if dry else "cuda"), dry)
    config = setting.network("fdat_medium")
    width, height = setting.size(1920, 1080)
    module = spandrels(config, network(config)).to(setting.device, memory_format=torch.channels_last).half()
    batch = torch.rand(1, 3, height, width, device=setting.device).half().contiguous(memory_format=torch.channels_last)
    compiled = module if dry else torch.compile(module, mode="max-autotune")
    start = time.perf_counter()
    with torch.inference_mode():
        compiled(batch)
        setting.synchronize()
        took = time.perf_counter() - start
        milliseconds = setting.milliseconds(lambda: compiled(batch), 5)
    print(json.dumps({"ms": round(milliseconds, 3), "compile_s": round(took, 1)}))


if __name__ == "__main__":
    main()
