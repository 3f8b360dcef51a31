"""What needs no GPU of CUDA graphs: when to record, to replay, to leave it. The rest is in tests.bench.gpu."""

import logging

import pytest
import torch

from vsfdat.engine import graphs
from vsfdat.engine.graphs import Graphed
from vsfdat.notices import Once

FRAME, WIDER = torch.rand(3, 4, 5), torch.rand(3, 4, 6)


class Doubling:
    """An engine that claims to be on CUDA and counts its calls."""

    scale = 1

    def __init__(self, device: str = "cuda:0") -> None:
        self.device = torch.device(device)
        self.calls = 0

    def __call__(self, frame):
        self.calls += 1
        return frame * 2


class FakeGraph:
    """Does on replay what the engine did when recorded."""

    def __init__(self, engine, frame, picture):
        self.replay = lambda: picture.copy_(frame * 2)


@pytest.fixture
def recordings(monkeypatch):
    """Record without CUDA; the list holds the shapes."""
    shapes = []

    def record(engine, frame):
        shapes.append(tuple(frame.shape))
        static, picture = frame.clone(), torch.empty_like(frame)
        return graphs.Recorded(FakeGraph(engine, static, picture), static, picture)

    monkeypatch.setattr(graphs, "record", record)
    return shapes


def graphed(engine) -> Graphed:
    return Graphed(engine, Once(logging.getLogger("test")))


def test_replays_from_the_second_frame_on(recordings):
    engine = Doubling()
    upscale = graphed(engine)
    for frame in (FRAME, FRAME + 1, FRAME + 2):
        assert torch.equal(upscale(frame), frame * 2)
    assert recordings == [(3, 4, 5)]
    assert engine.calls == 1


def test_records_anew_for_another_size(recordings):
    upscale = graphed(Doubling())
    for frame in (FRAME, FRAME, WIDER, WIDER, FRAME):
        assert torch.equal(upscale(frame), frame * 2)
    assert recordings == [(3, 4, 5), (3, 4, 6), (3, 4, 5)]


def test_leaves_other_devices_alone(recordings):
    engine = Doubling("cpu")
    upscale = graphed(engine)
    assert torch.equal(upscale(FRAME), FRAME * 2)
    assert torch.equal(upscale(FRAME), FRAME * 2)
    assert recordings == []
    assert engine.calls == 2


def test_what_cannot_be_recorded_runs_as_before_and_is_said_once(monkeypatch, caplog):
    def refuse(engine, frame):
        raise RuntimeError("operation not permitted when stream is capturing\nCUDA kernel errors might be ...")

    monkeypatch.setattr(graphs, "record", refuse)
    engine = Doubling()
    upscale = graphed(engine)
    for _ in range(3):
        assert torch.equal(upscale(FRAME), FRAME * 2)
    assert engine.calls == 3
    assert [record.getMessage() for record in caplog.records] == [
        "CUDA graphs are off, frames run as single launches: operation not permitted when stream is capturing"
    ]
