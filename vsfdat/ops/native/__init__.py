"""The ops in C++ for CPUs: whatever vectors the compiler has for them, and bf16 products where the CPU has those.

Same names and signatures as `vsfdat.ops.reference`. Weights must be packed first (`pack_*`); `out` is written only in
`rows`; maps are contiguous. The same input gives the same bits, whatever the number of threads (torch's).
"""

import ctypes
import functools
import weakref

import torch
from torch import Tensor

from ..interface import ChannelWeights, FfnWeights, NetworkShape, Norm, Rows, SpatialWeights
from .build import BuildError, library

_PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


def why_not(device: torch.device, dtype: torch.dtype, network: NetworkShape) -> str | None:  # noqa: ARG001
    """Say why maps of this dtype cannot be made here, or None; the first call for a dtype may compile for seconds."""
    if device.type != "cpu":
        return f"they are for CPUs, this is {device}"
    return _obstacle(dtype)


@functools.cache
def _obstacle(dtype: torch.dtype) -> str | None:
    try:
        _load(dtype)
    except (BuildError, OSError) as error:
        return str(error)
    return None


class _Packed:
    """Weights of one layer inside the library of one dtype; the library's memory goes when this does.

    Args:
        dtype: What the maps are made of.
        kind: What the C functions' names begin with: KIND_new makes the weights, KIND_free gives them back.
        arguments: What KIND_new takes, in its order.
    """

    def __init__(self, dtype: torch.dtype, kind: str, *arguments: Tensor | float | None) -> None:
        self.dtype = dtype
        self.library = _load(dtype)
        # The library copies what it needs; until then the fp32 versions must live.
        kept = [_fp32(argument) if isinstance(argument, Tensor) else argument for argument in arguments]
        new, free = self.library[f"{kind}_new"], self.library[f"{kind}_free"]
        new.restype, free.restype = ctypes.c_void_p, None
        self.handle = ctypes.c_void_p(new(*map(_argument, kept)))
        weakref.finalize(self, free, self.handle)

    def __call__(self, function: str, x: Tensor, rows: Rows, *arguments: Tensor | None) -> None:
        """Call a C function that takes weights, x, its height, width and channels, the rows, threads, and what follows.

        Args:
            function: Its name in the sources.
            x: [H, W, C].
            rows: First row made and the row after the last.
            arguments: What it writes or takes besides, in its order.

        Raises:
            ValueError: A tensor is not contiguous, or `x` has another dtype than the weights were packed for.
        """
        h, w, c = x.shape
        for tensor in (x, *arguments):
            if tensor is not None and not tensor.is_contiguous():
                raise ValueError(f"{function} takes contiguous tensors, passed strides {tensor.stride()}")
        if x.dtype != self.dtype:
            raise ValueError(f"{function} was packed for {self.dtype}, passed {x.dtype}")
        call = self.library[function]
        call.restype = None
        call(self.handle, *map(_argument, (x, h, w, c, *rows, torch.get_num_threads(), *arguments)))


def pack_spatial(weights: SpatialWeights, dtype: torch.dtype | None = None) -> _Packed:
    """Pack a spatial block's weights for maps of `dtype`: the weights' own by default, as for all that follow."""
    heads, channels = weights.bias.shape[0], weights.qkv.shape[1]
    return _Packed(dtype or weights.qkv.dtype, "spatial", *_norm(weights.norm), weights.qkv, weights.qkv_bias,
                    weights.bias, weights.conv, channels, heads, weights.window)  # fmt: skip


def pack_channel(weights: ChannelWeights, dtype: torch.dtype | None = None) -> _Packed:
    """Pack a channel block's weights."""
    return _Packed(dtype or weights.conv.dtype, "channel", *_norm(weights.norm), weights.conv, weights.gate,
                    weights.conv.shape[0])  # fmt: skip


def pack_ffn(weights: FfnWeights, dtype: torch.dtype | None = None) -> _Packed:
    """Pack an FFN's weights."""
    hidden, channels = weights.fc1.shape
    return _Packed(dtype or weights.fc1.dtype, "ffn", *_norm(weights.norm), weights.fc1, weights.conv, weights.fc2,
                   channels, hidden)  # fmt: skip


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


def _norm(norm: Norm) -> tuple[Tensor, Tensor, float]:
    return norm.weight, norm.bias, norm.eps


def _argument(value: Tensor | float | None) -> ctypes.c_int | ctypes.c_float | ctypes.c_void_p:
    if isinstance(value, int):
        return ctypes.c_int(value)
    if isinstance(value, float):
        return ctypes.c_float(value)
    return ctypes.c_void_p(None if value is None else value.data_ptr())


@functools.cache
def _load(dtype: torch.dtype) -> ctypes.CDLL:
    if dtype not in _PRECISIONS:
        raise BuildError(f"the CPU kernels know fp32, fp16 and bf16, not {dtype}")
    return ctypes.CDLL(str(library(_PRECISIONS[dtype])))
