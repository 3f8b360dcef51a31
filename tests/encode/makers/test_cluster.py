"""Segments made by several nodes, which are processes of this machine, as Ray's own tests have them."""

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace

import pytest
import vapoursynth as vs

from tests.encode.clips import Recipe, make_model, make_video, packets
from vsfdat import plugin
from vsfdat.encode import Outcome, Settings, job, upscale_file, work
from vsfdat.encode.identity import identify_work
from vsfdat.encode.makers import Cluster, cluster, errand
from vsfdat.encode.output.codecs import find_codec
from vsfdat.encode.segments import Manifest, Segment, plan_segments
from vsfdat.errors import EncodeError
from vsfdat.options import UpscaleOptions

# Minutes of starting processes: asked for by VSFDAT_TEST_CLUSTER=1.
on_nodes = pytest.mark.skipif("VSFDAT_TEST_CLUSTER" not in os.environ, reason="VSFDAT_TEST_CLUSTER is not set")
FILM = Recipe(pts=range(0, 120 * 512, 512), audio=None)


@pytest.fixture(scope="module")
def nodes() -> Iterator[object]:
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    utils = pytest.importorskip("ray.cluster_utils")
    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    make_video(folder / "film.mkv", FILM)
    make_model(folder / "tiny.safetensors")
    return folder


@pytest.fixture
def upscale(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    monkeypatch.setattr(job, "plan_segments", functools.partial(plan_segments, usual=10))
    options = UpscaleOptions(model=folder / "tiny.safetensors", device="cpu")

    def run(name: str, **settings: object) -> Outcome:
        return upscale_file(folder / "film.mkv", folder / name, Settings(upscale=options, overwrite=True, **settings))

    return run


def same(folder: Path, name: str) -> bool:
    return packets(folder / name, "video") == packets(folder / "here.mkv", "video")


@on_nodes
@pytest.mark.slow
def test_several_nodes_make_the_same_film_and_one_may_die(folder: Path, upscale, nodes) -> None:
    upscale("here.mkv")
    weak = nodes.add_node(num_cpus=1)
    outcome = upscale("there.mkv", cluster=nodes.address)
    assert same(folder, "there.mkv")
    assert sum(int(line.split()[2]) for line in outcome.remark.splitlines()) == 12
    seen = threading.Thread(target=lambda: (wait_for_a_segment(folder / ".died.mkv.vsfdat"), nodes.remove_node(weak)))
    seen.start()
    outcome = upscale("died.mkv", cluster=nodes.address)
    seen.join()
    assert outcome.is_whole
    assert same(folder, "died.mkv")


@on_nodes
@pytest.mark.slow
def test_a_driver_that_is_killed_goes_on_where_it_was(folder: Path, upscale, nodes) -> None:
    upscale("here.mkv")
    code = f"""
import functools
import json
from pathlib import Path
from vsfdat.encode import Settings, job, upscale_file
from vsfdat.encode.segments import plan_segments
from vsfdat.options import UpscaleOptions
job.plan_segments = functools.partial(plan_segments, usual=10)
folder = Path({str(folder)!r})
options = UpscaleOptions(model=folder / "tiny.safetensors", device="cpu")
upscale_file(folder / "film.mkv", folder / "killed.mkv", Settings(upscale=options, cluster={nodes.address!r}))
"""
    job_folder = folder / ".killed.mkv.vsfdat"
    with subprocess.Popen([sys.executable, "-c", code]) as driver:
        wait_for_a_segment(job_folder)
        os.kill(driver.pid, signal.SIGKILL)
    sealed = {path.name: path.stat().st_mtime_ns for path in job_folder.glob("*.nut")}
    kept: dict[str, int] = {}
    join = job._Job._join

    def looking(*arguments):
        kept.update({path.name: path.stat().st_mtime_ns for path in job_folder.glob("*.nut")})
        return join(*arguments)

    job._Job._join, outcome = looking, None
    try:
        outcome = upscale("killed.mkv", cluster=nodes.address)
    finally:
        job._Job._join = join
    assert 0 < len(sealed) < 12
    assert sealed.items() <= kept.items()
    assert outcome.made <= 120 - 10 * len(sealed)
    assert same(folder, "killed.mkv")


def wait_for_a_segment(job_folder: Path) -> None:
    deadline = time.monotonic() + 120
    while not list(job_folder.glob("0*.nut")) and time.monotonic() < deadline:
        time.sleep(0.02)


@on_nodes
@pytest.mark.slow
def test_what_fails_on_a_node_is_one_sentence(folder: Path, upscale, nodes, monkeypatch) -> None:
    monkeypatch.setattr(job, "identify_work", lambda *_: {"source": "another film"})
    with pytest.raises(EncodeError, match=r"film.mkv is another job on \S+ \(source another film there, "):
        upscale("failed.mkv", cluster=nodes.address)
    assert not (folder / ".failed.mkv.vsfdat").exists()


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_sentence(folder: Path, upscale) -> None:
    pytest.importorskip("ray")
    with pytest.raises(EncodeError) as caught:
        upscale("none.mkv", cluster="127.0.0.1:1")
    assert str(caught.value) == (
        "no Ray cluster at 127.0.0.1:1; start one with: ray start --head, and on each other machine: "
        "ray start --address HOST:6379"
    )


class Threads:
    """Stands in for Ray: two rooms, in which tasks are threads."""

    def __init__(self) -> None:
        self.pool, self.cancelled = ThreadPoolExecutor(2), 0
        self.exceptions = SimpleNamespace(RayError=ZeroDivisionError, RayTaskError=ZeroDivisionError)

    def remote(self, work: Callable[..., object]) -> SimpleNamespace:
        task = SimpleNamespace(remote=lambda *arguments: self.pool.submit(work, *arguments))
        return SimpleNamespace(options=lambda **_: task)

    def wait(self, tasks: list[Future[object]], num_returns: int = 1, timeout: float = 0) -> tuple[list, list]:
        when = FIRST_COMPLETED if num_returns == 1 else ALL_COMPLETED
        return tuple(map(list, wait(tasks, timeout, when)))

    def cancel(self, task: Future[object], **_: object) -> None:
        self.cancelled += 1

    put, get = staticmethod(lambda thing: thing), staticmethod(lambda task: task.result())
    nodes, is_initialized = staticmethod(lambda: [{"Alive": True, "Resources": {"CPU": 2}}]), staticmethod(lambda: True)


def test_who_has_nothing_left_makes_what_a_slow_machine_has_under_way(tmp_path: Path, monkeypatch) -> None:
    """And who is second is told to stop, so that each segment is sealed once."""
    threads, released, asked = Threads(), threading.Event(), []
    monkeypatch.setattr(cluster, "require", lambda name: threads)

    def task(order: errand.Errand, segment: Segment, *_: object) -> errand.Made:
        asked.append(segment.number)
        if asked.count(0) == 1 and segment.number == 0:
            assert released.wait(20)  # the slow one
        return errand.Made("node", 0, content=b"packets")

    segments = plan_segments(60, usual=10)
    settings = Settings(upscale=UpscaleOptions(model=make_model(tmp_path / "tiny.safetensors")))
    maker = Cluster("auto", tmp_path, settings, "nut", {"source": ""}, task=task, cpus=1)
    frames: list[int] = []
    with Manifest.open(tmp_path / "job", {}, tmp_path / "film.mkv") as manifest:
        maker.make(segments, manifest, frames.append, threading.Event())
        assert manifest.is_whole(segments)
        manifest.is_over = True
    released.set()
    threads.pool.shutdown()
    assert sorted(asked) == [0, 0, 1, 2, 3, 4, 5]
    assert (sum(frames), threads.cancelled) == (60, 1)
    assert maker.tallies["node"].segments == 6


class Shelf:
    """Stands in for Ray's store of objects."""

    @staticmethod
    def get(piece: bytes) -> bytes:
        return piece


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Be a node that sees no folder of the others."""
    monkeypatch.setattr(errand, "require", lambda name: Shelf)
    monkeypatch.setattr(errand, "_name_node", lambda: "node")
    monkeypatch.setattr(errand.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(plugin, "upscale", lambda clip, **_: clip.resize.Point(64, 48, format=vs.RGBS))
    errand._open.clear()
    return tmp_path


@pytest.mark.slow
def test_a_node_that_does_not_see_the_film_asks_for_it_and_sends_what_it_made(folder: Path, alone: Path) -> None:
    film = folder / "film.mkv"
    codec, settings = find_codec("h264"), Settings(upscale=UpscaleOptions(model=folder / "tiny.safetensors"))
    options = codec.build_options(None, None)
    opened = work.open_work(film, "matroska", settings, codec, options)
    identity = identify_work(film, options, settings, opened)
    there = alone / "nowhere"
    order = errand.Errand(there / "film.mkv", settings, "matroska", identity, there, 0)
    model, content = (folder / "tiny.safetensors").read_bytes(), film.read_bytes()
    first = Segment(0, 0, 10)
    assert errand.make_segment(order, first, model, []) is None
    made = errand.make_segment(order, first, model, [content[:1000], content[1000:]])
    assert (made.node, made.name) == ("node", "")
    assert len(made.content) > 1000
    seen = dataclasses.replace(order, path=film, folder=alone)
    (alone / "manifest.json").write_text(json.dumps({"format": 1, "identity": identity}))
    beside = errand.make_segment(seen, first, model, [])
    assert (alone / beside.name).read_bytes() == made.content
    errand.clean_up(order)
    assert not list(alone.glob("vsfdat-sent-*"))
