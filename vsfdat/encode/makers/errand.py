"""What another machine does: open the film as the first one did, and make one segment of it."""

import contextlib
import dataclasses
import logging
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from vsfdat.errors import EncodeError
from vsfdat.options import Settings

from ..extras import require
from ..identity import identify_work
from ..output.codecs import find_codec
from ..segments import Identity, Manifest, Segment, find_differences, is_job
from ..work import Work, open_work
from .here import Here

# Films that are open in this process: a machine makes many segments of one.
_open: dict[str, Work] = {}


@dataclass(frozen=True)
class Errand:
    """A job, as it is told to other machines.

    `folder` is the job's: who sees it puts segments there. `threads` are the cores that a task may use, 0 for all.
    """

    path: Path
    settings: Settings
    container: str
    identity: Identity
    folder: Path
    threads: int


@dataclass(frozen=True)
class Made:
    """A segment: its `content`, or its `name` in the job's folder; which `node` made it, and `delay` as in `Sealed`."""

    node: str
    delay: int
    name: str = ""
    content: bytes | None = None


def make_segment(errand: Errand, segment: Segment, model: bytes, film: Sequence[Any]) -> Made | None:
    """Make a segment in a process of its own.

    Args:
        errand: The job.
        segment: Which frames.
        model: The content of its file.
        film: Ray's references to pieces of the film, empty where nobody asked for it yet.

    Returns:
        None where this machine does not see the film, and was not sent it.

    Raises:
        EncodeError: The film looks otherwise here, or cannot be made.
    """
    path = _find_film(errand, film)
    if path is None:
        return None
    work = _open_film(errand, path, model)
    with (
        tempfile.TemporaryDirectory(prefix="vsfdat-") as folder,
        Manifest.open(Path(folder) / "job", {}, errand.path) as manifest,
    ):
        Here(work, keeps_frames=False).make([segment], manifest, lambda _: None, threading.Event())
        made = Made(_name_node(), manifest.sealed[segment.number].delay)
        return _hand_over(errand, manifest.path(segment), made)


def clean_up(errand: Errand) -> None:
    """Remove a film that was sent."""
    _open.clear()
    shutil.rmtree(_sent_folder(errand), ignore_errors=True)


def _name_node() -> str:
    """Name this machine; one machine may be several nodes."""
    return f"{socket.gethostname()} {require('ray').get_runtime_context().get_node_id()[:4]}"


def _hand_over(errand: Errand, path: Path, made: Made) -> Made:
    """Put a segment into the job's folder, or where that is not seen, into the answer."""
    if not is_job(errand.folder, errand.identity):
        return dataclasses.replace(made, content=path.read_bytes())
    name = f"{secrets.token_hex(8)}.part"
    shutil.copyfile(path, errand.folder / name)
    return dataclasses.replace(made, name=name)


def _find_film(errand: Errand, film: Sequence[Any]) -> Path | None:
    """Find the film where it is, or put it together from what was sent."""
    if errand.path.is_file():
        return errand.path
    if not film:
        return None
    folder = _sent_folder(errand)
    folder.mkdir(exist_ok=True)
    path = folder / errand.path.name
    with filelock.FileLock(folder / "lock"):
        if not path.exists():
            with (folder / "part").open("wb") as file:
                for piece in film:
                    file.write(require("ray").get(piece))
            (folder / "part").replace(path)
    return path


def _sent_folder(errand: Errand) -> Path:
    name = str(errand.identity["source"]).rpartition(" ")[2]
    return Path(tempfile.gettempdir()) / f"vsfdat-sent-{name}"


@contextlib.contextmanager
def _in_silence() -> Iterator[None]:
    """Say nothing of the film: the first machine has said it."""
    log = logging.getLogger("vsfdat")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _open_film(errand: Errand, path: Path, model: bytes) -> Work:
    """Open a film, or go on with the one that is open."""
    key = repr((errand.path, errand.identity))
    if key not in _open:
        _open.clear()
        _open[key] = _open_anew(errand, path, model)
    return _open[key]


def _open_anew(errand: Errand, path: Path, model: bytes) -> Work:
    import torch  # which takes seconds

    if errand.threads:
        torch.set_num_threads(errand.threads)
    with tempfile.TemporaryDirectory(prefix="vsfdat-") as folder, _in_silence():
        weights = Path(folder) / f"model{Path(errand.settings.upscale.model).suffix or '.safetensors'}"
        weights.write_bytes(model)
        settings = dataclasses.replace(
            errand.settings, upscale=dataclasses.replace(errand.settings.upscale, model=weights)
        )
        codec = find_codec(settings.codec, settings.encoder)
        options = codec.settle_options(codec.build_options(settings.crf, settings.preset))
        work = open_work(path, errand.container, settings, codec, options)
        found = identify_work(path, options, settings, work)
    if different := find_differences(errand.identity, found):
        words = ", ".join(f"{name} {there} there, {here} here" for name, there, here in different)
        raise EncodeError(f"{errand.path} is another job on {socket.gethostname()} ({words})")
    return work
