"""What TFDAT does before it is an FDAT: neighbours moved to where the centre is, and averaged; in fp32 always.

What comes of it, centre and average, is a picture of six channels, and all that makes pictures of pictures (strips,
plan, graphs, tiles, the check for NaN) works on that as it does for FDAT. Flow is found and used neighbour by neighbour
and in strips, so that its maps take little beside the network's.
"""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsfdat.arch import TFDAT
from vsfdat.arch.fdat import pad_to_multiple
from vsfdat.arch.tfdat import FLOW_STRIDE, middle

from . import Engine
from .plan import FLOW_ROWS
from .strips import Strip, cut_strips
from .wrapper import Wrapper

# [T, 3, H, W] fp32 -> [6, H', W'] fp32, H' and W' whole multiples of what the network pads to.
Alignment = Callable[[Tensor], Tensor]

_HALO = 2  # rows of flow above a strip that its cut spoils, and one below


class Aligned(Wrapper):
    """Upscale the middle one of several frames; an engine too, of [T, 3, H, W].

    Args:
        engine: Its network takes centre and average, six channels.
        align: Makes these of the frames.
    """

    def __init__(self, engine: Engine, align: Alignment) -> None:
        super().__init__(engine)
        self._align = align

    def __call__(self, frame: Tensor) -> Tensor:
        """[T, 3, H, W] -> [3, H·scale, W·scale].

        Raises:
            ValueError: T is even, or 1.
        """
        height, width = frame.shape[-2:]
        with torch.inference_mode():
            pair = self._align(frame)
        return self._engine(pair)[:, : height * self.scale, : width * self.scale]


def build(module: TFDAT, device: torch.device, *, plain: bool) -> Alignment:
    """Prepare the alignment of a network for a device.

    Args:
        module: The network; it is copied, not changed.
        device: Where frames are.
        plain: Whether to run the module's own, on whole frames.
    """
    shared = copy.deepcopy(module).eval().requires_grad_(False).float()
    for unused in ("groups", "conv_first", "conv_after", "upsampler", "temporal_fuse"):
        setattr(shared, unused, nn.Identity())
    return _Plain(shared.to(device)) if plain else _InStrips(shared.to(device))


class _Plain:
    """The module's own alignment."""

    def __init__(self, module: TFDAT) -> None:
        self._module = module

    def __call__(self, frames: Tensor) -> Tensor:
        middle(len(frames))
        padded = pad_to_multiple(frames, self._module.padding_multiple)
        return self._module.align(padded[None])[0].flatten(0, 1)


class _InStrips:
    """The same, one neighbour and some rows at a time."""

    def __init__(self, module: TFDAT) -> None:
        self._multiple = module.padding_multiple
        # In this layout oneDNN's convolutions take two thirds of the time where channels are few.
        self._flow = nn.Sequential(*module.flow_net.enc, module.flow_net.flow_pred)
        self._flow.to(memory_format=torch.channels_last)
        for layer in self._flow:
            if isinstance(layer, nn.LeakyReLU):
                layer.inplace = True
        self._stem = module.shallow_stem

    def __call__(self, frames: Tensor) -> Tensor:
        centre_at = middle(len(frames))
        frames = pad_to_multiple(frames, self._multiple)
        centre = frames[centre_at]
        total = torch.zeros_like(centre)
        strips = cut_strips(centre.shape[1] // FLOW_STRIDE, FLOW_ROWS, _HALO)
        for index, neighbour in enumerate(frames):
            if index != centre_at:
                self._add_moved(total, neighbour, centre, strips)
        if len(self._stem):
            centre, total = self._with_stem(centre), self._with_stem(total)
        return torch.cat((centre, total / (len(frames) - 1)))

    def _add_moved(self, total: Tensor, neighbour: Tensor, centre: Tensor, strips: list[Strip]) -> None:
        """Add a neighbour, moved to where the centre is, to what other neighbours have given: three pictures."""
        flow = torch.cat([self._flow_of(neighbour, centre, strip) for strip in strips], dim=1)
        # The row above the first is the first again, as where bilinear scaling clamps; so below the last.
        flow = F.pad(flow[None], (0, 0, 1, 1), mode="replicate")
        for strip in strips:
            rows = slice(FLOW_STRIDE * strip.start, FLOW_STRIDE * strip.stop)
            seen = flow[:, :, strip.start : strip.stop + 2]
            enlarged = F.interpolate(seen, scale_factor=FLOW_STRIDE, mode="bilinear")[0]
            motion = FLOW_STRIDE * enlarged[:, FLOW_STRIDE:-FLOW_STRIDE]
            total[:, rows] += _looked_up(neighbour, motion, rows.start)

    def _flow_of(self, neighbour: Tensor, centre: Tensor, strip: Strip) -> Tensor:
        """Some rows of the flow at an eighth of the size, in eighths of a pixel: [2, h, w]."""
        seen = slice(FLOW_STRIDE * strip.top, FLOW_STRIDE * strip.bottom)
        start, stop = strip.inner
        both = torch.cat((neighbour[:, seen], centre[:, seen]))[None]
        flow: Tensor = self._flow(both.contiguous(memory_format=torch.channels_last))
        return flow[0, :, start:stop]

    def _with_stem(self, picture: Tensor) -> Tensor:
        found: Tensor = self._stem(picture[None])[0]
        return picture + found


def _looked_up(picture: Tensor, motion: Tensor, top: int) -> Tensor:
    """Look a picture [3, H, W] up where rows from `top` on came from by their motion [2, h, W], clamped to it."""
    (h, w), rows = picture.shape[-2:], motion.shape[1]
    # In grid_sample's units, in which -1 and 1 are the middles of the outermost pixels.
    grid = motion.permute(1, 2, 0) * motion.new_tensor((2 / (w - 1), 2 / (h - 1)))
    grid[..., 0] += torch.linspace(-1, 1, w, device=motion.device)
    grid[..., 1] += torch.linspace(-1, 1, h, device=motion.device)[top : top + rows, None]
    moved: Tensor = F.grid_sample(picture[None], grid[None], padding_mode="border", align_corners=True)[0]
    return moved
