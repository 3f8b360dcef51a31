"""Frames asked for, copied and encoded side by side, and what is left when one of these fails."""

import threading
import time

import pytest
import vapoursynth as vs

from vsfdat.encode import Settings, work
from vsfdat.encode.makers import pump
from vsfdat.encode.pace import Busy, Pace
from vsfdat.options import UpscaleOptions

BLANK = vs.core.std.BlankClip(length=40, width=8, height=8)


@pytest.mark.parametrize(("num_streams", "under_way"), [(1, 2), (2, 3)])
def test_interrupting_slow_frames_waits_for_few_of_them(monkeypatch, num_streams: int, under_way: int) -> None:
    """On a machine of many cores, where there would be a frame of many seconds for each of them."""
    monkeypatch.setattr(pump, "_SECONDS_AHEAD", 0)
    monkeypatch.setattr(vs.core, "num_threads", 16)
    settings = Settings(upscale=UpscaleOptions(device="cpu", num_streams=num_streams))
    clip, asked = counted()
    stop = threading.Event()
    frames = pump.ask(clip, work._least_ahead(settings), stop, Busy())
    next(frames)
    stop.set()
    assert len(list(frames)) == under_way
    assert sorted(asked) == list(range(1 + under_way))


def test_quick_frames_keep_every_thread_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vs.core, "num_threads", 8)
    stop = threading.Event()
    frames = pump.ask(BLANK, 2, stop, Busy())
    for _ in range(20):
        next(frames)
    stop.set()
    assert len(list(frames)) == 8


def test_frames_are_asked_for_while_the_encoder_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a network would rest whenever the encoder thinks: here its first picture takes until others have come."""
    monkeypatch.setattr(vs.core, "num_threads", 1)
    clip, asked = counted()
    wanted = 2 + pump.PICTURES_AHEAD
    came = []

    def write(picture: int) -> None:
        deadline = time.monotonic() + 10
        while len(asked) < wanted and time.monotonic() < deadline:
            time.sleep(0.001)
        came.append((picture, len(asked)))

    write_all(clip, Stub(write), 1, threading.Event())
    assert came[0][1] >= wanted
    assert [picture for picture, _ in came] == list(range(40))


def test_only_few_pictures_wait_for_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or memory would fill up with them."""
    monkeypatch.setattr(vs.core, "num_threads", 1)
    stub = Stub(lambda picture: time.sleep(0.002))
    write_all(BLANK, stub, 1, threading.Event())
    assert 1 <= stub.most_waiting <= 2 + pump.PICTURES_AHEAD


@pytest.mark.parametrize("picture", [2, 38, 39], ids=["in the middle", "near the end", "last"])
def test_what_the_encoder_refuses_is_raised_as_it_is(picture: int) -> None:
    def write(number: int) -> None:
        if number == picture:
            raise OSError(28, "No space left on device")

    stub = Stub(write)
    with pytest.raises(OSError, match="No space left on device"):
        write_all(BLANK, stub, 2, threading.Event())
    assert stub.finished is None
    assert not encoders()


@pytest.mark.slow
def test_what_the_encoder_refuses_is_raised_at_the_next_frame() -> None:
    """A full disk is to be told before a network of a minute a frame has made as many as could wait."""

    def write(number: int) -> None:
        raise OSError(28, "No space left on device")

    stub = Stub(write)
    clip = BLANK.std.FrameEval(lambda n: time.sleep(0.1) or BLANK)
    with pytest.raises(OSError, match="No space left on device"):
        write_all(clip, stub, 2, threading.Event())
    assert stub.prepared == 2


def test_a_frame_that_fails_ends_the_encoder_too() -> None:
    def select(n: int) -> vs.VideoNode:
        if n == 7:
            raise ValueError("the network broke")
        return BLANK

    stub = Stub(lambda picture: None)
    with pytest.raises(vs.Error, match="the network broke"):
        write_all(BLANK.std.FrameEval(select), stub, 2, threading.Event())
    assert stub.frames <= 7
    assert stub.finished is None
    assert not encoders()


def test_an_interrupt_writes_what_was_under_way() -> None:
    stop = threading.Event()
    clip, asked = counted()
    stub = Stub(lambda picture: stop.set() if picture == 4 else None)
    write_all(clip, stub, 2, stop)
    assert stub.frames == len(asked) < 40
    assert stub.finished is False


@pytest.mark.slow
@pytest.mark.parametrize("slow", ["encoder", "clip"])
def test_the_pace_tells_who_waited_for_whom(monkeypatch: pytest.MonkeyPatch, slow: str) -> None:
    monkeypatch.setattr(vs.core, "num_threads", 1)
    rest = {"encoder": (0.0, 0.05), "clip": (0.05, 0.0)}[slow]
    clip = BLANK[:12].std.FrameEval(lambda n: time.sleep(rest[0]) or BLANK[:12])
    pace = write_all(clip, Stub(lambda picture: time.sleep(rest[1])), 1, threading.Event())
    share = pace.encoder_seconds / pace.seconds
    if slow == "encoder":
        assert share > 0.5
        assert pace.encoder < 20 < pace.clip
    else:
        assert share < 0.5
        assert pace.clip < 20 < pace.encoder


def write_all(clip, writer, least: int, stop: threading.Event) -> Pace:
    return pump.write_all(clip, writer, least, lambda count: None, stop, Busy(), Busy())


def counted() -> tuple[vs.VideoNode, list[int]]:
    """Make a clip that notes which of its frames were asked for."""
    asked: list[int] = []
    return BLANK.std.FrameEval(lambda n: asked.append(n) or BLANK), asked


def encoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("vsfdat-writer")]


class Stub:
    """Stands in for a writer: its pictures are the numbers of their frames."""

    def __init__(self, work) -> None:
        self._work = work
        self.prepared = 0
        self.frames = 0
        self.most_waiting = 0
        self.finished: bool | None = None

    def prepare(self, frame: vs.VideoFrame) -> int:
        self.prepared += 1
        self.most_waiting = max(self.most_waiting, self.prepared - self.frames)
        return self.prepared - 1

    def write(self, picture: int) -> None:
        self._work(picture)
        self.frames += 1

    def finish(self, *, is_whole: bool) -> None:
        self.finished = is_whole
