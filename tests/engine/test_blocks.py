"""A block on folded weights is the module's block, whatever the strips."""

import copy

import pytest
import torch

from tests.random_weights import random_network
from vsfdat.arch import FDATConfig
from vsfdat.engine import runner
from vsfdat.engine.blocks import convolve, fold_block
from vsfdat.ops import reference

CPU = torch.device("cpu")
HEIGHT, WIDTH = 21, 13


@pytest.mark.parametrize("qkv_bias", [False, True])
@pytest.mark.parametrize("rows", [8, 24])
@pytest.mark.parametrize("kind", ["spatial", "channel"])
def test_attention_and_ffn_are_the_modules(kind: str, rows: int, qkv_bias: bool) -> None:
    config = FDATConfig(
        embed_dim=24, num_groups=1, depth_per_group=1, num_heads=3, scale=2, qkv_bias=qkv_bias,
        group_block_pattern=[kind],
    )  # fmt: skip
    module = copy.deepcopy(runner._blocks(random_network(config), 0)[0]).double()
    block = fold_block(module, reference, CPU, torch.float64)
    x = torch.randn(HEIGHT, WIDTH, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    attended, made = (torch.full_like(x, torch.nan) for _ in range(2))
    strips = [(start, min(start + rows, HEIGHT)) for start in range(0, HEIGHT, rows)]
    with torch.inference_mode():
        block.attend(reference, x, attended, strips)
        block.feed_forward(reference, attended, made, strips)
        expected = module(x[None])[0]
    # The reduce passes sum in fp32, whatever the maps are made of.
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)


def test_a_convolution_may_add_to_its_own_output() -> None:
    weights = reference.pack_conv(torch.randn(5, 3, 3, 3), torch.randn(5))
    x, residual = torch.randn(9, 4, 3), torch.randn(9, 4, 5)
    expected = torch.empty_like(residual)
    convolve(reference, x, expected, weights, residual, [(0, 9)])
    out = residual.clone()
    convolve(reference, x, out, weights, out, [(0, 8), (8, 9)])
    torch.testing.assert_close(out, expected)
