"""The exact engine on the Triton kernels, a whole network through the interpreter."""

import torch

from vsfdat.arch import FDAT, FDATConfig
from vsfdat.engine import runner
from vsfdat.ops import Backend, triton

BACKEND = Backend("triton", triton, cuts_itself=True)


def test_equals_the_plain_module():
    torch.manual_seed(0)
    config = FDATConfig(embed_dim=24, num_groups=1, depth_per_group=1, num_heads=2, scale=2, qkv_bias=True)
    module = FDAT(config).eval()
    frame = torch.rand(3, 7, 10)
    with torch.inference_mode():
        truth = module.double()(frame[None].double())[0]
        engine = runner.build(module.float(), torch.device("cpu"), torch.float32, backend=BACKEND)()
        assert (engine(frame) - truth).abs().max() < 1e-5 * truth.abs().max()
