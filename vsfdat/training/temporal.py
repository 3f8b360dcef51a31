"""What a network that looks at a frame's neighbours begins as, and what it minimises besides a picture's distance."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsfdat.arch import TFDAT
from vsfdat.arch.tfdat import FlowNet, warp

from .losses import Loss, Objective
from .recipe import LossFacts, RunFacts

_CONTRAST = 16  # brightness over what differs in it from pixel to pixel and frame to frame, roughly
_BEYOND = 1.5  # times the range seen in a few pictures: features outside of it are bent at the start


@torch.no_grad()
def begin_at_centre(module: TFDAT, low: Tensor) -> None:
    """Set the weights so that a network looks at the middle frame alone, and sees no motion.

    The fusing layers have to pass the middle's features on, through a LeakyReLU that would bend those below 0. Each is
    shifted by as much as it falls below 0 at most, or is turned around first if that is less, and shifted back: where
    only the middle of a kernel of 3x3 is not 0, that is exact at the borders too.

    Args:
        module: What is changed: the fusing layers and the flow.
        low: Clips [B, T, H, W, 3] uint8 that show which values features have.
    """
    centre = low[:, low.shape[1] // 2].permute(0, 3, 1, 2) / 255
    features = module.conv_first(F.pixel_unshuffle(centre, module.config.unshuffle))
    least, most = features.amin(dim=(0, 2, 3)), features.amax(dim=(0, 2, 3))
    sign = torch.where(-least <= most, 1.0, -1.0)
    shift = _BEYOND * torch.minimum(-least, most).clamp(min=0)
    into, out = (module.temporal_fuse.get_submodule(name) for name in ("0", "2"))
    for convolution, bias in ((into, shift), (out, -sign * shift)):
        weight = nn.init.zeros_(convolution.get_parameter("weight"))
        weight[:, : len(sign), weight.shape[2] // 2, weight.shape[3] // 2] = sign.diag()
        convolution.get_parameter("bias").copy_(bias)
    _begin_flow(module.flow_net)


@torch.no_grad()
def _begin_flow(flow_net: FlowNet) -> None:
    """Begin to look for motion where it is: brightness is the same in all filters of the first layer, and cancels out.

    What is left of two frames is small, and made as large as features are; so the flow learns in half of the steps.
    """
    convolutions = [layer for layer in flow_net.enc if isinstance(layer, nn.Conv2d)]
    for convolution in convolutions:
        nn.init.kaiming_normal_(convolution.weight, a=0.2)
    first = convolutions[0].weight
    grey = first.view(len(first), 2, 3, 3, 3).mean(dim=2, keepdim=True).expand(-1, -1, 3, -1, -1).flatten(1, 2)
    first.copy_(_CONTRAST * (grey - grey.mean(dim=(1, 2, 3), keepdim=True)))
    nn.init.zeros_(flow_net.flow_pred.weight)


def build_clip_objective(module: TFDAT, loss: Loss, run: RunFacts, facts: LossFacts) -> Objective:
    """Join all between a batch of clips and its loss.

    Args:
        module: The network being trained.
        loss: What `build_loss` gave: the distance of pictures.
        run: The precision of the network's pass.
        facts: What else counts, and how much.

    Returns:
        A function of clips [B, T, H, W, 3] uint8 and what their middles were [B, H·scale, W·scale, 3]; where the loss
        is to be steady, the second, fourth, ... of them follow a frame after the one before.
    """

    def objective(low: Tensor, high: Tensor) -> Tensor:
        frames, target = low.movedim(-1, 2) / 255, high.permute(0, 3, 1, 2) / 255
        with torch.autocast(low.device.type, torch.bfloat16, enabled=run.precision == "bf16"):
            prediction = module(frames).float()
        total = loss(prediction, target)
        if facts.steady:
            total = total + facts.steady * (_change(prediction) - _change(target)).abs().mean()
        if facts.aligned:
            total = total + facts.aligned * misalignment(module, frames)
        return total

    return objective


def misalignment(module: TFDAT, frames: Tensor) -> Tensor:
    """Average how far the neighbours [B, T, 3, H, W], moved to where the middle's picture is, are from that."""
    t = frames.shape[1]
    neighbours = torch.cat((frames[:, : t // 2], frames[:, t // 2 + 1 :]), dim=1).flatten(0, 1)
    centre = frames[:, t // 2].repeat_interleave(t - 1, dim=0)
    return (warp(neighbours, module.flow_net(neighbours, centre)) - centre).abs().mean()


def _change(pictures: Tensor) -> Tensor:
    return pictures[1::2] - pictures[::2]
