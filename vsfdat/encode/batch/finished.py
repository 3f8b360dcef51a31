"""Which outputs of a folder are finished, and what they were made of: so that the same command passes them over."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import filelock

from ..segments import Identity, durable

_NAME = ".vsfdat.json"
_FORMAT = 1
# For another batch in the same folder.
_SECONDS_TO_WAIT = 10


class Finished:
    """The list that lies in a folder of outputs.

    Args:
        folder: Of the batch; outputs may lie in folders below it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, output: Path, identity: Identity) -> bool:
        """Tell whether an output is there as it was finished, and was made of the same by the same."""
        known = self._read().get(self._name(output))
        return known is not None and known == self._describe(output, identity)

    def add(self, output: Path, identity: Identity) -> None:
        """Note an output that is finished, so that even a power cut does not make it forgotten."""
        lock = self._folder / f"{_NAME}.lock"
        with filelock.FileLock(lock, timeout=_SECONDS_TO_WAIT):
            known = self._read()
            known[self._name(output)] = self._describe(output, identity)
            durable.write(self._folder / _NAME, json.dumps({"format": _FORMAT, "finished": known}, indent=1))
        with contextlib.suppress(OSError):  # Windows keeps it while another batch waits for it
            lock.unlink(missing_ok=True)

    def _describe(self, output: Path, identity: Identity) -> dict[str, Any] | None:
        if not output.is_file():
            return None
        state = output.stat()
        return {"bytes": state.st_size, "changed": state.st_mtime_ns, "made of": dict(identity)}

    def _name(self, output: Path) -> str:
        return os.fsencode(output.relative_to(self._folder)).decode(errors="surrogateescape")

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads((self._folder / _NAME).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        known = content.get("finished") if isinstance(content, dict) and content.get("format") == _FORMAT else None
        return known if isinstance(known, dict) else {}
