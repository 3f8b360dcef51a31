"""An output appears whole under its name, or not at all."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def landing(output: Path) -> Iterator[Path]:
    """Give a name beside the output to write to: the output appears whole, or not at all."""
    partial = output.with_name(f"{output.stem}.partial-{secrets.token_hex(4)}{output.suffix}")
    try:
        yield partial
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
