"""Optional packages that the command needs, asked for by the name of the extra that brings them."""

import importlib
from typing import Any

from vsfdat.console import missing
from vsfdat.errors import EncodeError

_USUAL = '"vsfdat[cli]"'
_EXTRAS = {"ray": '"vsfdat[cluster]"'}


def require(name: str) -> Any:
    """Import an optional package.

    Raises:
        EncodeError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EncodeError(missing(name, install=_EXTRAS.get(name, _USUAL))) from error
