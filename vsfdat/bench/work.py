"""The arithmetic that a network needs, whoever does it."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from vsfdat.arch import FDAT, FDATConfig

_PROBE = 16


def multiply_adds(network: FDAT) -> int:
    """Count the multiply-adds of one feature pixel, with the channel attention folded into its Gram and one matrix.

    That is the least that is known to be needed: a module that does more for the same picture gets no credit for it.
    """
    config = network.config
    channels = config.embed_dim
    blocks = sum(_block(config, kind) for kind in config.block_types)
    first = 9 * config.num_in_ch * config.unshuffle**2 * channels
    convolution = 9 * channels**2
    return first + config.num_groups * (blocks + convolution) + convolution + _head(network)


def _block(config: FDATConfig, kind: str) -> int:
    channels, hidden = config.embed_dim, config.ffn_dim
    depthwise = 9 * (channels + hidden)
    feed_forward = 2 * channels * hidden
    if kind == "spatial":
        attention = 4 * channels**2 + 2 * config.window_size**2 * channels
    else:
        attention = 2 * channels**2 + channels
    return attention + feed_forward + depthwise


def _head(network: FDAT) -> int:
    features = torch.empty(1, network.config.embed_dim, _PROBE, _PROBE, device="meta")
    head = type(network)(network.config).upsampler.to("meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        head(features)
    return int(counter.get_total_flops()) // 2 // _PROBE**2
