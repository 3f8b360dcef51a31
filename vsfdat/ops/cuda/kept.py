"""Compiled kernels in the user's cache: whole or not at all, safe for several processes, not too many."""

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from vsfdat.places import cache_folder, keeps_kernels

_log = logging.getLogger(__name__)

# Of all that is kept; a model's kernels take about 1 MB for each kind of GPU and precision.
_ROOM = 128 << 20
_SUM_BYTES = 32


def keep(key: bytes, make: Callable[[], bytes]) -> bytes:
    """Give what an earlier run made, or make it and keep it; where nothing can be kept it is made each time.

    Args:
        key: All that the result depends on.
        make: Makes it.
    """
    if not keeps_kernels():
        return make()
    path = cache_folder("cuda") / f"{hashlib.sha256(key).hexdigest()[:32]}.cubin"
    if (found := _read(path)) is not None:
        return found
    made = make()
    try:
        _write(path, made)
        _make_room(path.parent)
    except OSError as error:
        _log.debug("Compiled kernels are not kept (%s: %s).", path, error.strerror)
    return made


def _read(path: Path) -> bytes | None:
    """Read a file whose sum is right, and mark it as used; one that is damaged counts for nothing."""
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        if hashlib.sha256(content[_SUM_BYTES:]).digest() == content[:_SUM_BYTES]:
            os.utime(path)
            return content[_SUM_BYTES:]
        _log.warning("%s is damaged and is compiled anew", path)
    return None


def _write(path: Path, content: bytes) -> None:
    """Write beside its place and rename: another process never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        beside = Path(file.name)
        try:
            file.write(hashlib.sha256(content).digest() + content)
            file.close()
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _make_room(folder: Path) -> None:
    """Remove those that were not used for the longest."""
    facts = sorted(((path.stat(), path) for path in folder.iterdir()), key=lambda each: each[0].st_mtime)
    total = sum(stat.st_size for stat, _ in facts)
    for stat, path in facts:
        if total <= _ROOM:
            return
        path.unlink(missing_ok=True)
        total -= stat.st_size
