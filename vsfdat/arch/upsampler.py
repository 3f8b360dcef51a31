"""The reconstruction head: feature maps [B, C, H, W] to pictures [B, out, H·scale, W·scale].

Source: UniUpsampleV3 as traiNNer-redux and spandrel carry it; positions in its `Sequential` are parameter names.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from .heads import DYSAMPLE_GROUPS, META_TYPES, HeadSize, UpsamplerType, find_head

_META_VERSION = 3


class UniUpsampleV3(nn.Sequential):
    """Any of the family's heads; FDAT's with the community's description of itself in the `MetaUpsample` buffer.

    Args:
        upsampler_type: Which head; at scale 1 all are one convolution.
        scale: Output size over input size.
        in_dim: Feature channels.
        out_dim: Picture channels.
        mid_dim: Channels between, for the heads that have any.
    """

    MetaUpsample: Tensor

    def __init__(self, upsampler_type: UpsamplerType, scale: int, in_dim: int, out_dim: int, mid_dim: int) -> None:
        head = find_head(upsampler_type, scale)
        layers = head.build(HeadSize(scale, in_dim, out_dim, mid_dim))
        named = layers if isinstance(layers, dict) else {str(place): layer for place, layer in enumerate(layers)}
        super().__init__(OrderedDict(named))
        self.in_strips = head.in_strips
        if head.lhan:
            return
        # pa_up's doubling steps each start from mid_dim after the first, and the buffer says what the last one saw.
        if upsampler_type == "pa_up" and scale > 1 and scale != 3:
            in_dim = mid_dim
        meta = [_META_VERSION, META_TYPES.index(upsampler_type), scale, in_dim, out_dim, mid_dim, DYSAMPLE_GROUPS]
        # On the CPU, and so known, where the rest is built without memory.
        self.register_buffer("MetaUpsample", torch.tensor(meta, dtype=torch.uint8, device="cpu"))
