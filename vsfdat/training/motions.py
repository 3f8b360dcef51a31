"""Two frames and how the picture moved between them: what a flow learns from before a network uses it."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

_SLOWEST, _FASTEST = 0.25, 8.0  # pixels between the frames; neighbours are up to two frames away
_STILL = 0.1  # share of the pairs that only noise tells apart
_BENT = 0.4  # share of those that zoom, turn or shear
_BEND = 0.03  # pixels an axis, a pixel away from the middle
_NOISE = 4.0  # largest sigma, in 8-bit steps


def moved_pairs(originals: Tensor, scale: int, draw: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Make a neighbour of each picture and a frame that shows it moved, smoothly and by any fraction of a pixel.

    Args:
        originals: [B, H·scale, W·scale, 3] uint8, of square pictures.
        scale: How much larger they are than the frames.
        draw: Where all chance comes from.

    Returns:
        Neighbour and centre [B, 2, H, W, 3] uint8, and where in the neighbour each pixel of the centre is, [B, 2, H, W]
        as x and y in pixels; NaN where it is not in the picture.
    """
    large = originals.permute(0, 3, 1, 2) / 255
    neighbour = F.avg_pool2d(large, scale)
    side = neighbour.shape[-1]
    offsets = torch.arange(side) - (side - 1) / 2
    place = torch.stack(torch.meshgrid(offsets, offsets, indexing="xy"))  # [(x, y), H, W] from the middle
    shift, bend = (torch.from_numpy(numbers) for numbers in _motions(len(large), draw))
    flow = torch.einsum("bij,jhw->bihw", bend, place) + shift[:, :, None, None]
    looked_up = 2 * (place + flow) / side  # in halves of the picture, as `grid_sample` counts
    # A mean over the pixels of the original that one of the frame's covers, wherever that is.
    smooth = F.avg_pool2d(F.pad(large, (0, scale - 1, 0, scale - 1), mode="replicate"), scale, stride=1)
    corner = looked_up.movedim(1, -1) - (scale - 1) / (scale * side)
    centre = F.grid_sample(smooth, corner, padding_mode="border", align_corners=False)
    noise = torch.from_numpy(draw.uniform(0, _NOISE / 255, (len(large), 1, 1, 1, 1)).astype(np.float32))
    frames = torch.stack((neighbour, centre), dim=1)
    frames = frames + noise * torch.from_numpy(draw.standard_normal(frames.shape, np.float32))
    outside = (looked_up.abs() > 1).any(dim=1, keepdim=True)
    return (frames * 255).round().clamp(0, 255).byte().movedim(2, -1), flow.masked_fill(outside, torch.nan)


def _motions(count: int, draw: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw shifts [B, (x, y)], slow ones as often as fast ones, and matrices [B, 2, 2] of what else moves."""
    length = np.exp(draw.uniform(np.log(_SLOWEST), np.log(_FASTEST), count)) * (draw.random(count) >= _STILL)
    angle = draw.uniform(0, 2 * np.pi, count)
    shift = length * np.stack((np.cos(angle), np.sin(angle)))
    bend = draw.uniform(-_BEND, _BEND, (count, 2, 2)) * ((draw.random(count) < _BENT) & (length > 0))[:, None, None]
    return shift.T.astype(np.float32), bend.astype(np.float32)


def motion_error(flow_net: nn.Module, frames: Tensor, flow: Tensor) -> Tensor:
    """Average how far off a flow is, in pixels an axis: what `moved_pairs` gave -> []."""
    neighbour, centre = (frames.movedim(-1, 2) / 255).unbind(dim=1)
    seen: Tensor = flow_net(neighbour, centre)
    return (seen - torch.where(flow.isnan(), seen.detach(), flow)).abs().mean()
