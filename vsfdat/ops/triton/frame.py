"""Frames in and out on the device: planes of any sample type to channels-last network input, and back.

An 8-bit frame goes over the bus as it is, a quarter of the bytes of fp32, and is converted where bandwidth is plenty.
"""

import triton
import triton.language as tl
from torch import Tensor

from .launch import on_device_of, strides

_PIXELS = 1024


def frame_in(planes: Tensor, out: Tensor, peak: float) -> None:
    """Write clamp(planes / peak, 0, 1) as a channels-last map.

    Args:
        planes: [C, H, W], uint8, uint16, fp16 or fp32, of any strides.
        out: [H, W, C], fp32, fp16 or bf16.
        peak: The sample that means 1.0: 255, 1023, 65535; 1.0 for float samples.
    """
    channels, height, width = planes.shape
    with on_device_of(planes):
        _frame_in[(triton.cdiv(width, _PIXELS), height, channels)](
            planes, *planes.stride(), out, *strides(out), width, 1.0 / peak, PIXELS=_PIXELS, num_warps=4,
            enable_fp_fusion=True,
        )  # fmt: skip


@triton.jit
def _frame_in(
    planes_ptr, plane_stride, row_stride, column_stride, out_ptr, out_stride_y, out_stride_x, width, factor,
    PIXELS: tl.constexpr,
):  # fmt: skip
    c, y = tl.program_id(2), tl.program_id(1).to(tl.int64)
    x = (tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)).to(tl.int64)
    samples = planes_ptr + c.to(tl.int64) * plane_stride + y * row_stride + x * column_stride
    value = tl.load(samples, mask=x < width, other=0).to(tl.float32) * factor
    # A NaN sample stays one, so that the guard on the way out can see it.
    value = tl.where(value < 0.0, 0.0, tl.where(value > 1.0, 1.0, value))
    targets = out_ptr + y * out_stride_y + x * out_stride_x + c
    tl.store(targets, value.to(out_ptr.dtype.element_ty), mask=x < width)


def frame_out(x: Tensor, planes: Tensor, peak: float) -> None:
    """Write clamp(x, 0, 1)·peak as planes; integer samples are rounded to the nearest, halves up.

    Args:
        x: [H, W, C], fp32, fp16 or bf16.
        planes: [C, H, W], uint8, uint16, fp16 or fp32, of any strides.
        peak: The sample that means 1.0.
    """
    channels, height, width = planes.shape
    with on_device_of(x):
        _frame_out[(triton.cdiv(width, _PIXELS), height, channels)](
            x, *strides(x), planes, *planes.stride(), width, float(peak), ROUND=not planes.dtype.is_floating_point,
            PIXELS=_PIXELS, num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip


@triton.jit
def _frame_out(
    x_ptr, x_stride_y, x_stride_x, planes_ptr, plane_stride, row_stride, column_stride, width, peak,
    ROUND: tl.constexpr, PIXELS: tl.constexpr,
):  # fmt: skip
    c, y = tl.program_id(2), tl.program_id(1).to(tl.int64)
    x = (tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)).to(tl.int64)
    value = tl.load(x_ptr + y * x_stride_y + x * x_stride_x + c, mask=x < width, other=0.0).to(tl.float32)
    value = tl.where(value < 0.0, 0.0, tl.where(value > 1.0, 1.0, value)) * peak
    if ROUND:
        value = (value + 0.5).to(tl.int32)
    targets = planes_ptr + c.to(tl.int64) * plane_stride + y * row_stride + x * column_stride
    tl.store(targets, value.to(planes_ptr.dtype.element_ty), mask=x < width)
