import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.quality.conftest import draw_picture
from vsfdat.arch import FDAT, TFDAT
from vsfdat.training.losses import build_loss
from vsfdat.training.recipe import LossFacts, RunFacts
from vsfdat.training.temporal import begin_at_centre, build_clip_objective, misalignment

BODY = {"scale": 2, "embed_dim": 16, "num_groups": 1, "depth_per_group": 1, "num_heads": 2, "drop_path_rate": 0.0}


def clips(count=4, frames=5, side=16):
    return torch.from_numpy(np.stack([[draw_picture(10 * n + k, side) for k in range(frames)] for n in range(count)]))


@pytest.fixture
def pair():
    """An FDAT, and a TFDAT with its weights that begins at the centre."""
    torch.manual_seed(0)
    start = FDAT(**BODY, unshuffle_mod=True, upsampler_type="pixelshuffledirect").eval()
    with torch.no_grad():
        for parameter in start.parameters():
            parameter.mul_(4)
    module = TFDAT(**BODY, upsampler_type="pixelshuffledirect", flow_base_ch=4).eval()
    weights = {name.replace("conv_first.1", "conv_first"): tensor for name, tensor in start.state_dict().items()}
    module.load_state_dict(weights, strict=False)
    begin_at_centre(module, clips())
    return start, module


@torch.inference_mode()
def test_it_begins_as_the_network_that_upscales_the_centre_alone(pair):
    start, module = pair
    frames = clips().movedim(-1, 2) / 255
    alone = start(frames[:, 2])
    assert alone.std() > 0.01
    assert (module(frames) - alone).abs().max() < 1e-5  # at the borders too


@torch.inference_mode()
def test_pictures_that_it_has_not_seen_are_nearly_the_same(pair):
    start, module = pair
    frames = clips(8, side=32).flip(0).movedim(-1, 2) / 255
    assert (module(frames) - start(frames[:, 2])).abs().mean() < 0.001


def test_the_neighbours_and_the_flow_learn_from_the_first_step(pair):
    _, module = pair
    objective = build_clip_objective(
        module, build_loss(LossFacts(), torch.device("cpu")), RunFacts(precision="fp32"), LossFacts(aligned=1)
    )
    objective(clips(), clips(frames=1, side=32)[:, 0]).backward()
    fuse = module.temporal_fuse[0].weight.grad
    assert fuse[:, 16:].abs().max() > 0
    assert module.flow_net.flow_pred.weight.grad.abs().max() > 0


def test_the_loss_grows_by_what_is_not_steady_and_not_aligned(pair):
    _, module = pair
    low, high = clips(), clips(frames=1, side=32)[:, 0]
    run, loss = RunFacts(precision="fp32"), build_loss(LossFacts(frequency=0.0), torch.device("cpu"))
    plain, steady, aligned = (
        build_clip_objective(module, loss, run, facts)(low, high).item()
        for facts in (LossFacts(), LossFacts(steady=2.0), LossFacts(aligned=3.0))
    )
    frames = low.movedim(-1, 2) / 255
    change = [(x[1::2] - x[::2]) for x in (module(frames), high.permute(0, 3, 1, 2) / 255)]
    assert steady - plain == pytest.approx(2 * functional.l1_loss(*change).item(), rel=1e-4)
    assert aligned - plain == pytest.approx(3 * misalignment(module, frames).item(), rel=1e-4)


def test_neighbours_that_are_the_centre_are_aligned(pair):
    _, module = pair
    frames = clips().movedim(-1, 2) / 255
    assert misalignment(module, frames[:, 2:3].expand(-1, 5, -1, -1, -1)).item() < 1e-6
    assert misalignment(module, frames).item() > 0.1
