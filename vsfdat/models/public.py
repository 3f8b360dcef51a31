"""The catalogue of models that others have published: ours, and what the user's own file adds to it."""

import dataclasses
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from vsfdat.errors import DownloadError
from vsfdat.places import user_catalogue

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")

_OURS = Path(__file__).parent / "public.toml"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# What would be another place than the cache as the name of a file.
_NO_NAME = re.compile(r"[\x00-\x1f\x7f/\\:]|^\.|^$")


@dataclass(frozen=True, kw_only=True)
class PublicModel:
    """One published model: what it is for, whose it is, and where it is to be had.

    Args:
        name: What users call it.
        author: Whose it is.
        scale: Output size over input size.
        architecture: FDAT, LHAN or TFDAT.
        licence: In words; "NC" or "non-commercial" in them has it accepted before it is fetched.
        purpose: What it is for.
        page: Where to read of it.
        url: What gives the file, or an archive with it; empty where none is known.
        sha256: Of what `url` gives; empty where nobody has published it.
        size: Bytes that `url` gives; 0 where nobody says.
        member: The file in the archive; empty where `url` gives the file itself.
        member_sha256: Of the member; empty where nobody has published it.
    """

    name: str
    author: str
    scale: int
    architecture: str
    licence: str
    purpose: str
    page: str
    url: str = ""
    sha256: str = ""
    size: int = 0
    member: str = ""
    member_sha256: str = ""

    @property
    def file(self) -> str:
        """Name of the file that it is in; empty where no address is known."""
        return PurePosixPath(self.member or urlsplit(self.url).path).name

    @property
    def host(self) -> str:
        """Where `url` leads."""
        return urlsplit(self.url).netloc

    @property
    def pinned(self) -> str:
        """The sha256 that was published of the model's file; empty where none was."""
        return self.member_sha256 if self.member else self.sha256

    @property
    def is_non_commercial(self) -> bool:
        """Tell whether its licence allows non-commercial use only."""
        return re.search(r"\bNC\b|non-?commercial", self.licence, re.IGNORECASE) is not None


def list_public_models() -> tuple[PublicModel, ...]:
    """List the catalogue, ours first; a user's entry replaces ours of the same name.

    Raises:
        DownloadError: The user's file is unreadable or says what makes no sense.
    """
    listed = {model.name: model for model in _read(_OURS)}
    theirs = user_catalogue()
    if theirs.exists():
        listed |= {model.name: model for model in _read(theirs)}
    return tuple(listed.values())


def is_allowed(url: str) -> bool:
    """Tell whether an address is https, or one of this machine."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.scheme == "https" or _is_local(parts.scheme, parts.hostname))
    except ValueError:  # brackets that enclose no address
        return False


def _is_local(scheme: str, host: str | None) -> bool:
    return scheme == "http" and host in _LOOPBACK


def _read(file: Path) -> Iterator[PublicModel]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DownloadError(f"the list of models {file} cannot be read ({error.strerror})") from error
    except ValueError as error:  # of TOML, or of UTF-8
        raise DownloadError(f"the list of models {file} is no TOML: {error}") from error
    entries = content.get("model", [])
    if content.keys() - {"model"} or not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise DownloadError(f"the list of models {file} must hold tables [[model]] and nothing else")
    for number, entry in enumerate(entries, 1):
        if fault := _find_fault(entry):
            raise DownloadError(f"the list of models {file}: entry {number} ({entry.get('name', 'no name')}): {fault}")
        yield PublicModel(**entry)


def _find_fault(entry: Mapping[str, Any]) -> str | None:
    fields = {field.name: field for field in dataclasses.fields(PublicModel)}
    if unknown := sorted(entry.keys() - fields.keys()):
        return f"unknown keys {', '.join(unknown)}; known are {', '.join(fields)}"
    needed = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    if missing := sorted(needed - entry.keys()):
        return f"needs {', '.join(missing)}"
    for name, value in entry.items():
        if type(value) is not fields[name].type:
            return f"{name} must be of type {fields[name].type.__name__}, says {value!r}"  # type: ignore[union-attr]
    return _find_wrong_value(PublicModel(**entry))


def _find_wrong_value(model: PublicModel) -> str | None:
    if _NO_NAME.search(model.name):
        return "name must be fit for a file"
    if not (model.url or model.member):
        return None
    if not is_allowed(model.url):
        return f"url must begin with https://, says {model.url!r}"
    if PurePosixPath(model.file).suffix.lower() not in SUFFIXES or _NO_NAME.search(model.file):
        return f"url, or member where it is an archive, must name a {', '.join(SUFFIXES)} file, names {model.file!r}"
    for name in ("sha256", "member_sha256"):
        if not re.fullmatch(r"([0-9a-f]{64})?", getattr(model, name)):
            return f"{name} must be 64 digits of 0 to f, says {getattr(model, name)!r}"
    return None
