"""What a slot runs: everything around the engine, in its order, for clips and benchmarks alike."""

import types
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.stand_ins import Enlarger, tiny_fdat
from vsfdat import plugin
from vsfdat.bench import contestants
from vsfdat.engine import graphs, slots
from vsfdat.engine.slots import build_slot
from vsfdat.options import UpscaleOptions

CPU = torch.device("cpu")
TINY = tiny_fdat()


def test_slots_are_counted_over_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [torch.device("cuda:0"), torch.device("cuda:1"), CPU]
    monkeypatch.setattr(slots, "find_devices", lambda wanted: places)
    assert plugin.count_slots() == 2 + 2 + 1
    assert plugin.count_slots(num_streams=3) == 9


def test_as_many_are_built_as_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [torch.device("cuda:0"), CPU]
    monkeypatch.setattr(slots, "find_devices", lambda wanted: places)
    monkeypatch.setattr(slots, "build", lambda module, *, device, **_: lambda: Enlarger(device=device))
    built = slots.build_slots(TINY, UpscaleOptions(device=["cuda:0", "cpu"]))
    assert [engine.device for engine in built] == [places[0], places[0], CPU]
    assert len(slots.build_slots(TINY, UpscaleOptions(num_streams=3))) == slots.count_slots(num_streams=3)


def test_on_cuda_a_slot_replays_a_graph_and_the_fp32_retry_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = []

    class OnCuda(Enlarger):
        repeats_itself = True
        repeat = Enlarger.__call__

    def record(engine: OnCuda, frame: Tensor) -> graphs.Recorded:
        recorded.append(engine)
        graph = types.SimpleNamespace(replay=lambda: None)
        return graphs.Recorded(graph, frame.clone(), engine.repeat(frame) / frame.max())

    monkeypatch.setattr(graphs, "record", record)
    monkeypatch.setattr(graphs, "give_back", lambda device: None)
    made = {"fp16": OnCuda(device=torch.device("cuda:0")), "fp32": OnCuda(device=torch.device("cuda:0"))}
    monkeypatch.setattr(slots, "build", lambda module, *, precision, **_: lambda: made[precision])
    make_slot = build_slot(TINY, torch.device("cuda:0"))
    slot = make_slot()
    assert slot(torch.ones(3, 4, 4)).isfinite().all()
    assert recorded == [made["fp16"]]
    slot = make_slot()
    assert (slot(torch.zeros(3, 4, 4)) == 0).all()  # 0 / 0 came from the graph
    assert recorded == [made["fp16"]] * 2


class OutOfMemory(Enlarger):
    def __call__(self, frame: Tensor) -> Tensor:
        if frame.shape[1] > 8:
            raise torch.OutOfMemoryError("no room")
        return super().__call__(frame)


@pytest.mark.parametrize("engine", [Enlarger(), OutOfMemory()], ids=["whole", "in tiles"])
def test_one_channel_runs_on_each_plane_whole_or_in_tiles(engine: Enlarger, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def one_channel(frame: Tensor) -> Tensor:
        seen.append(len(frame))
        return engine(frame)

    one_channel.device, one_channel.scale = CPU, 2
    monkeypatch.setattr(slots, "build", lambda module, **_: lambda: one_channel)
    frame = torch.rand(3, 16, 8)
    torch.testing.assert_close(build_slot(tiny_fdat(channels=1), CPU)()(frame), Enlarger()(frame))
    assert set(seen) == {1}


def test_the_benchmark_times_what_a_slot_of_a_clip_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Overflowing(Enlarger):
        def __call__(self, frame: Tensor) -> Tensor:
            return super().__call__(frame) * torch.inf

    made = {"fp16": Overflowing(), "fp32": Enlarger()}
    monkeypatch.setattr(slots, "build", lambda module, *, precision, **_: lambda: made[precision])
    run = contestants.ours(contestants.Task(TINY, 8, 8, "fp16", CPU, tmp_path))
    assert torch.equal(run.upscale(torch.ones(3, 8, 8)), torch.ones(3, 16, 16))
