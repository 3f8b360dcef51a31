"""Segments made on the machines of a Ray cluster: a task for each, on whichever machine is free."""

import collections
import contextlib
import logging
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsfdat.errors import EncodeError
from vsfdat.models.catalog import find_model
from vsfdat.options import Settings

from ..container import reason
from ..extras import require
from ..pace import Pace
from ..segments import Identity, Manifest, Segment
from .errand import Errand, Made, clean_up, make_segment
from .pump import in_a_thread

_log = logging.getLogger(__name__)

# A task is begun anew when its machine dies, this often.
_RETRIES = 20
_SECONDS_TO_LOOK = 0.2
_READY = 0.1  # tasks that wait beside those that run
_SEALS_AHEAD = 8
_SECONDS_TO_KNOCK = 10
_PIECE = 64 << 20  # bytes of a film that is sent


@dataclass
class Tally:
    """What a machine made, in how many seconds from the first task on."""

    segments: int = 0
    frames: int = 0
    seconds: float = 0.0


@dataclass
class Cluster:
    """Makes segments wherever there is a machine for them.

    Args:
        address: "auto" for the cluster that this machine is a part of, or the HOST:PORT of one.
        path: The film; machines that do not see it get it sent.
        settings: What was asked for.
        container: FFmpeg's name of the output's.
        identity: Of the job: a machine to which it looks otherwise is told so.
        task: What makes a segment, in a process of its own.
        cpus: Cores for each task; None for a GPU, or as many as the smallest machine has.
    """

    address: str
    path: Path
    settings: Settings
    container: str
    identity: Identity
    task: Callable[..., Made | None] = make_segment
    cpus: int | None = None
    tallies: dict[str, Tally] = field(default_factory=lambda: collections.defaultdict(Tally))

    def make(
        self, segments: Sequence[Segment], manifest: Manifest, advance: Callable[[int], None], stop: threading.Event
    ) -> Pace | None:
        """Make segments, as a `Maker` does; after an interrupt those under way are waited for."""
        with _connected(self.address) as ray:
            try:
                _Run(self, manifest, advance, stop).make(segments)
            except ray.exceptions.RayError as error:
                raise EncodeError(f"the cluster is lost ({reason(error)})") from error
        return None

    def describe(self) -> str:
        """Say what each machine made, a line each."""
        width = max((len(name) for name in self.tallies), default=0)
        return "\n".join(
            f"{name:{width}}  {tally.segments} segments, {tally.frames} frames, "
            f"{tally.frames / max(tally.seconds, 1e-9):.2f} fps"
            for name, tally in sorted(self.tallies.items())
        )


class _Run:
    def __init__(
        self, cluster: Cluster, manifest: Manifest, advance: Callable[[int], None], stop: threading.Event
    ) -> None:
        self._cluster, self._manifest, self._advance, self._stop = cluster, manifest, advance, stop
        self._ray = require("ray")
        self._model = self._ray.put(find_model(cluster.settings.upscale.model).read_bytes())
        self._film: list[Any] = []
        self._began = time.monotonic()
        self._needs = {"num_cpus": cluster.cpus} if cluster.cpus else _needs(self._ray, cluster.settings)
        self._remote = self._ray.remote(cluster.task).options(max_retries=_RETRIES, **self._needs)
        self._errand = Errand(
            cluster.path.absolute(), cluster.settings, cluster.container, cluster.identity, manifest.folder.absolute(),
            int(self._needs.get("num_cpus", 0)),
        )  # fmt: skip

    def make(self, segments: Sequence[Segment]) -> None:
        left = collections.deque(segments)
        under_way: dict[Any, Segment] = {}
        try:
            # Sealing waits for the disk, and the machines are not to wait for that.
            with in_a_thread(self._seal, _SEALS_AHEAD) as seal:
                while under_way or (left and not self._stop.is_set()):
                    self._begin_some(left, under_way)
                    self._take_what_is_made(left, under_way, seal)
        finally:
            for task in under_way:
                self._ray.cancel(task, force=True)
            if self._film:
                _clean_nodes(self._ray, self._errand)

    def _begin_some(self, left: collections.deque[Segment], under_way: dict[Any, Segment]) -> None:
        """Begin segments where there is room, at the end those again that others have had under way for the longest.

        Or a fast machine has nothing to do for as long as a slow one takes for its last segment.
        """
        if self._stop.is_set():
            return
        rooms = self._count_rooms()
        ready = math.ceil(rooms * (1 + _READY)) + 1
        while left and len(under_way) < ready:
            segment = left.popleft()
            under_way[self._begin(segment)] = segment
        counts = collections.Counter(under_way.values())
        once = [segment for segment in under_way.values() if counts[segment] == 1]
        for segment in once[: max(0, rooms - len(under_way))]:
            under_way[self._begin(segment)] = segment

    def _take_what_is_made(
        self,
        left: collections.deque[Segment],
        under_way: dict[Any, Segment],
        seal: Callable[[Segment, Made], None],
    ) -> None:
        """Have sealed what came, and send the film to who asks for it."""
        for task in self._wait(list(under_way)):
            if task not in under_way:
                continue  # made twice, and done at the same moment
            segment, made = under_way.pop(task), self._fetch(task)
            if made is None:
                self._send_film()
                left.appendleft(segment)
            else:
                self._forget(segment, under_way)
                seal(segment, made)

    def _forget(self, segment: Segment, under_way: dict[Any, Segment]) -> None:
        """End who else makes a segment that is made."""
        for task in [task for task, other in under_way.items() if other == segment]:
            del under_way[task]
            self._ray.cancel(task)

    def _wait(self, tasks: list[Any]) -> list[Any]:
        """Wait for one task, not for long, and give all that are done."""
        if not self._ray.wait(tasks, timeout=_SECONDS_TO_LOOK)[0]:
            return []
        done: list[Any] = self._ray.wait(tasks, num_returns=len(tasks), timeout=0)[0]
        return done

    def _begin(self, segment: Segment) -> Any:
        return self._remote.remote(self._errand, segment, self._model, self._film)

    def _fetch(self, task: Any) -> Made | None:
        """Get what a task gave, or its error in one sentence."""
        try:
            made: Made | None = self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            raise EncodeError(str(error.cause)) from error
        except self._ray.exceptions.RayError as error:
            raise EncodeError(f"the cluster lost a segment {_RETRIES} times ({reason(error)})") from error
        return made

    def _seal(self, segment: Segment, made: Made) -> None:
        """Seal what a machine made."""
        part = self._manifest.part(segment)
        if made.content is not None:
            part.write_bytes(made.content)
        else:
            (self._manifest.folder / made.name).replace(part)
        self._manifest.seal(segment, made.delay)
        tally = self._cluster.tallies[made.node]
        tally.segments, tally.frames = tally.segments + 1, tally.frames + segment.frames
        tally.seconds = time.monotonic() - self._began
        self._advance(segment.frames)

    def _send_film(self) -> None:
        """Put the film where every machine can get it, once."""
        if self._film:
            return
        _log.warning("%s is sent to machines that do not see it; a shared folder would be faster.", self._cluster.path)
        with self._cluster.path.open("rb") as file:
            while piece := file.read(_PIECE):
                self._film.append(self._ray.put(piece))

    def _count_rooms(self) -> int:
        """Count the tasks that can run at once."""
        kind, count = ("GPU", 1) if "num_gpus" in self._needs else ("CPU", self._needs["num_cpus"])
        return sum(int(node["Resources"].get(kind, 0) / count) for node in _nodes(self._ray))


def _nodes(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _needs(ray: Any, settings: Settings) -> dict[str, float]:
    """Choose what a task occupies: a GPU where the cluster has any, else as many cores as the smallest machine has."""
    resources = [node["Resources"] for node in _nodes(ray)]
    device = settings.upscale.device
    wants_gpu = device == "auto" or "cuda" in str(device)
    if wants_gpu and any(node.get("GPU") for node in resources):
        return {"num_gpus": 1, "num_cpus": 0}
    return {"num_cpus": max(1, int(min((node["CPU"] for node in resources if node.get("CPU")), default=1)))}


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Be a part of a cluster, unless this process is already.

    Raises:
        EncodeError: There is none.
    """
    # Or who was started by `uv run` has every machine make an environment anew.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    ray = require("ray")
    if ray.is_initialized():
        yield ray
        return
    try:
        with _own_signals():
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = "on this machine" if address == "auto" else f"at {address}"
        raise EncodeError(
            f"no Ray cluster {where}; start one with: ray start --head, and on each other machine: "
            "ray start --address HOST:6379"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """See that somebody listens: Ray itself waits for minutes.

    Raises:
        OSError: Nobody does.
    """
    host, _, port = address.rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.rpartition("/")[2], int(port)), timeout=_SECONDS_TO_KNOCK).close()


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what SIGTERM does: Ray has it end the process."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _clean_nodes(ray: Any, errand: Errand) -> None:
    """Have every machine remove the film that it was sent."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    with contextlib.suppress(Exception):  # a machine that is gone needs it not
        tasks = [
            ray.remote(clean_up)
            .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
            .remote(errand)
            for node in _nodes(ray)
        ]
        ray.wait(tasks, num_returns=len(tasks), timeout=10)
