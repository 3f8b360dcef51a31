"""Time spandrel's fdat_medium under torch.compile(mode="max-autotune"), 2x, 1920×1080, fp16: one JSON line.

python -m tests.bench.gpu.peer
"""

import json
import time
from typing import Any

import torch

from tests.random_weights import random_network

from .networks import spandrels
from .setting import Setting, significant


def measure(setting: Setting) -> dict[str, Any]:
    """Milliseconds a frame, and the seconds that compiling took; a dry run does not compile."""
    config = setting.network("fdat_medium")
    width, height = setting.size(1920, 1080)
    module = spandrels(config, random_network(config)).to(
        setting.device, torch.float16, memory_format=torch.channels_last
    )
    batch = torch.rand(1, 3, height, width, device=setting.device).half().contiguous(memory_format=torch.channels_last)
    compiled = module if setting.dry else torch.compile(module, mode="max-autotune")
    start = time.perf_counter()
    with torch.inference_mode():
        compiled(batch)
        setting.synchronize()
        took = time.perf_counter() - start
        milliseconds = setting.milliseconds(lambda: compiled(batch), 5)
    return {"ms": significant(milliseconds), "compile_s": significant(took)}


if __name__ == "__main__":
    print(json.dumps(measure(Setting(torch.device("cuda"), dry=False))))
