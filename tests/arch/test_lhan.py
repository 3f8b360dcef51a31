"""LHAN, FDAT's forerunner, against the published module's pictures: FDAT's body, another epsilon, other heads."""

import json

import pytest
import torch
from torch import nn

from tests.arch import published
from vsfdat.arch import FDAT, PRESETS, FDATConfig

HEADS = {"pixelshuffle": "lhan_pixelshuffle", "nearest_conv": "lhan_nearest", "transpose_conv": "lhan_transpose"}


def load(fixture: published.Published) -> FDAT:
    arguments = dict(fixture.config)
    scale, head = arguments.pop("upscaling_factor"), HEADS[arguments.pop("upsampler_type")]
    network = FDAT(scale=scale, upsampler_type=head, **arguments).eval().requires_grad_(False)
    network.load_state_dict(fixture.weights)
    return network


@pytest.mark.parametrize("name", published.names("lhan"))
def test_pictures_equal_the_published_ones(name: str) -> None:
    fixture = published.read("lhan", name)
    fixture.check(load(fixture)(fixture.given[None])[0])


@pytest.mark.parametrize(
    ("preset", "head"),
    [("tiny", "lhan_pixelshuffle"), ("light", "lhan_nearest"), ("medium", "lhan_transpose")],
)
def test_presets_have_the_published_parameters(preset: str, head: str) -> None:
    """Their bodies are those of FDAT's presets."""
    expected = json.loads((published.FIXTURES / "lhan" / "parameter_shapes.json").read_text())[f"lhan_{preset}"]
    with torch.device("meta"):
        found = FDAT(PRESETS[f"fdat_{preset}"], scale=2, upsampler_type=head).state_dict()
    assert len(found) == expected.pop("tensors")
    assert {key: list(found[key].shape) for key in expected} == expected


@pytest.mark.parametrize(("head", "eps"), [("lhan_nearest", 1e-6), ("nearest+conv", 1e-5)])
def test_the_head_decides_about_the_epsilon(head: str, eps: float) -> None:
    config = FDATConfig(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2, upsampler_type=head)
    norms = [module.eps for module in FDAT(config).modules() if isinstance(module, nn.LayerNorm)]
    assert norms == [eps] * 4
