"""Optional packages that the command needs, asked for by the name of the extra that brings them."""

import importlib
from typing import Any

from vsfdat.errors import EncodeError


def require(name: str) -> Any:
    """Import an optional package.

    Raises:
        EncodeError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EncodeError(missing(name)) from error


def missing(name: str) -> str:
    """Word what a user does about a package that is not installed."""
    return f'{name} is not installed, it comes with: pip install "vsfdat[cli]"'
