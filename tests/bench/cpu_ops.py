"""Time each C++ op on a map of 480×272 features, and a frame's worth of them: what one frame costs but for the head.

python tests/bench/cpu_ops.py [fdat_tiny] [480x272] [fp32|bf16]
"""

import statistics
import sys
import time

import torch

from vsfdat.arch.config import PRESETS
from vsfdat.ops import native
from vsfdat.ops.interface import ChannelWeights, FfnWeights, Norm, SpatialWeights

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def operations(preset: str, width: int, height: int, dtype: torch.dtype) -> dict:
    """Each op: how often a frame needs it, multiply-adds a pixel as the op is defined, a call."""
    config = PRESETS[preset]
    c, d, heads, window = config.embed_dim, config.ffn_dim, config.num_heads, config.window_size
    x, out = (torch.randn(height, width, c).to(dtype) for _ in range(2))
    norm = Norm(torch.ones(c), torch.zeros(c), 1e-5)
    spatial = native.pack_spatial(
        SpatialWeights(norm, torch.randn(3 * c, c) * c**-0.5, None, torch.randn(heads, window**2, window**2),
                       torch.randn(c, 3, 3), window), dtype)  # fmt: skip
    channel = native.pack_channel(ChannelWeights(norm, torch.randn(c, 3, 3), torch.randn(c)), dtype)
    hidden = native.pack_ffn(FfnWeights(norm, torch.randn(d, c), torch.randn(d, 3, 3), torch.randn(c, d)), dtype)
    conv, head = (native.pack_conv(torch.randn(n, c, 3, 3) * 0.01, None, dtype) for n in (c, 12))
    first = native.pack_conv(torch.randn(c, 3, 3, 3), None, dtype)
    matrix, bias, rows = torch.randn(c, c) * c**-0.5, torch.randn(c), (0, height)
    picture, quarter = torch.randn(height, width, 3).to(dtype), torch.empty(height, width, 12, dtype=dtype)
    pairs, groups = len(config.block_types) * config.num_groups // 2, config.num_groups
    return {
        "spatial_reduce": (pairs, 9 * c, lambda: native.spatial_reduce(x, spatial, rows)),
        "spatial_apply": (pairs, 4 * c * c + 2 * window**2 * c + 9 * c,
                          lambda: native.spatial_apply(x, out, spatial, matrix, bias, rows)),
        "channel_reduce": (pairs, c * c / 2, lambda: native.channel_reduce(x, channel, rows)),
        "channel_apply": (pairs, c * c + 9 * c, lambda: native.channel_apply(x, out, channel, matrix, bias, rows)),
        "ffn": (2 * pairs, 2 * c * d + 9 * d, lambda: native.ffn(x, out, hidden, rows)),
        "conv3x3": (groups + 1, 9 * c * c, lambda: native.conv3x3(x, out, conv, x, rows)),
        "conv3x3 3 to C": (1, 27 * c, lambda: native.conv3x3(picture, out, first, None, rows)),
        "conv3x3 C to 12": (1, 9 * 12 * c, lambda: native.conv3x3(x, quarter, head, None, rows)),
    }  # fmt: skip


def main(preset: str = "fdat_tiny", size: str = "480x272", precision: str = "fp32", repeats: int = 7) -> None:
    width, height = map(int, size.split("x"))
    torch.manual_seed(0)
    ops = operations(preset, width, height, DTYPES[precision])
    times: dict[str, list[float]] = {name: [] for name in ops}
    for repeat in range(repeats + 1):
        for name, (_, _, call) in ops.items():
            start = time.perf_counter()
            call()
            if repeat:
                times[name].append(time.perf_counter() - start)
    print(f"{preset} {size} {precision}, {torch.get_num_threads()} threads, median of {repeats}")
    frame = 0.0
    for name, (count, macs, _) in ops.items():
        seconds = statistics.median(times[name])
        frame += count * seconds
        gflops = 2e-9 * macs * width * height / seconds
        print(
            f"{name:16} {1e3 * seconds:8.2f} ms ({1e3 * min(times[name]):.2f})  × {count:2} = "
            f"{1e3 * count * seconds:7.1f} ms  {gflops:6.0f} GFLOP/s"
        )
    print(f"{'frame':16} {1e3 * frame:8.1f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
