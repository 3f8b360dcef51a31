"""Published models by name: fetched once into the user's cache, whole and as published, or not at all."""

import contextlib
import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from vsfdat.errors import CheckpointError, DownloadError
from vsfdat.places import cache_folder

from . import remembered
from .public import PublicModel, list_public_models
from .screen import check_file
from .transfer import Progress, Resumed
from .unpack import unpack

_log = logging.getLogger(__name__)


def fetch(model: PublicModel, *, accept_licence: bool = False, progress: Progress | None = None) -> Path:
    """Give the file of a published model; fetch it where it is not in the cache.

    Args:
        model: An entry of the catalogue.
        accept_licence: Whether the user accepts a licence for non-commercial use, which is remembered.
        progress: Told the bytes that are there, and those that there will be.

    Raises:
        DownloadError: Its licence has not been accepted, it cannot be fetched, or it is not what was published.
    """
    if not model.url:
        raise DownloadError(
            f"{model.name} has no address that could be verified; get it from {model.page} and pass the file's path"
        )
    _check_licence(model, accept_licence)
    folder = cache_folder("models")
    file = folder / model.file
    if _is_whole(file, model):
        return file
    with _faults_named(model), _alone(folder):
        if not _is_whole(file, model):  # by now another process may have fetched it
            _log.warning("fetching %s by %s (licence: %s) from %s", model.name, model.author, model.licence, model.host)
            _bring(model, folder, progress or (lambda done, total: None))  # noqa: ARG005
    return file


def _check_licence(model: PublicModel, accept_licence: bool) -> None:
    if not model.is_non_commercial:
        return
    if accept_licence:
        remembered.accept(model.name, model.licence)
    elif not remembered.is_accepted(model.name, model.licence):
        raise DownloadError(
            f"{model.name} by {model.author} is for non-commercial use only ({model.licence}, {model.page}); if yours "
            f'is, accept it once with: vsfdat download "{model.name}" --accept-licence'
        )


def _is_whole(file: Path, model: PublicModel) -> bool:
    """Tell whether a file is there and is what was published or first fetched."""
    expected = model.pinned or remembered.recall_sum(model.name)
    return file.is_file() and expected in ("", _sum(file))


def _sum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextlib.contextmanager
def _faults_named(model: PublicModel) -> Iterator[None]:
    by_hand = f"it can be got by hand from {model.page}, and named by its path"
    try:
        yield
    except (DownloadError, CheckpointError) as error:
        raise DownloadError(f"{model.name} cannot be fetched: {error}; {by_hand}") from error
    except OSError as error:
        raise DownloadError(
            f"{model.name} cannot be fetched: {cache_folder('models')} cannot be written ({error.strerror}); nothing "
            "of it was kept"
        ) from error


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Have one process at a time fetch, for a block."""
    import filelock

    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock"):
        yield


def _bring(model: PublicModel, folder: Path, progress: Progress) -> None:
    fresh = folder / ".fresh"
    shutil.rmtree(fresh, ignore_errors=True)  # of a process that was killed
    try:
        fresh.mkdir()
        source = _retrieve(model, folder, fresh, progress)
        for found, file in _models_in(source, model, fresh):
            _check(found, file)
            sha256 = _sum(file)
            file.replace(folder / found.file)
            remembered.remember_sum(found.name, sha256)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _retrieve(model: PublicModel, folder: Path, fresh: Path, progress: Progress) -> Path:
    """Have pooch download what the address gives, and compare its sum where one was published."""
    import pooch

    name = model.url.rpartition("/")[2]
    known = model.sha256 or ("" if model.member else remembered.recall_sum(model.name))
    downloader = Resumed(folder / f"{name}.part", progress)
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # its lines say what ours do
    try:
        return Path(pooch.retrieve(model.url, known or None, fname=name, path=fresh, downloader=downloader))
    except ValueError as error:
        raise DownloadError(f"what {model.host} gave has another sha256 than {known}") from error
    finally:
        logger.setLevel(level)


def _models_in(source: Path, model: PublicModel, fresh: Path) -> list[tuple[PublicModel, Path]]:
    """Give the models that a download brought: all that the catalogue has of an archive, which then goes."""
    if not model.member:
        return [(model, source)]
    others = [other for other in list_public_models() if other.url == model.url and other.name != model.name]
    by_file = {each.file: each for each in (model, *others)}
    room = fresh / "members"
    room.mkdir()
    files = unpack(source, by_file, room)
    return [(by_file[name], file) for name, file in files.items()]


def _check(model: PublicModel, file: Path) -> None:
    expected = model.pinned or remembered.recall_sum(model.name)
    sha256 = _sum(file)
    if expected and sha256 != expected:
        what = "published" if model.pinned else "first fetched"
        raise DownloadError(f"{file.name} is not what was {what}: its sha256 is {sha256}, not {expected}")
    check_file(file, pickled=file.suffix.lower() != ".safetensors")
