"""All ops of this backend in one place; importing it imports Triton."""

from .channel import channel_apply, channel_reduce, pack_channel
from .conv import conv3x3, pack_conv
from .feed_forward import ffn, pack_ffn
from .matrix import product
from .spatial import pack_spatial, spatial_apply, spatial_reduce

__all__ = [
    "channel_apply",
    "channel_reduce",
    "conv3x3",
    "ffn",
    "pack_channel",
    "pack_conv",
    "pack_ffn",
    "pack_spatial",
    "product",
    "spatial_apply",
    "spatial_reduce",
]
