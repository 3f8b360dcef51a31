"""Each fold against the plain algebra, in float64: they are exact, not approximations."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsfdat.arch import FDAT
from vsfdat.arch.fdat import FastChannelAttention, FastSpatialWindowAttention, SimplifiedAIM
from vsfdat.engine import fold

C, HEADS, PIXELS = 24, 3, 70


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def rand(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def assert_equal(ours: Tensor, truth: Tensor) -> None:
    torch.testing.assert_close(ours, truth, rtol=1e-11, atol=1e-12)


def test_scale_into_q() -> None:
    attention = FastSpatialWindowAttention(C, 4, HEADS, qkv_bias=True).double().requires_grad_(False)
    n = rand(16, C)
    q, k, _ = attention.qkv(n).chunk(3, dim=-1)
    folded = F.linear(n, fold.scale_into_q(attention.qkv.weight, 8), fold.scale_into_q(attention.qkv.bias, 8))
    scaled_q, same_k, _ = folded.chunk(3, dim=-1)
    assert_equal(scaled_q @ same_k.T, attention.scale * q @ k.T)


def test_channel_gate() -> None:
    aim = SimplifiedAIM(C, 8).double()
    branch = rand(1, C, 5, 7)
    gate = fold.channel_gate(branch.mean(dim=(0, 2, 3)), aim.cg[1].weight.flatten(1), aim.cg[3].weight.flatten(1))
    assert_equal(gate, aim.cg(branch).flatten())


def test_gate_into_projection() -> None:
    gate, weight, bias, attended = rand(C), rand(C, C), rand(C), rand(PIXELS, C)
    folded = F.linear(attended, *fold.gate_into_projection(gate, weight, bias))
    assert_equal(folded, gate * F.linear(attended, weight, bias))


@pytest.mark.parametrize("qkv_bias", [False, True])
def test_channel_attention_into_matrix(qkv_bias: bool) -> None:
    attention = FastChannelAttention(C, HEADS, qkv_bias).double().requires_grad_(False)
    for parameter in attention.parameters():
        parameter.copy_(rand(*parameter.shape))
    n = rand(1, 7, 10, C)
    pixels = n.view(-1, C)
    matrix, bias = fold.channel_attention_into_matrix(
        pixels.T @ pixels,
        pixels.sum(dim=0),
        len(pixels),
        attention.qkv.weight,
        attention.qkv.bias,
        attention.temp.flatten(),
        attention.proj.weight,
        attention.proj.bias,
    )
    assert_equal(F.linear(n, matrix, bias), attention(n))


def test_channel_attention_of_nothing_is_finite() -> None:
    """A black frame through a norm without bias gives zeros, whose directions torch defines as zero."""
    attention = FastChannelAttention(C, HEADS, qkv_bias=False).double().requires_grad_(False)
    n = torch.zeros(1, 2, 2, C, dtype=torch.float64)
    matrix, bias = fold.channel_attention_into_matrix(
        torch.zeros(C, C, dtype=torch.float64), torch.zeros(C, dtype=torch.float64), 4, attention.qkv.weight, None,
        attention.temp.flatten(), attention.proj.weight, attention.proj.bias,
    )  # fmt: skip
    assert_equal(F.linear(n, matrix, bias), attention(n))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_doubling_into_convolution(size: tuple[int, int]) -> None:
    head = FDAT(scale=2, embed_dim=C, num_heads=HEADS, num_groups=1, depth_per_group=1).double().upsampler[0]
    x = rand(1, C, *size)
    weight, bias = fold.doubling_into_convolution(head.weight, head.bias)
    assert_equal(F.pixel_shuffle(F.conv2d(x, weight, bias, padding=1), 2), head(x))


def test_fusion_into_convolution() -> None:
    conv, mix = nn.Conv2d(3, C, 3, padding=1).double(), nn.Conv2d(2 * C, C, 1).double()
    centre, average = torch.rand(2, 1, 3, 7, 9, dtype=torch.float64)
    expected = mix(torch.cat((conv(centre), conv(average)), dim=1))
    weight, bias = fold.fusion_into_convolution(conv.weight, conv.bias, mix.weight.flatten(1), mix.bias)
    made = F.conv2d(torch.cat((centre, average), dim=1), weight, bias, padding=1)
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-12)
