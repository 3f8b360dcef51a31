"""Our TFDAT against the published module's pictures, and what must hold whatever the weights."""

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.arch import published
from tests.random_weights import fill
from vsfdat.arch import FDAT, TFDAT, FDATConfig, TFDATConfig

SMALL = TFDATConfig(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, mid_dim=8, scale=2, flow_base_ch=8)


def random_tfdat(config: TFDATConfig = SMALL) -> TFDAT:
    torch.manual_seed(0)
    network = TFDAT(config).eval().requires_grad_(False)
    fill(network)
    return network


def load(fixture: published.Published) -> TFDAT:
    hyper_parameters = {key: value for key, value in fixture.config.items() if key != "clip_size"}
    network = TFDAT(**hyper_parameters).eval().requires_grad_(False)
    network.load_state_dict(fixture.weights)
    return network


@pytest.mark.parametrize("name", published.names("tfdat"))
def test_pictures_equal_the_published_ones(name: str) -> None:
    fixture = published.read("tfdat", name)
    fixture.check(load(fixture)(fixture.given[None])[0])


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_preset_has_the_published_parameters(scale: int) -> None:
    expected = json.loads((published.FIXTURES / "tfdat" / "parameter_shapes.json").read_text())[f"tfdat scale {scale}"]
    with torch.device("meta"):
        found = TFDAT(scale=scale).state_dict()
    assert len(found) == expected.pop("tensors")
    assert {key: list(found[key].shape) for key in expected} == expected


@pytest.mark.parametrize("scale", [1, 2])
def test_equal_frames_give_one_picture_however_many_there_are(scale: int) -> None:
    """Above scale 2 they do not: the stem looks at the neighbours' sum, which grows with their number."""
    network, frame = random_tfdat(replace(SMALL, scale=scale)).double(), torch.rand(3, 13, 18).double()
    pictures = [network(frame.expand(1, t, *frame.shape)) for t in (3, 5, 7)]
    for picture in pictures[1:]:
        torch.testing.assert_close(picture, pictures[0], rtol=0, atol=1e-12)


def _still(network: TFDAT) -> TFDAT:
    """Let nothing move."""
    for parameter in network.flow_net.flow_pred.parameters():
        parameter.zero_()
    return network


def test_the_order_of_neighbours_does_not_matter_and_which_is_the_centre_does() -> None:
    network = random_tfdat().double()
    frames = torch.rand(1, 5, 3, 16, 24).double()
    picture = network(frames)
    torch.testing.assert_close(network(frames[:, [4, 3, 2, 1, 0]]), picture, rtol=0, atol=1e-12)
    assert (network(frames[:, [0, 2, 1, 3, 4]]) - picture).abs().max() > 1e-3


def test_a_neighbour_is_moved_by_its_flow() -> None:
    """The flow says where in the neighbour the centre's pixel is: here 2 to the right and 1 up, clamped."""
    network = _still(random_tfdat())
    network.flow_net.flow_pred.bias.copy_(torch.tensor([2.0, -1.0]) / 8)
    neighbour = torch.rand(1, 3, 16, 24)
    pair = network.align(torch.stack((neighbour, torch.rand(1, 3, 16, 24), neighbour), dim=1))
    rows, columns = (torch.arange(16) - 1).clamp(min=0), (torch.arange(24) + 2).clamp(max=23)
    torch.testing.assert_close(pair[:, 1], neighbour[:, :, rows][..., columns], rtol=0, atol=1e-5)


def test_the_body_is_fdats() -> None:
    """By name and shape, so that FDAT's weights are a start; only unshuffle models' first convolution is renamed."""
    ours = published.shapes(TFDAT(SMALL).state_dict())
    fdats = published.shapes(
        FDAT(FDATConfig(**{k: v for k, v in vars(SMALL).items() if k != "flow_base_ch"})).state_dict()
    )
    assert {key.replace("conv_first.1.", "conv_first."): shape for key, shape in fdats.items()}.items() <= ours.items()


def test_every_parameter_learns_but_the_gates_that_no_block_uses() -> None:
    network = random_tfdat().requires_grad_(True).train()
    network(torch.rand(2, 3, 3, 12, 9)).square().mean().backward()
    idle = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert idle == {
        "groups.0.blocks.0.inter.sg.0.weight",
        "groups.0.blocks.1.inter.cg.1.weight",
        "groups.0.blocks.1.inter.cg.3.weight",
    }
    assert all(p.grad.abs().max() > 0 for p in network.parameters() if p.grad is not None)


def _flows(network: TFDAT) -> list[Tensor]:
    seen: list[Tensor] = []
    network.flow_net.register_forward_hook(lambda module, given, flow: seen.append(flow))
    return seen


def test_flow_stays_in_full_under_autocast() -> None:
    network = random_tfdat()
    flows, frames = _flows(network), torch.rand(1, 3, 3, 16, 16)
    plain = network(frames)
    with torch.autocast("cpu", torch.bfloat16):
        low = network(frames)
    assert torch.equal(flows[0], flows[1])
    assert not torch.equal(plain, low)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_number_of_frames_without_a_middle_or_neighbours(count: int) -> None:
    with pytest.raises(ValueError) as caught:
        random_tfdat()(torch.rand(1, count, 3, 8, 8))
    assert str(caught.value) == f"TFDAT looks at an odd number of frames, at least 3, passed {count}"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"num_in_ch": 1}, "num_in_ch and num_out_ch must be 3 in TFDAT, passed 1 and 3"),
        ({"unshuffle_mod": False}, "unshuffle_mod must be True in TFDAT, passed False"),
        ({"flow_base_ch": 0}, "flow_base_ch must be at least 1, passed 0"),
    ],
)
def test_wrong_hyper_parameters(overrides: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        TFDAT(**overrides)
    assert str(caught.value) == message
