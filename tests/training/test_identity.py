import pytest
import torch

from vsfdat.arch import FDAT, FDATConfig
from vsfdat.training.identity import begin_as_identity, can_be_identity

SMALL = {"scale": 1, "embed_dim": 48, "num_heads": 2, "num_groups": 1, "depth_per_group": 1}


@pytest.mark.parametrize(
    "overrides",
    [
        {"unshuffle_mod": True, "upsampler_type": "pixelshuffledirect"},
        {"upsampler_type": "pixelshuffledirect"},
        {"upsampler_type": "transpose+conv"},  # without a scale every head is one convolution
        {"embed_dim": 64, "unshuffle_mod": True, "upsampler_type": "pixelshuffledirect"},
    ],
)
def test_the_network_gives_back_what_comes_in_and_can_learn(overrides):
    config = FDATConfig(**SMALL | overrides)
    assert can_be_identity(config)
    module = FDAT(config)
    begin_as_identity(module)
    picture = torch.rand(2, 3, 13, 18, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(picture), picture, rtol=0, atol=1e-6)
    module(picture).square().mean().backward()
    assert module.conv_after.weight.grad.any()


@pytest.mark.parametrize(
    "overrides",
    [
        {"scale": 2, "upsampler_type": "pixelshuffledirect"},
        {"unshuffle_mod": True, "upsampler_type": "transpose+conv"},
        {"unshuffle_mod": True, "upsampler_type": "pixelshuffledirect", "embed_dim": 32},
        {"num_out_ch": 1},
    ],
)
def test_others_cannot_be(overrides):
    assert not can_be_identity(FDATConfig(**SMALL | overrides))
