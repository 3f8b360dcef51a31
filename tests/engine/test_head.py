"""Every reconstruction head in strips: the picture that it gives of the whole map."""

from dataclasses import replace

import pytest
import torch

from tests.engine.truth import ALL_ROWS, SMALL, STRIP_ROWS, Truth, best, build
from tests.fast_loop import parametrize
from tests.random_weights import random_network
from vsfdat.arch.config import UPSAMPLER_SCALES
from vsfdat.engine.plan import Plan
from vsfdat.ops import REFERENCE

PLAIN = [(head, scale, False) for head, scales in UPSAMPLER_SCALES.items() for scale in scales]
UNSHUFFLED = [(head, scale, True) for head in UPSAMPLER_SCALES if head != "conv" for scale in (1, 2)]


@pytest.mark.slow
@parametrize(
    ("head", "scale", "unshuffle_mod"),
    PLAIN + UNSHUFFLED,
    quick=[("conv", 1, False), *(case for case in UNSHUFFLED if case[1] == 2)],
)
def test_every_head(head: str, scale: int, unshuffle_mod: bool) -> None:
    base = replace(SMALL, num_groups=1, unshuffle_mod=unshuffle_mod)
    network = random_network(replace(base, upsampler_type=head, scale=scale))
    frame = torch.rand(3, 83, 11)  # tall enough for the head to be cut, at half the rows too
    truth = Truth(network, frame)
    for backend in (REFERENCE, best(torch.float32)):
        for rows in STRIP_ROWS:
            truth.check(build(network, Plan(rows), backend)(frame), (backend.name, rows))


@pytest.mark.slow
@parametrize("dtype", [torch.bfloat16, torch.float16], quick=[torch.bfloat16])
def test_a_head_of_two_doublings_in_low_precision(dtype: torch.dtype) -> None:
    """No embedded model ends in one."""
    network = random_network(replace(SMALL, upsampler_type="transpose+conv", scale=4))
    frame = torch.rand(3, 83, 11)
    truth = Truth(network, frame, dtype)
    for rows in (8, ALL_ROWS):
        truth.check(build(network, Plan(rows), best(dtype), dtype)(frame), rows)
