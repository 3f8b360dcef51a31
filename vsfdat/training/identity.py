"""A start for networks that do not scale: give back what comes in, and learn what is to be changed about it."""

import torch
from torch import nn

from vsfdat.arch import FDAT, FDATConfig
from vsfdat.arch.heads import HeadSize, find_head


def can_be_identity(config: FDATConfig) -> bool:
    """Whether a network has a feature for each pixel that it unshuffles, and one convolution that puts them back."""
    size = HeadSize(config.head_scale, config.embed_dim, config.num_out_ch, config.mid_dim)
    ends_at_once = find_head(config.upsampler_type, config.head_scale).first(size) > 0
    pixels = config.num_in_ch * config.unshuffle**2
    return config.scale == 1 and config.num_in_ch == config.num_out_ch and ends_at_once and pixels <= config.embed_dim


@torch.no_grad()
def begin_as_identity(module: FDAT) -> None:
    """Set the weights so that a network gives back its input.

    The first features become the pixels, the head puts them back, and what the blocks make is multiplied by 0. The
    blocks stay random, so that the convolution after them learns at once, and they from the second step on.

    Args:
        module: A network that `can_be_identity`; it is changed.
    """
    first = module.get_submodule("conv_first.1" if module.config.unshuffle > 1 else "conv_first")
    for convolution in (first, module.upsampler[0]):
        nn.init.dirac_(convolution.get_parameter("weight"))
        nn.init.zeros_(convolution.get_parameter("bias"))
    nn.init.zeros_(module.conv_after.weight)
