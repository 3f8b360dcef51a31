"""What the card itself can do: the two rates that every other figure is held against."""

from typing import Any

import torch

from .setting import DTYPES, Setting, significant


def measure(setting: Setting) -> dict[str, Any]:
    """Copy bandwidth in GB/s (bytes read and written) and matmul rates in TFLOP/s, on random numbers."""
    count, side = (2**10, 64) if setting.dry else (2**29, 8192)
    source = torch.randint(0, 2**15, (count,), dtype=torch.int16, device=setting.device)
    target = torch.empty_like(source)
    copy = setting.milliseconds(lambda: target.copy_(source))
    rates = {name: _matmul(setting, side, dtype) for name, dtype in DTYPES.items()}
    return {"copy_gb_s": significant(4e-6 * count / copy), "matmul_tflop_s": rates}


def _matmul(setting: Setting, side: int, dtype: torch.dtype) -> float:
    a, b = (torch.randn(side, side, device=setting.device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    return significant(2e-9 * side**3 / setting.milliseconds(lambda: torch.mm(a, b, out=out)))
