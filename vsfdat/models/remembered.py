"""What is remembered of published models: the sha256 that a file had at first, and whose licence was accepted."""

import json
from pathlib import Path
from typing import Any

from vsfdat.errors import DownloadError
from vsfdat.places import memory_file


def recall_sum(name: str) -> str:
    """Give the sha256 that a model's file had when it was first fetched; empty where it never was.

    Raises:
        DownloadError: The file that remembers is damaged.
    """
    return str(_read()["sha256"].get(name, ""))


def remember_sum(name: str, sha256: str) -> None:
    """Remember the sha256 of a model's file.

    Raises:
        DownloadError: The file that remembers is damaged, or cannot be written.
    """
    known = _read()
    _write(known | {"sha256": known["sha256"] | {name: sha256}})


def is_accepted(name: str, licence: str) -> bool:
    """Tell whether the user has accepted a model's licence, and whether it still is that one.

    Raises:
        DownloadError: The file that remembers is damaged.
    """
    return bool(_read()["accepted"].get(name) == licence)


def accept(name: str, licence: str) -> None:
    """Remember that the user has accepted a model's licence.

    Raises:
        DownloadError: The file that remembers is damaged, or cannot be written.
    """
    known = _read()
    _write(known | {"accepted": known["accepted"] | {name: licence}})


def _read() -> dict[str, Any]:
    file = memory_file()
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {"sha256": {}, "accepted": {}}
    except OSError as error:
        raise DownloadError(f"{file} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise _damaged(file) from error
    if not isinstance(known, dict) or not all(isinstance(known.get(key), dict) for key in ("sha256", "accepted")):
        raise _damaged(file)
    return known


def _damaged(file: Path) -> DownloadError:
    return DownloadError(f"{file} is damaged; delete it, and fetched models are taken as they are from then on")


def _write(known: dict[str, Any]) -> None:
    file = memory_file()
    part = file.with_name(file.name + ".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise DownloadError(f"{file} cannot be written ({error.strerror})") from error
