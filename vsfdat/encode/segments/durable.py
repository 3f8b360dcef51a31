"""Files that are there after a power cut, whole."""

import contextlib
import os
from pathlib import Path


def flush(path: Path) -> None:
    """Have a file's bytes reach the disk, and its name."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    flush_names(path.parent)


def flush_names(folder: Path) -> None:
    """Have a folder's names reach the disk, where the system has a way to: Windows has none, some shares neither."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace(path: Path, target: Path) -> None:
    """Give a file another name, for good."""
    flush(path)
    path.replace(target)
    flush_names(target.parent)


def write(path: Path, text: str) -> None:
    """Write a small file so that at any moment the old or the new one is there, whole."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    replace(part, path)
