"""What needs no GPU of CUDA graphs: when to record, to replay, to leave it. The rest is in tests.bench.gpu."""

import gc
import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tests.random_weights import random_network
from vsfdat.arch import FDATConfig
from vsfdat.engine import graphs, runner
from vsfdat.engine.graphs import Graphed, Recordable
from vsfdat.engine.guard import Guarded
from vsfdat.engine.plan import Plan
from vsfdat.engine.tiles import Fitting, Room
from vsfdat.notices import Once
from vsfdat.ops import REFERENCE, Backend, reference

FRAME, WIDER = torch.rand(3, 4, 5), torch.rand(3, 4, 6)
CPU = torch.device("cpu")
RECORDABLE = Backend("as if on a GPU", reference, cuts_itself=True, recordable=True)


class Doubling:
    """An engine that claims to be on CUDA and counts its calls."""

    scale = 1
    repeats_itself = True

    def __init__(self, device: str = "cuda:0", largest: int = 10**9) -> None:
        self.device = torch.device(device)
        self.largest = largest
        self.calls = 0

    def __call__(self, frame):
        self.calls += 1
        if frame[0].numel() > self.largest:
            raise torch.OutOfMemoryError("no room")
        return frame * 2

    def repeat(self, frame):
        return frame * 2


class FakeGraph:
    """Does on replay what the engine did when recorded."""

    def __init__(self, engine, frame, picture):
        self.replay = lambda: picture.copy_(engine.repeat(frame))


@pytest.fixture
def events(monkeypatch):
    """Record without CUDA; the list tells the shapes recorded, and when memory was given back."""
    told = []

    def record(engine, frame):
        told.append(tuple(frame.shape))
        static = frame.clone()
        picture = torch.zeros_like(engine.repeat(static))
        return graphs.Recorded(FakeGraph(engine, static, picture), static, picture)

    monkeypatch.setattr(graphs, "record", record)
    monkeypatch.setattr(graphs, "give_back", lambda device: told.append(str(device)))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    return told


def graphed(engine) -> Graphed:
    return Graphed(engine, Once(logging.getLogger("test")))


def test_replays_every_frame_but_runs_the_first_of_a_size_before(events):
    engine = Doubling()
    upscale = graphed(engine)
    for frame in (FRAME, FRAME + 1, FRAME + 2):
        assert torch.equal(upscale(frame), frame * 2)
    assert events == [(3, 4, 5), "cuda:0"]
    assert engine.calls == 1


def test_another_size_is_recorded_anew_when_the_first_graphs_memory_is_back(events):
    upscale = graphed(Doubling())
    for frame in (FRAME, FRAME, WIDER, WIDER, FRAME):
        assert torch.equal(upscale(frame), frame * 2)
    assert events == [(3, 4, 5), "cuda:0", "cuda:0", (3, 4, 6), "cuda:0", "cuda:0", (3, 4, 5), "cuda:0"]


def test_nothing_is_kept_of_a_graph_that_another_size_replaced(events):
    upscale = graphed(Doubling())
    upscale(FRAME)
    gone = weakref.ref(upscale._work)
    gc.disable()  # memory on a GPU cannot wait for the collector
    try:
        upscale(WIDER)
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_leaves_other_devices_alone(events, device):
    engine = Doubling(device)
    upscale = graphed(engine)
    for _ in range(2):
        assert torch.equal(upscale(FRAME), FRAME * 2)
    assert events == []
    assert engine.calls == 2


def test_leaves_engines_alone_that_cannot_tell(events):
    class Plain:
        device, scale = torch.device("cuda:0"), 1

        def __call__(self, frame):
            return frame * 2

    assert torch.equal(graphed(Plain())(FRAME), FRAME * 2)
    assert events == []


def test_leaves_a_plan_alone_that_does_not_repeat_itself(events):
    engine = Doubling()
    engine.repeats_itself = False
    upscale = graphed(engine)
    for _ in range(3):
        assert torch.equal(upscale(FRAME), FRAME * 2)
    assert events == []
    assert engine.calls == 3


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("operation not permitted when stream is capturing\nCUDA kernel errors might be ..."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 96 MiB."),
    ],
    ids=["cannot", "no room"],
)
def test_what_cannot_be_recorded_runs_as_before_and_is_said_once(events, monkeypatch, caplog, error):
    kept = []

    def refuse(engine, frame):
        leftover = torch.ones(5)
        kept.append(weakref.ref(leftover))
        raise error

    def give_back(device):
        events.append(str(device))
        error.__traceback__ = None  # the parametrisation holds the error, as nobody else does
        assert kept[-1]() is None, "given back while the attempt still held memory"

    monkeypatch.setattr(graphs, "record", refuse)
    monkeypatch.setattr(graphs, "give_back", give_back)
    engine = Doubling()
    upscale = graphed(engine)
    for frame in (FRAME, FRAME, WIDER):
        assert torch.equal(upscale(frame), frame * 2)
    assert engine.calls == 4  # the first frame again, and nothing is tried with another size
    assert events == ["cuda:0"]
    assert [record.getMessage() for record in caplog.records] == [
        f"CUDA graphs are off, frames run as single launches: {str(error).splitlines()[0]}"
    ]


def test_one_slot_at_a_time_settles_and_all_replay_together(events):
    busy, together = threading.Lock(), threading.Barrier(3)

    class Alone(Doubling):
        def __call__(self, frame):
            assert busy.acquire(blocking=False), "two slots looked for their plans at once"
            try:
                threading.Event().wait(0.01)
                return super().__call__(frame)
            finally:
                busy.release()

    class Together(graphs.Recorded):
        def __call__(self, frame):
            together.wait(timeout=20)
            return super().__call__(frame)

    slots = [graphed(Alone()) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda slot: slot(FRAME), slots))
        for slot in slots:
            slot._work.__class__ = Together
        list(threads.map(lambda slot: slot(FRAME), slots))  # a barrier that is not filled raises


# Under what `slots` puts around it


def test_tiles_of_a_frame_are_replays_of_one_graph(events):
    engine = Doubling(largest=16 * 16)
    upscale = Fitting(graphed(engine), Room(None, overlap=4, multiple=8))
    upscale._engine._engine.device = CPU  # where the tiles are put together
    frame = torch.rand(3, 32, 40)
    torch.testing.assert_close(upscale(frame), frame * 2)
    torch.testing.assert_close(upscale(frame), frame * 2)
    tried = engine.calls
    torch.testing.assert_close(upscale(frame), frame * 2)
    assert engine.calls == tried
    assert [event for event in events if isinstance(event, tuple)] == [(3, 16, 16)]


def test_a_frame_that_low_precision_cannot_hold_is_run_in_fp32_beside_the_graph(events):
    class Overflowing(Doubling):
        def repeat(self, frame):
            return frame * 2 / (frame < 5)

    upscale = Guarded(graphed(Overflowing()), lambda: Doubling("cpu"), Once(logging.getLogger("test")))
    for frame in (FRAME, FRAME + 9, FRAME):
        assert torch.equal(upscale(frame), frame * 2)
    assert events == [(3, 4, 5), "cuda:0"]


# The exact engine's part


def exact(plan: Plan, backend: Backend = RECORDABLE, **overrides: object) -> runner.ExactEngine:
    config = {"embed_dim": 24, "num_groups": 1, "depth_per_group": 1, "num_heads": 3, "scale": 2, "mid_dim": 16}
    network = random_network(FDATConfig(**(config | overrides)))
    return runner.build(network, CPU, torch.float32, backend=backend, plan=plan)()


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (exact(Plan(8)), True),
        (exact(Plan(8), unshuffle_mod=True), True),
        (exact(Plan(8), upsampler_type="pixelshuffle"), True),
        (exact(Plan(8), REFERENCE), False),
        (exact(Plan(8, host_maps=True)), False),
        (exact(Plan(8), upsampler_type="dysample"), False),
        (exact(Plan(8), upsampler_type="lda"), False),
    ],
    ids=["plain", "unshuffle", "pixelshuffle", "torch ops", "host maps", "dysample", "lda"],
)
def test_which_exact_engines_repeat_themselves(engine, expected):
    assert isinstance(engine, Recordable)
    engine(torch.rand(3, 8, 9))  # settles the plan
    assert engine.repeats_itself is expected


def test_an_exact_engine_repeats_in_the_same_maps_and_gives_the_same_bits():
    engine = exact(Plan(8))
    frame = torch.rand(3, 20, 30)
    picture, maps = engine(frame), [each.data_ptr() for each in engine._maps]
    assert torch.equal(engine.repeat(frame), picture)
    assert [each.data_ptr() for each in engine._maps] == maps


def test_repeating_without_room_leaves_plan_and_maps_as_they_are(monkeypatch):
    engine = exact(Plan(8))
    frame = torch.rand(3, 20, 30)
    engine(frame)
    maps = engine._maps

    def refuse(*arguments):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(runner, "convolve", refuse)
    with pytest.raises(torch.OutOfMemoryError):
        engine.repeat(frame)
    assert engine._plan == Plan(8)
    assert engine._maps is maps
