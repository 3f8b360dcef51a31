import pytest
import torch

from vsfdat.engine import choose_precision, device, find_devices
from vsfdat.engine.device import await_work, is_full


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_here", lambda: ["cuda:0", "cuda:1", "cpu"])


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("auto", ["cuda:0"]),
        ("cuda", ["cuda:0"]),
        ("cuda:1", ["cuda:1"]),
        ("cpu", ["cpu"]),
        ("cpu:0", ["cpu"]),
        (["cuda:0", "cuda:1"], ["cuda:0", "cuda:1"]),
        ("cuda:0, cuda:1,cpu", ["cuda:0", "cuda:1", "cpu"]),
        (("cpu", "cpu"), ["cpu", "cpu"]),
    ],
)
def test_names_become_devices(wanted: str | list[str], found: list[str]) -> None:
    assert [str(place) for place in find_devices(wanted)] == found


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("gpu", "device must be one of auto, cuda:0, cuda:1, cpu, passed 'gpu'"),
        ("cuda:2", "device 'cuda:2' is not here, use one of auto, cuda:0, cuda:1, cpu"),
        ("mps", "device 'mps' is not here, use one of auto, cuda:0, cuda:1, cpu"),
        ([], "device must be a name or a list of names, passed []"),
        ([0], "device must be a name or a list of names, passed [0]"),
        (0, "device must be a name or a list of names, passed 0"),
    ],
)
def test_what_is_not_here_is_named(wanted: object, sentence: str) -> None:
    with pytest.raises(ValueError, match="device") as caught:
        find_devices(wanted)
    assert str(caught.value) == sentence


def test_this_machine_has_a_cpu() -> None:
    assert find_devices("cpu") == [torch.device("cpu")]
    assert len(find_devices("auto")) == 1


@pytest.mark.parametrize(
    ("wanted", "place", "chosen"),
    [
        ("auto", "cpu", "fp32"),
        ("auto", "cuda", "fp16"),
        ("auto", "mps", "fp32"),
        ("bf16", "cpu", "bf16"),
        ("fp32", "cuda", "fp32"),
    ],
)
def test_precision_is_settled_for_each_device(wanted: str, place: str, chosen: str) -> None:
    assert choose_precision(wanted, torch.device(place)) == chosen


def test_an_unknown_precision_is_named() -> None:
    with pytest.raises(ValueError, match="precision") as caught:
        choose_precision("half", torch.device("cpu"))
    assert str(caught.value) == "precision must be one of auto, fp32, fp16, bf16, passed 'half'"


def test_waiting_for_a_gpu_sleeps(monkeypatch):
    steps = []

    class Event:
        def __init__(self, blocking):
            steps.append(blocking)

        def record(self, stream):
            steps.append(stream)

        def synchronize(self):
            steps.append("slept")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    await_work(torch.device("cpu"))
    assert steps == []
    await_work(torch.device("cuda:1"))
    assert steps == [True, "stream of cuda:1", "slept"]


def test_running_out_of_memory_has_many_names():
    assert is_full(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"))
    assert is_full(RuntimeError("CUDA error: out of memory"))
    assert is_full(RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    assert not is_full(RuntimeError("CUDA error: an illegal memory access was encountered"))
