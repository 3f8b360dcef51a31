"""The ops in C++ for CPUs: whatever vectors the compiler has for them, and bf16 products where the CPU has those.

Same names and signatures as `vsfdat.ops.reference`. Weights must be packed first (`pack_*`); `out` is written only in
`rows`; maps are contiguous. The same input gives the same bits, whatever the number of threads (torch's).
"""

import ctypes
import functools
import weakref
from typing import Any

import torch
from torch import Tensor

from ..reference import product as product
from ..weights import ChannelWeights, FfnWeights, Rows, SpatialWeights
from .build import BuildError, library

_PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


@functools.cache
def why_not(dtype: torch.dtype) -> str | None:
    """Say why maps of this dtype cannot run here, or None; the first call for a dtype may compile for seconds."""
    try:
        _load(dtype)
    except (BuildError, OSError) as error:
        return str(error)
    return None


class _Packed:
    """Weights of one layer inside the library of one dtype; the library's memory goes when this does."""

    def __init__(self, dtype: torch.dtype, kind: str, *arguments: Tensor | int | None) -> None:
        self.dtype = dtype
        self.library = _load(dtype)
        # The library copies what it needs; until then the fp32 versions must live.
        kept = [_fp32(argument) if isinstance(argument, Tensor) else argument for argument in arguments]
        self.handle = getattr(self.library, f"{kind}_new")(*map(_argument, kept))
        weakref.finalize(self, getattr(self.library, f"{kind}_free"), self.handle)

    def __call__(self, function: str, x: Tensor, rows: Rows, *arguments: Tensor | None) -> None:
        h, w, c = x.shape
        for tensor in (x, *arguments):
            if tensor is not None and not tensor.is_contiguous():
                raise ValueError(f"{function} takes contiguous tensors, passed strides {tensor.stride()}")
        if x.dtype != self.dtype:
            raise ValueError(f"{function} was packed for {self.dtype}, passed {x.dtype}")
        threads = torch.get_num_threads()
        call = getattr(self.library, function)
        call(self.handle, x.data_ptr(), h, w, c, *rows, threads, *map(_argument, arguments))


def pack_spatial(weights: SpatialWeights, dtype: torch.dtype | None = None) -> _Packed:
    """Pack a spatial block's weights for maps of `dtype`: the weights' own by default, as for all that follow."""
    heads, channels = weights.bias.shape[0], weights.qkv.shape[1]
    return _Packed(dtype or weights.qkv.dtype, "spatial", weights.norm.weight, weights.norm.bias, weights.qkv,
                   weights.qkv_bias, weights.bias, weights.conv, channels, heads, weights.window)  # fmt: skip


def pack_channel(weights: ChannelWeights, dtype: torch.dtype | None = None) -> _Packed:
    """Pack a channel block's weights."""
    return _Packed(dtype or weights.conv.dtype, "channel", weights.norm.weight, weights.norm.bias, weights.conv,
                   weights.gate, weights.conv.shape[0])  # fmt: skip


def pack_ffn(weights: FfnWeights, dtype: torch.dtype | None = None) -> _Packed:
    """Pack an FFN's weights."""
    hidden, channels = weights.fc1.shape
    return _Packed(dtype or weights.fc1.dtype, "ffn", weights.norm.weight, weights.norm.bias, weights.fc1, weights.conv,
                   weights.fc2, channels, hidden)  # fmt: skip


def pack_conv(weight: Tensor, bias: Tensor | None, dtype: torch.dtype | None = None) -> _Packed:
    """Pack a 3×3 convolution's `weight` [C_out, C_in, 3, 3] and `bias` [C_out], for `conv3x3`."""
    c_out, c_in = weight.shape[:2]
    return _Packed(dtype or weight.dtype, "conv", weight, bias, c_in, c_out)


def spatial_reduce(x: Tensor, weights: _Packed, rows: Rows) -> Tensor:
    """Return [C] fp32: sums over the rows' pixels of GELU(depthwise(LN(x)))."""
    sums = x.new_empty(x.shape[-1], dtype=torch.float32)
    weights("spatial_reduce", x, rows, sums)
    return sums


def spatial_apply(
    x: Tensor, out: Tensor, weights: _Packed, projection: Tensor, projection_bias: Tensor, rows: Rows
) -> None:
    """Write x + window_attention(LN(x))·projectionᵀ + projection_bias + GELU(depthwise(LN(x)))."""
    weights("spatial_apply", x, rows, out, _fp32(projection), _fp32(projection_bias))


def channel_reduce(x: Tensor, weights: _Packed, rows: Rows) -> tuple[Tensor, Tensor]:
    """Return nᵀn [C, C] and the column sums [C] of n = LN(x) over the rows' pixels, both fp32."""
    c = x.shape[-1]
    gram, sums = x.new_empty(c, c, dtype=torch.float32), x.new_empty(c, dtype=torch.float32)
    weights("channel_reduce", x, rows, gram, sums)
    return gram, sums


def channel_apply(x: Tensor, out: Tensor, weights: _Packed, matrix: Tensor, bias: Tensor, rows: Rows) -> None:
    """Write x + a + GELU(depthwise(LN(x)))·sigmoid(a·gate) with a = LN(x)·matrixᵀ + bias."""
    weights("channel_apply", x, rows, out, _fp32(matrix), _fp32(bias))


def ffn(x: Tensor, out: Tensor, weights: _Packed, rows: Rows) -> None:
    """Write x + fc2(depthwise(GELU(fc1(LN(x)))))."""
    weights("ffn", x, rows, out)


def conv3x3(x: Tensor, out: Tensor, weights: _Packed, residual: Tensor | None, rows: Rows) -> None:
    """Write the zero-padded convolution of x (+ residual); `out` may be the residual itself."""
    weights("conv", x, rows, out, residual)


def _fp32(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32).contiguous()


def _argument(value: Tensor | int | None) -> int | None:
    return value.data_ptr() if isinstance(value, Tensor) else value


@functools.cache
def _load(dtype: torch.dtype) -> Any:
    if dtype not in _PRECISIONS:
        raise BuildError(f"the CPU kernels know fp32, fp16 and bf16, not {dtype}")
    loaded = ctypes.CDLL(str(library(_PRECISIONS[dtype])))
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    for kind, news in {
        "spatial": [pointer] * 6 + [integer] * 3,
        "channel": [pointer] * 4 + [integer],
        "ffn": [pointer] * 5 + [integer] * 2,
        "conv": [pointer] * 2 + [integer] * 2,
    }.items():
        new, free = getattr(loaded, f"{kind}_new"), getattr(loaded, f"{kind}_free")
        new.argtypes, new.restype, free.argtypes, free.restype = news, pointer, [pointer], None
    # weights, x, h, w, c, start, stop, threads and then what the op writes or takes besides.
    for function, more in {
        "spatial_reduce": 1, "spatial_apply": 3, "channel_reduce": 2, "channel_apply": 3, "ffn": 1, "conv": 2
    }.items():  # fmt: skip
        op = getattr(loaded, function)
        op.argtypes, op.restype = [pointer, pointer, *[integer] * 6, *[pointer] * more], None
    return loaded
