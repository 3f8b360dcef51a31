"""Members out of a downloaded archive: by content alone, whatever it says of paths and sizes."""

import shutil
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from vsfdat.errors import DownloadError

from .screen import Frugal

_MOST_BYTES = 2_000_000_000  # of a model
_MOST_GROWTH = 50  # weights hardly shrink
_MOST_SHOWN = 6


def unpack(archive: Path, wanted: Iterable[str], folder: Path) -> dict[str, Path]:
    """Write members of an archive under names of ours; its own paths are only compared.

    Args:
        archive: A zip file.
        wanted: Names of files, without folders. The first one must be there, the others may.
        folder: Where they are written.

    Returns:
        The files that were there.

    Raises:
        DownloadError: It is no zip archive, is damaged, lacks the first, or has more in it than fits.
        OSError: A file cannot be written.
    """
    try:
        with Frugal(archive) as file, zipfile.ZipFile(file) as opened:
            found = {name: _find(opened, name) for name in wanted}
            first = next(iter(found))
            if found[first] is None:
                raise DownloadError(f"the archive has no {first}; it has {_contents(opened)}")
            return {name: _write(opened, entry, folder / name) for name, entry in found.items() if entry}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DownloadError(f"the archive is damaged, encrypted or no zip file ({error})") from error


def _find(opened: zipfile.ZipFile, name: str) -> zipfile.ZipInfo | None:
    fits = [entry for entry in opened.infolist() if PurePosixPath(entry.filename.replace("\\", "/")).name == name]
    fits = [entry for entry in fits if not entry.is_dir()]
    if len(fits) > 1:
        raise DownloadError(f"the archive has {len(fits)} files named {name}")
    return fits[0] if fits else None


def _contents(opened: zipfile.ZipFile) -> str:
    names = [entry.filename for entry in opened.infolist()]
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more if names else "nothing"


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, file: Path) -> Path:
    if entry.file_size > min(_MOST_BYTES, _MOST_GROWTH * max(entry.compress_size, 1)):
        claimed, packed = entry.file_size / 1e6, entry.compress_size / 1e6
        raise DownloadError(f"{file.name} in the archive claims {claimed:.1f} MB in {packed:.1f} MB, as no model does")
    # zipfile gives no more than that size, and compares the sum of what it gave.
    with opened.open(entry) as packed_file, file.open("wb") as plain:
        shutil.copyfileobj(packed_file, plain, 1 << 20)
    return file
