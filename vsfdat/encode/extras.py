"""Optional packages that the command needs, asked for by the name of the extra that brings them."""

from typing import Any

from vsfdat import console
from vsfdat.errors import EncodeError

_USUAL = '"vsfdat[cli]"'
_EXTRAS = {"ray": '"vsfdat[cluster]"'}


def require(name: str) -> Any:
    """Import an optional package.

    Raises:
        EncodeError: It is not installed.
    """
    return console.require(name, EncodeError, install=_EXTRAS.get(name, _USUAL))
