"""The kernels one by one: against plain float64 and the torch ops, and how near the card's ceilings they come."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from tests.ops.kernel_cases import (
    KERNELS,
    SHAPES,
    TOLERANCES,
    Case,
    CaseShape,
    channel_weights,
    ffn_weights,
    kernels_of,
    spatial_weights,
)
from vsfdat.ops import cuda, reference, triton
from vsfdat.ops.triton.launch import is_large

from .setting import DTYPES, Report, Setting, significant

_BACKENDS = {"cuda": cuda, "triton": triton}
# What each compiles for: every preset's shape in fp16, every precision at one.
_EXACTNESS = [
    ("cuda", "fdat_medium", "fp16"), ("cuda", "fdat_medium", "bf16"), ("cuda", "fdat_tiny", "fp16"),
    ("cuda", "fdat_light", "fp16"), ("cuda", "fdat_large", "fp16"), ("triton", "fdat_medium", "fp32"),
    ("triton", "fdat_medium", "fp16"),
]  # fmt: skip
_SIZES = [(1, 1), (7, 8), (8, 7), (63, 130), (257, 511)]


def exactness(setting: Setting, report: Report) -> list[Callable[[], Any]]:
    """Each kernel's error beside the torch op's, the worst over the sizes; and whether it repeats bit by bit: rows."""
    combinations, sizes = _EXACTNESS, _SIZES
    if setting.dry:
        combinations, sizes = _EXACTNESS[5:6], _SIZES[1:2]
    rows = [
        partial(_compare, setting, report, backend, kernel, preset, dtype, sizes)
        for backend, preset, dtype in combinations
        for kernel in (["channel_reduce", "ffn"] if setting.dry else kernels_of(_BACKENDS[backend]))
    ]
    return [partial(_products, setting, report, backend) for backend in list(_BACKENDS)[setting.dry :]] + rows


def _products(setting: Setting, report: Report, backend: str) -> dict[str, Any]:
    """The small products in float64 that are folded anew for each frame, at fdat_medium's shape."""
    a, b = (torch.randn(size, dtype=torch.float64, device=setting.device) for size in [(4, 30, 120), (4, 120, 120)])
    made, truth = _BACKENDS[backend].product(a, b), a @ b
    error = float((made - truth).norm() / truth.norm())
    report.expect(error < 1e-14, f"{backend} product: error {error:.3g}")
    return {"backend": backend, "kernel": "product", "error": error}


def _compare(
    setting: Setting, report: Report, backend: str, kernel: str, preset: str, precision: str, sizes: Any
) -> dict[str, Any]:
    ours, theirs, ops = 0.0, 0.0, _BACKENDS[backend]
    shape = CaseShape(24, 2, 40) if setting.dry else SHAPES[preset]
    row = {"backend": backend, "kernel": kernel, "preset": preset, "precision": precision}
    if not setting.dry and (obstacle := _obstacle(setting, backend, shape, DTYPES[precision])):
        return row | {"not_run": obstacle}
    for height, width in sizes:
        case = Case(shape, height, width, (0, height), DTYPES[precision], setting.device)
        outcome = KERNELS[kernel](case, ops)
        ours, theirs = max(ours, outcome.error), max(theirs, KERNELS[kernel](case, reference).error)
        again = KERNELS[kernel](case, ops).error
        name = f"{backend} {kernel} {preset} {precision} {width}x{height}"
        report.expect(outcome.error == again, f"{name}: a second run differs from the first")
        within = outcome.error <= max(2 * theirs, TOLERANCES[case.dtype])
        report.expect(within, f"{name}: error {outcome.error:.3g}, torch's is {theirs:.3g}")
    part = Case(shape, 24, 9, (8, 16), DTYPES[precision], setting.device)
    report.expect(KERNELS[kernel](part, ops).untouched, f"{backend} {kernel} {preset} {precision}: wrote other rows")
    return row | {"error": ours, "torch_error": theirs}


def _obstacle(setting: Setting, backend: str, shape: CaseShape, dtype: torch.dtype) -> str | None:
    """Why this GPU has no room for what the largest ones do; None on those, where everything has to run."""
    if is_large(torch.cuda.get_device_capability(setting.device)):
        return None
    return _BACKENDS[backend].why_not(setting.device, dtype, shape.network)


def beyond_int32(setting: Setting, report: Report) -> dict[str, Any]:
    """Rows beyond the 2³¹st element equal the same rows at the start of a small map, bit by bit."""
    height, width, tail = (32, 8, 24) if setting.dry else (4480, 4096, 24)
    ops = triton if setting.dry else cuda
    small = Case(SHAPES["fdat_medium"], tail, width, (8, 16), torch.float16, setting.device)
    x = small.features().contiguous()
    weights = ops.pack_ffn(ffn_weights(small))
    expected = torch.empty_like(x)
    ops.ffn(x, expected, weights, small.rows)
    large = torch.empty(height, width, x.shape[2], dtype=x.dtype, device=x.device)
    large_out = torch.empty_like(large)
    large[height - tail :] = x
    first = height - tail + 8
    ops.ffn(large, large_out, weights, (first, first + 8))
    out = large_out[first : first + 8]
    report.expect(torch.equal(out, expected[8:16]), "ffn: wrong beyond the 2³¹st element")
    return {"elements": large.numel()}


def breakdown(setting: Setting, ceilings: dict[str, Any]) -> list[Callable[[], Any]]:
    """Time each kernel on a 1920×1080 map of fdat_medium in fp16: rows.

    Bytes are the least possible (x read, out written once), multiply-adds those the op is defined by.
    """
    width, height = setting.size(1920, 1080)
    shape = SHAPES["fdat_medium"]
    case = Case(shape, height, width, (0, height), torch.float16, setting.device)
    pixels = height * width
    calls = {} if setting.dry else timed_calls(case, cuda)
    calls |= {f"{name} of Triton": call for name, call in timed_calls(case, triton).items()}
    calls |= other_calls(case)
    return [
        partial(_timed, setting, ceilings, name, call, pixels * passes * shape.channels * 2e-9, pixels * work * 2e-12)
        for name, call in calls.items()
        for passes, work in [_work(shape).get(name.split(" ")[0], (0, 0))]
    ]


def _timed(
    setting: Setting, ceilings: dict[str, Any], kernel: str, call: Any, gigabytes: float, teraflops: float
) -> dict[str, Any]:
    took = setting.milliseconds(call)
    floor = max(gigabytes / ceilings["copy_gb_s"], teraflops / ceilings["matmul_tflop_s"]["fp16"]) * 1e3
    return {
        "kernel": kernel, "ms": significant(took), "gb_s": significant(1e3 * gigabytes / took),
        "tflop_s": significant(1e3 * teraflops / took), "floor_ms": significant(floor),
    }  # fmt: skip


def timed_calls(case: Case, ops: Any) -> dict[str, Any]:
    """Each op on weights packed beforehand, by name."""
    c, rows = case.shape.channels, case.rows
    x, out = case.features().contiguous(), case.output()
    spatial, channel = ops.pack_spatial(spatial_weights(case)), ops.pack_channel(channel_weights(case))
    hidden = ops.pack_ffn(ffn_weights(case))
    conv = ops.pack_conv(case.random(c, c, 3, 3, scale=0.05), None)
    matrix, bias = case.random(c, c, scale=0.1), case.random(c)
    return {
        "spatial_reduce": lambda: ops.spatial_reduce(x, spatial, rows),
        "spatial_apply": lambda: ops.spatial_apply(x, out, spatial, matrix, bias, rows),
        "channel_reduce": lambda: ops.channel_reduce(x, channel, rows),
        "channel_apply": lambda: ops.channel_apply(x, out, channel, matrix, bias, rows),
        "ffn": lambda: ops.ffn(x, out, hidden, rows),
        "conv3x3": lambda: ops.conv3x3(x, out, conv, x, rows),
    }


def other_calls(case: Case) -> dict[str, Any]:
    """What is beside the ops: torch's convolution and the small products."""
    c = case.shape.channels
    x, out = case.features().contiguous(), case.output()
    conv = reference.pack_conv(case.random(c, c, 3, 3, scale=0.05), None)
    square = torch.rand(c, c, dtype=torch.float64, device=case.device)
    return {
        "conv3x3 of torch": lambda: reference.conv3x3(x, out, conv, x, case.rows),
        "product": lambda: (triton if case.device.type == "cpu" else cuda).product(square, square),
    }


def _work(shape: CaseShape) -> dict[str, tuple[float, float]]:
    """Map passes and multiply-adds a pixel of each op."""
    c, d, tokens = shape.channels, shape.hidden, shape.window**2
    return {
        "spatial_reduce": (1, 9 * c),
        "spatial_apply": (2, 4 * c * c + 2 * tokens * c + 9 * c),
        "channel_reduce": (1, c * c),
        "channel_apply": (2, c * c + 9 * c),
        "ffn": (2, 2 * c * d + 9 * d),
        "conv3x3": (3.0, 9 * c * c),
    }
