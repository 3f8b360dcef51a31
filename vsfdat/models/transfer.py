"""What an address gives, into a file: resumed where the server can, over https alone."""

import errno
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from vsfdat.errors import DownloadError

from .public import is_allowed

# Told the bytes that are there and those that there will be, or None where the server does not say.
type Progress = Callable[[int, int | None], None]

_PATIENCE = (15, 60)  # seconds for a connection, and for the next bytes
_MOST_REDIRECTS = 6
_MOST_BYTES = 8_000_000_000
_PIECE = 1 << 14  # so many bytes at most are lost where the connection is cut
_PARTIAL, _OUT_OF_RANGE = 206, 416


class Resumed:
    """A downloader as pooch takes them, which begins where an earlier one was cut off.

    Args:
        part: Where the bytes are gathered; beside it is a note of whose they are.
        progress: Told how far it is.
    """

    def __init__(self, part: Path, progress: Progress) -> None:
        self._part, self._note = part, part.with_name(part.name + ".json")
        self._progress = progress

    def __call__(self, url: str, output_file: str, pooch: object) -> None:  # noqa: ARG002 (pooch's signature)
        """Fetch what an address gives; what has come stays for the next try where the connection is cut.

        Raises:
            DownloadError: It cannot be fetched, is a web page, or has no room.
            OSError: The file cannot be written.
        """
        import requests

        try:
            self._fetch(url)
        except requests.RequestException as error:
            raise self._cut_off(url, error) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                self.forget()
            raise
        self._refuse_page(url)
        self._part.replace(output_file)
        self.forget()

    def forget(self) -> None:
        """Remove what an earlier download has left."""
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _fetch(self, url: str) -> None:
        have, version = self._find_beginning(url)
        with _ask(url, have, version) as response:
            status, begins = response.status_code, response.headers.get("Content-Range", "")
            # Where the rest of another version is offered, or nothing, there is no beginning to it.
            is_another = status == _OUT_OF_RANGE or (status == _PARTIAL and not begins.startswith(f"bytes {have}-"))
            if not is_another and status >= 400:
                raise DownloadError(f"{_host(url)} says {status} {response.reason}")
            if not is_another:
                return self._receive(response, url, have if status == _PARTIAL else 0)
        if not have:
            raise DownloadError(f"{_host(url)} gives a part where the whole was asked for")
        self.forget()
        return self._fetch(url)

    def _find_beginning(self, url: str) -> tuple[int, str]:
        """Give how many bytes are there already, and what the server has called that version of the file."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            have = self._part.stat().st_size
        except (OSError, ValueError):
            return 0, ""
        is_this = isinstance(note, dict) and note.get("url") == url and isinstance(note.get("version"), str)
        return (have, note["version"]) if is_this and have else (0, "")

    def _receive(self, response: Any, url: str, have: int) -> None:
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        self._check_room(total, have)
        note = {"url": url, "version": _version(response.headers)}
        self._note.write_text(json.dumps(note), encoding="utf-8")
        with self._part.open("ab" if have else "wb") as file:
            for piece in response.iter_content(_PIECE):
                file.write(piece)
                have += len(piece)
                if have > _MOST_BYTES:
                    raise DownloadError(f"{_host(url)} sends more than {_MOST_BYTES / 1e9:.0f} GB")
                self._progress(have, total)

    def _check_room(self, total: int | None, have: int) -> None:
        room = shutil.disk_usage(self._part.parent).free
        if total is not None and total - have > room:
            raise DownloadError(
                f"needs {(total - have) / 1e6:.1f} MB, and {self._part.parent} has {room / 1e6:.1f} MB left"
            )

    def _refuse_page(self, url: str) -> None:
        with self._part.open("rb") as file:
            head = file.read(64)
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            self.forget()
            raise DownloadError(f"{_host(url)} gave a web page in its place")

    def _cut_off(self, url: str, error: Exception) -> DownloadError:
        have, version = self._find_beginning(url)
        if have:
            again = "goes on from there" if version else "begins anew, for the server cannot resume it"
            return DownloadError(f"the connection was cut after {have / 1e6:.1f} MB, and the same command {again}")
        return DownloadError(f"{_host(url)} cannot be reached ({_reason(error)})")


def _version(headers: Mapping[str, str]) -> str:
    """Name the version of a file for a server to compare bit by bit; empty where it cannot."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _ask(url: str, have: int, version: str) -> Any:
    import requests

    # As it is, or the bytes of a resumed file would be of two kinds.
    headers = {"User-Agent": "vsfdat", "Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    for _ in range(_MOST_REDIRECTS):
        if not is_allowed(url):
            raise DownloadError(f"{_host(url)} is not asked, because its address does not begin with https://")
        response = requests.get(url, headers=headers, stream=True, allow_redirects=False, timeout=_PATIENCE)
        if not response.is_redirect:
            return response
        response.close()
        was_remote, url = urlsplit(url).scheme == "https", urljoin(url, response.headers["Location"])
        if was_remote and urlsplit(url).scheme != "https":
            raise DownloadError(f"{_host(url)} is not asked, because its address does not begin with https://")
    raise DownloadError(f"{_host(url)} sends from one address to the next without end")


def _host(url: str) -> str:
    return urlsplit(url).netloc or url


def _reason(error: BaseException) -> str:
    """Find the system's own words at the bottom of what several libraries have wrapped."""
    words = type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and type(cause).__module__ != "requests.exceptions":
            words = str(cause.strerror)
        cause = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if not isinstance(cause, BaseException):
            break
    return words
