"""Look at a checkpoint file before a library opens it: what it is, and whether reading it would eat the machine.

torch bounds neither what a zip entry unpacks to nor what a pickle builds on the way to its tensors.
"""

import io
import re
import zipfile
from pathlib import Path
from typing import IO

from vsfdat.errors import CheckpointError

from .pickles import check_pickles

# Begins a zip archive, torch's format since 1.6, and a bare pickle, the format before.
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_LEGACY_PICKLES = 5  # a magic number, a version, the system, the tensors, the storages' keys; then the storages
_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number that torch pickles first
_HEAD = 512
# A network has about a thousand tensors; the names of thirty thousand fit here.
_MOST_BYTES_OF_NAMES = 4_000_000
_MOST_HEADER = 100_000_000  # by the format

# What people take for a checkpoint, by how it begins.
_OTHERS = (
    (rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|!--|html|\?xml)", "a web page; download the file itself"),
    (rb"version https://git-lfs", "a placeholder of Git LFS; fetch the file itself with: git lfs pull"),
    (rb".{257}ustar", "a tar archive; unpack it first"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!", "a packed archive; unpack it first"),
    (rb"[\s -~]+\Z", "a text file"),
    (rb"\Z", "empty"),
)


def check_file(path: Path, *, pickled: bool) -> None:
    """Refuse a file that is something else than its name says, or whose reading has no bound.

    Args:
        path: A checkpoint.
        pickled: Whether its name promises a torch checkpoint; else it promises a safetensors file.

    Raises:
        CheckpointError: It is refused.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(0)
        header = int.from_bytes(head[:8], "little")
        if head[8:9] == b"{" and header <= _MOST_HEADER:
            _check_safetensors(path, header, pickled)
        elif not head.startswith((_ZIP, _PICKLE)):
            _refuse_other(path, head, pickled)
        elif not pickled:
            raise CheckpointError(f"{path.name}: is a torch checkpoint; name it {path.stem}.pth")
        elif head.startswith(_ZIP):
            _check_zip(path)
        else:
            _check_bare(file, path.name, is_torchs=head.startswith(_MAGIC, 2))


def _refuse_other(path: Path, head: bytes, pickled: bool) -> None:
    promised = "torch checkpoint" if pickled else "safetensors file"
    for begins, what in _OTHERS:
        if re.match(begins, head, re.IGNORECASE | re.DOTALL):
            raise CheckpointError(f"{path.name}: is {what}")
    raise CheckpointError(f"{path.name}: is no {promised}, or its beginning is damaged")


def _check_safetensors(path: Path, header: int, pickled: bool) -> None:
    if pickled:
        raise CheckpointError(f"{path.name}: is a safetensors file; name it {path.stem}.safetensors")
    _check_names(path, header)


def _check_bare(file: IO[bytes], name: str, *, is_torchs: bool) -> None:
    check_pickles(file, name, _LEGACY_PICKLES if is_torchs else 1)
    if not is_torchs:
        raise CheckpointError(f"{name}: is a pickle of something else than a checkpoint")


def _check_zip(path: Path) -> None:
    """Refuse other archives, and entries that are not simply there, each in bytes of its own."""
    with Frugal(path) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
        if not pickles:
            raise CheckpointError(f"{path.name}: is a zip archive of other files; unpack it first")
        if any(entry.filename.endswith("/constants.pkl") for entry in entries):
            raise CheckpointError(f"{path.name}: is a TorchScript program; vsfdat runs the weights alone")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise CheckpointError(f"{path.name}: is compressed, as torch never is; get it as its author saved it")
        check_claim(path, sum(entry.file_size for entry in entries), "entries")
        for entry in entries:
            entry.CRC = entry.CRC or None  # type: ignore[assignment]  # torch may be told to reckon none and write 0
        for entry in pickles:
            _check_names(path, entry.file_size)
            check_pickles(io.BytesIO(archive.read(entry)), path.name, 1)
        if archive.testzip():  # torch does not look at the sums
            raise zipfile.BadZipFile


def _check_names(path: Path, size: int) -> None:
    if size > _MOST_BYTES_OF_NAMES:
        raise CheckpointError(f"{path.name}: has {size / 1e6:.0f} MB of names, more than any network")


def check_claim(path: Path, claimed: int, of: str) -> None:
    """Refuse contents that say to be larger than the file.

    Raises:
        CheckpointError: They do.
    """
    size = path.stat().st_size
    if claimed > size:
        raise CheckpointError(f"{path.name}: its {of} claim {claimed / 1e6:.1f} MB in a file of {size / 1e6:.1f} MB")


class Frugal(io.FileIO):
    """A file of which nobody reads much at once: an archive's directory may be as large as the whole file."""

    def read(self, size: int | None = -1) -> bytes:
        """Read as files do, and refuse what would be a whole directory of a hostile archive."""
        if size is not None and size > _MOST_BYTES_OF_NAMES:
            raise zipfile.BadZipFile("too many entries")
        return super().read(size)
