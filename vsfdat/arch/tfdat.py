"""TFDAT, plain: FDAT that looks at a frame's neighbours too.

Each neighbour is moved to where the centre's picture is, and what FDAT then sees is the centre beside the neighbours'
average. Parameter names and shapes are the community's to the letter. How many frames there are is in no weight.

Source: https://github.com/the-database/traiNNer-redux (Apache-2.0).
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import FDATConfig, TFDATConfig
from .fdat import FDAT, init_weights, pad_to_multiple

FLOW_STRIDE = 8  # pixels on each axis that share one motion before it is scaled up
SLOPE = 0.2  # of all its activations


def middle(count: int) -> int:
    """Find the frame that is upscaled, of so many.

    Raises:
        ValueError: There is none in the middle, or it has no neighbours.
    """
    if count < 3 or count % 2 == 0:
        raise ValueError(f"TFDAT looks at an odd number of frames, at least 3, passed {count}")
    return count // 2


class FlowNet(nn.Module):
    """Tell how the picture has moved: three convolutions of stride 2, and motions at an eighth of the size."""

    def __init__(self, num_in_ch: int, base_ch: int) -> None:
        super().__init__()
        widths = [2 * num_in_ch, base_ch, 2 * base_ch, 4 * base_ch]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        self.enc = nn.Sequential(*layers)
        self.flow_pred = nn.Conv2d(widths[-1], 2, 3, padding=1)

    def forward(self, neighbour: Tensor, centre: Tensor) -> Tensor:
        """Two pictures [B, 3, H, W] -> [B, (x, y), H, W] in pixels: where in the neighbour the centre's pixel is."""
        flow = self.flow_pred(self.enc(torch.cat((neighbour, centre), dim=1)))
        return FLOW_STRIDE * F.interpolate(flow, scale_factor=FLOW_STRIDE, mode="bilinear")


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Look a picture [B, 3, H, W] up, bilinearly, at (x + flow x, y + flow y), clamped to it."""
    h, w = picture.shape[-2:]
    columns = torch.arange(w, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    rows = torch.arange(h, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    grid = torch.stack((2 * columns / (w - 1) - 1, 2 * rows / (h - 1) - 1), dim=-1)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=True)


class TFDAT(FDAT):
    """The whole network: an odd number of successive pictures to the one in their middle, `scale` times the size.

    Args:
        config: The hyper-parameters; those of the published preset where none is given.
        **overrides: Single hyper-parameters that replace the config's, by their names in `TFDATConfig`.

    Raises:
        ValueError: The hyper-parameters contradict each other.

    Source:
        https://github.com/the-database/traiNNer-redux (Apache-2.0)
    """

    config: TFDATConfig

    def __init__(self, config: TFDATConfig | None = None, **overrides: Any) -> None:
        config = replace(config or TFDATConfig(), **overrides)
        super().__init__(config)
        dim, channels = config.embed_dim, config.num_in_ch
        if isinstance(self.conv_first, nn.Sequential):
            self.conv_first = self.conv_first[1]  # the name of its weights knows nothing of the shuffle here
        self.flow_net = FlowNet(channels, config.flow_base_ch)
        self.shallow_stem = nn.Sequential()
        if config.unshuffle == 1:
            inner = dim // 2
            self.shallow_stem = nn.Sequential(
                nn.Conv2d(channels, inner, 3, padding=1),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(inner, channels, 3, padding=1),
            )
        self.temporal_fuse = nn.Sequential(
            nn.Conv2d(2 * dim, dim, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(dim, dim, 3, padding=1)
        )
        for added in (self.flow_net, self.shallow_stem, self.temporal_fuse):
            added.apply(init_weights)

    @property
    def padding_multiple(self) -> int:
        """What the padded sides are multiples of, in pixels."""
        return FLOW_STRIDE * self.config.unshuffle

    def forward(self, x: Tensor) -> Tensor:
        """Upscale the middle picture of each series.

        Args:
            x: [B, T, 3, H, W] in [0, 1], T odd and at least 3, of any size.

        Returns:
            [B, 3, H·scale, W·scale], not clamped.

        Raises:
            ValueError: T is even, or 1.
        """
        b, t, _, h, w = x.shape
        middle(t)
        frames = pad_to_multiple(x.flatten(0, 1), self.padding_multiple).unflatten(0, (b, t))
        # In full, whatever autocast asks for: half a pixel's motion is lost in the digits that bf16 has for a column.
        with torch.autocast(x.device.type, enabled=False):
            pair = self.align(frames)
        pair = pair.to(self.conv_first.get_parameter("weight").dtype)
        scale = self.config.scale
        return self.reconstruct(self.fuse(pair))[..., : h * scale, : w * scale]

    def align(self, frames: Tensor) -> Tensor:
        """Give the centre and its neighbours' average, moved to where it is: [B, T, 3, H, W] -> [B, 2, 3, H, W]."""
        b, t = frames.shape[:2]
        at = middle(t)
        centre = frames[:, at]
        neighbours = torch.cat((frames[:, :at], frames[:, at + 1 :]), dim=1).flatten(0, 1)
        flow = self.flow_net(neighbours, centre.repeat_interleave(t - 1, dim=0))
        total = warp(neighbours, flow).unflatten(0, (b, t - 1)).sum(dim=1)
        if len(self.shallow_stem):  # of the sum, not of the average: as published, and as the weights are trained
            centre, total = centre + self.shallow_stem(centre), total + self.shallow_stem(total)
        return torch.stack((centre, total / (t - 1)), dim=1)

    def fuse(self, pair: Tensor) -> Tensor:
        """Make one map of centre and average: [B, 2, 3, H, W] -> [B, C, h, w]."""
        shuffled = F.pixel_unshuffle(pair.flatten(0, 1), self.config.unshuffle)
        # [B·2, C, h, w] -> [B, 2·C, h, w]
        return self.temporal_fuse(self.conv_first(shuffled).unflatten(0, (-1, 2)).flatten(1, 2))


def build_network(config: FDATConfig) -> FDAT:
    """Build the network that hyper-parameters describe, with initial weights."""
    return TFDAT(config) if isinstance(config, TFDATConfig) else FDAT(config)
