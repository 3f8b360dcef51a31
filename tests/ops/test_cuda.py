"""Which GPUs and networks the CUDA C++ kernels are for."""

from types import SimpleNamespace

import pytest
import torch

from tests.ops.kernel_cases import SHAPES
from vsfdat.ops import NetworkShape, cuda
from vsfdat.ops.cuda import build

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
MEDIUM, LARGE = SHAPES["fdat_medium"].network, SHAPES["fdat_large"].network


@pytest.mark.parametrize(
    ("network", "dtype", "capability", "kibibytes", "obstacle"),
    [
        (MEDIUM, torch.float16, (8, 9), 99, None),
        (LARGE, torch.float16, (8, 9), 99, "KiB of shared memory for 180 channels, cuda:0 has 99"),
        (MEDIUM, torch.float16, (8, 0), 163, None),
        (NetworkShape(96, 3, 144, 8), torch.bfloat16, (8, 9), 99, None),
        (MEDIUM, torch.float32, (9, 0), 227, "they compute in half precision, not in torch.float32"),
        (MEDIUM, torch.float16, (7, 5), 64, "they need compute capability 8.0 or newer, cuda:0 has 7.5"),
        (NetworkShape(120, 2, 240, 8), torch.float16, (9, 0), 227, "heads of at most 32 channels"),
        (NetworkShape(120, 4, 240, 12), torch.float16, (9, 0), 227, "they are for windows of 8"),
    ],
)
def test_the_gpu_and_the_network_decide(monkeypatch, network, dtype, capability, kibibytes, obstacle):
    facts = SimpleNamespace(shared_memory_per_block_optin=kibibytes << 10)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: facts)
    monkeypatch.setattr(build, "load", lambda *_: SimpleNamespace(load=lambda: None))
    found = cuda.why_not(GPU, dtype, network)
    assert found is None if obstacle is None else obstacle in found


def test_without_a_cuda_device_the_reason_is_said():
    assert cuda.why_not(CPU, torch.float16, MEDIUM) == "they are for CUDA devices, this is cpu"
