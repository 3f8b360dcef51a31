"""An output appears whole under its name, or not at all, and takes the place of nothing that was not given up."""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from vsfdat.errors import EncodeError

from ..segments import durable

# Bytes of a file's name, where the system does not say.
_LONGEST_NAME = 255
_MARK_OF_WHOLE_FILES = ".whole-"
_JOB = ".vsfdat"


def check_output(path: Path, output: Path, *, overwrite: bool) -> None:
    """Refuse an output that could not land, or would take the place of something.

    Args:
        path: The input.
        output: A link stands for what it leads to.
        overwrite: A file may be replaced; nothing else ever is.

    Raises:
        EncodeError: What is there, or is missing, forbids it.
    """
    try:
        target = follow(output)
        there = _stat(target)
        if there is not None:
            _check_what_is_there(path, output, there, overwrite=overwrite)
        folder = target.absolute().parent
        if not folder.is_dir():
            raise EncodeError(f"output folder not found: {folder}")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise EncodeError(f"output folder may not be written to: {folder}")
    except OSError as error:
        raise EncodeError(f"{output}: cannot be written ({error.strerror})") from error


def follow(output: Path) -> Path:
    """Give the file that a link leads to, which need not be there yet; any other path is its own.

    Raises:
        OSError: The link leads back to itself.
    """
    if not output.is_symlink():
        return output
    target = Path(os.path.realpath(output))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


def name_job(target: Path) -> Path:
    """Name the folder beside an output for all that is done of it: hidden, and always the same."""
    plain = _name_beside(target, ".", target.name, _JOB)
    if plain.name == f".{target.name}{_JOB}":
        return plain
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]
    return _name_beside(target, ".", target.name, f"-{digest}{_JOB}")


def _name_beside(target: Path, beginning: str, stem: str, ending: str) -> Path:
    """Put a name together, of a stem that is shortened where names may not be so long."""
    longest = _longest_name(target.absolute().parent)
    while stem and len(os.fsencode(beginning + stem + ending)) > longest:
        stem = stem[:-1]
    return target.with_name(beginning + stem + ending)


@contextlib.contextmanager
def landing(partial: Path, target: Path, *, overwrite: bool) -> Iterator[None]:
    """Let a block write a partial file that then gets the output's name; if the block fails, the file goes.

    Args:
        partial: On the same disk as the output.
        target: The output.
        overwrite: Whatever file has the output's name by then is replaced.

    Raises:
        EncodeError: The file is whole and cannot have the name, as where another file has it by now; it is kept.
    """
    try:
        yield
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    try:
        durable.flush(partial)
        (Path.replace if overwrite else _take_free_name)(partial, target)
        durable.flush_names(target.absolute().parent)
    except FileExistsError as error:
        kept = _keep(partial, target)
        raise EncodeError(f"{target} appeared meanwhile and is left as it is; the film is whole in {kept}") from error
    except OSError as error:
        kept = _keep(partial, target)
        raise EncodeError(f"{target}: cannot be written ({error.strerror}); the film is whole in {kept}") from error


def _take_free_name(partial: Path, target: Path) -> None:
    """Give a file a second name and take the first, or where the file system has no such thing, reserve the name.

    Raises:
        FileExistsError: It is taken.
    """
    try:
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL))
        try:
            partial.replace(target)
        except OSError:
            target.unlink()
            raise
    else:
        partial.unlink()


def _keep(partial: Path, target: Path) -> Path:
    """Give a file that is whole another name beside the output's."""
    kept = _name_beside(target, "", target.stem, f"{_MARK_OF_WHOLE_FILES}{secrets.token_hex(4)}{target.suffix}")
    with contextlib.suppress(OSError):
        return partial.rename(kept)
    return partial


def _check_what_is_there(path: Path, output: Path, there: os.stat_result, *, overwrite: bool) -> None:
    if stat.S_ISDIR(there.st_mode):
        raise EncodeError(f"output is a folder: {output}")
    if not stat.S_ISREG(there.st_mode):
        raise EncodeError(f"output is a pipe or a device: {output} (a film is written to a file)")
    source = _stat(path)
    if source is not None and os.path.samestat(source, there):
        raise EncodeError(f"output is the input: {output}")
    if not overwrite:
        raise EncodeError(f"output exists: {output} (pass --overwrite to replace it)")


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _longest_name(folder: Path) -> int:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # the last on Windows
        return os.pathconf(folder, "PC_NAME_MAX")
    return _LONGEST_NAME
