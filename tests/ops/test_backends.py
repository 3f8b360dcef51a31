"""The question that all backends answer, and what is chosen by the answers."""

import inspect
import logging
from types import ModuleType

import pytest
import torch

from tests.ops.kernel_cases import SHAPES
from vsfdat import ops
from vsfdat.ops import PackingOps, choose, cuda, interface, native, reference, triton

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
MEDIUM = SHAPES["fdat_medium"].network
BACKENDS = {"cuda": cuda, "triton": triton, "native": native}
OPS = [name for name in vars(interface.Ops) if not name.startswith("_")]
PACKS = [name for name in vars(PackingOps) if not name.startswith("_")]


def answering(monkeypatch: pytest.MonkeyPatch, **answers: str | None) -> None:
    kernels = [
        (kind, title, lambda *_, name=backend.name: answers[name], backend) for kind, title, _, backend in ops._KERNELS
    ]
    monkeypatch.setattr(ops, "_KERNELS", kernels)


@pytest.mark.parametrize(
    ("device", "answers", "chosen"),
    [
        (GPU, {"cuda": None, "triton": None}, "cuda"),
        (GPU, {"cuda": "they are too large", "triton": None}, "triton"),
        (GPU, {"cuda": "they are too large", "triton": "they are too new"}, "torch"),
        (CPU, {"native": None}, "native"),
        (CPU, {"native": "there is no compiler"}, "torch"),
        (torch.device("mps"), {}, "torch"),
    ],
)
def test_the_first_that_knows_no_obstacle_is_chosen(
    device: torch.device, answers: dict[str, str | None], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, **answers)
    assert choose(device, torch.float16, MEDIUM).name == chosen


def test_what_is_not_used_is_said_louder_where_something_can_be_done(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answering(monkeypatch, cuda="they are too large", triton="they are too new", native="there is no compiler")
    with caplog.at_level(logging.INFO):
        choose(GPU, torch.float16, MEDIUM)
        choose(CPU, torch.float16, MEDIUM)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "The CUDA C++ kernels are not used, and upscaling is slower for it: they are too large"),
        ("INFO", "The Triton kernels are not used, and upscaling is slower for it: they are too new"),
        ("WARNING", "The C++ kernels are not used, and upscaling is slower for it: there is no compiler"),
    ]


def test_an_op_without_a_kernel_is_plain_torchs() -> None:
    kernels = ModuleType("kernels")
    kernels.ffn = lambda *_: "a kernel's"
    completed = ops._completed(kernels)
    assert completed.ffn() == "a kernel's"
    assert completed.conv3x3 is reference.conv3x3
    with pytest.raises(AttributeError, match="has no attribute 'conv5x5'"):
        completed.conv5x5  # noqa: B018


@pytest.mark.parametrize("backend", BACKENDS)
def test_ops_are_called_alike_in_every_backend(backend: str) -> None:
    if backend == "triton":
        pytest.importorskip("triton", reason="Triton is not installed: there are no kernels to ask")
    kernels = {name: getattr(BACKENDS[backend], name, None) for name in [*OPS, *PACKS]}
    assert kernels["ffn"] is not None
    for name, kernel in kernels.items():
        if kernel is not None:  # what a pack has besides are settings for experiments, which have defaults
            parameters = inspect.signature(kernel).parameters.values()
            required = [each.name for each in parameters if each.default is inspect.Parameter.empty]
            assert required == list(inspect.signature(getattr(reference, name)).parameters), name


def test_the_interface_is_what_plain_torch_says() -> None:
    for protocol, names in ((interface.Ops, OPS), (PackingOps, PACKS)):
        for name in names:
            _, *parameters = inspect.signature(getattr(protocol, name)).parameters
            assert parameters == list(inspect.signature(getattr(reference, name)).parameters), name
