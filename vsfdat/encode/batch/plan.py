"""Many files: which they are, and what each becomes."""

import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsfdat.errors import EncodeError

# What a folder is searched for; a file that is named itself may end as it likes.
VIDEO_SUFFIXES = (
    ".3gp", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogm", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
)  # fmt: skip
USUAL_NAME = "{stem}.mkv"


@dataclass(frozen=True)
class Item:
    """One file of a batch, and the file that it becomes."""

    input: Path
    output: Path


def find_items(paths: Sequence[str], name: str, *, recursive: bool) -> tuple[list[Item], Path | None]:
    """Tell one film and its output from a batch.

    Args:
        paths: As they were given.
        name: Of the outputs of a batch.
        recursive: Whether folders are searched with all folders below them.

    Returns:
        The films, and the folder for their outputs; None for one film with a name of its own.

    Raises:
        EncodeError: They name nothing that can be done.
    """
    if len(paths) < 2:
        raise EncodeError(
            "name a video and the file to make of it, as in: vsfdat IN.mkv OUT.mkv; or videos and a folder"
        )
    *inputs, last = paths
    is_folder = last.endswith(("/", os.sep)) or Path(last).is_dir()
    if is_folder:
        return plan_batch([Path(path) for path in inputs], Path(last), name, recursive=recursive), Path(last)
    if len(inputs) > 1 or name != USUAL_NAME:
        raise EncodeError(f"the last of the paths must be a folder for the outputs, as in {last}/, passed {last!r}")
    return [Item(Path(inputs[0]), Path(last))], None


def plan_batch(inputs: Sequence[Path], folder: Path, name: str = USUAL_NAME, *, recursive: bool = False) -> list[Item]:
    """Find the files of a batch and name their outputs, in the order given; a folder's in the order of their numbers.

    Args:
        inputs: Files, folders, or patterns such as `*.mkv` where no shell has made names of them.
        folder: For the outputs; folders below an input folder are repeated in it.
        name: Of an output; `{stem}` is the input's name without its ending.
        recursive: Whether folders are searched with all folders below them.

    Raises:
        EncodeError: An input is missing, a folder holds no video, or two outputs would have one name.
    """
    pairs = [pair for path in inputs for pair in _find(path, recursive=recursive, leave_out=folder)]
    items = [Item(path, folder / below / _fill(name, path)) for path, below in pairs]
    made = {os.path.normcase(item.output.absolute()) for item in items if item.output != item.input}
    items = [item for item in items if os.path.normcase(item.input.absolute()) not in made]
    _check_names(items)
    return items


def _find(path: Path, *, recursive: bool, leave_out: Path) -> list[tuple[Path, Path]]:
    """List an input's files, each with the folder that it lies in, as seen from the input."""
    if path.is_dir():
        return _search(path, recursive=recursive, leave_out=leave_out)
    if path.exists():
        return [(path, Path())]
    matches = sorted(map(Path, glob.glob(str(path))), key=_by_number)  # noqa: PTH207 (the pattern may be absolute)
    if not matches:
        raise EncodeError(f"input not found: {path}")
    return [(match, Path()) for match in matches if match.is_file()]


def _search(folder: Path, *, recursive: bool, leave_out: Path) -> list[tuple[Path, Path]]:
    found = folder.rglob("*") if recursive else folder.iterdir()
    videos = [path for path in found if _is_video(path.relative_to(folder)) and path.is_file()]
    if folder.resolve() != leave_out.resolve():  # what an earlier run made is not to be upscaled again
        videos = [path for path in videos if not path.resolve().is_relative_to(leave_out.resolve())]
    if not videos:
        hint = "" if recursive else "; pass --recursive to search the folders in it"
        raise EncodeError(f"{folder}: holds no video file{hint}")
    return [(path, path.relative_to(folder).parent) for path in sorted(videos, key=_by_number)]


def _is_video(path: Path) -> bool:
    """Tell a video by its name; what is hidden, or lies in a hidden folder, is somebody's working file."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _by_number(path: Path) -> list[tuple[int, str]]:
    """Order episode 2 before episode 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(path).lower())]


def _fill(name: str, path: Path) -> str:
    if "{stem}" not in name:
        raise EncodeError(f"--name must hold {{stem}}, the input's name without its ending, passed {name!r}")
    return name.replace("{stem}", path.stem)


def _check_names(items: Iterable[Item]) -> None:
    taken: dict[str, Path] = {}
    for item in items:
        key = os.path.normcase(item.output.absolute())
        if other := taken.get(key):
            raise EncodeError(
                f"{other} and {item.input} would both become {item.output}; "
                "upscale them one by one, or into folders of their own"
            )
        taken[key] = item.input
        if item.output.exists() and item.output.samefile(item.input):
            raise EncodeError(
                f"output is the input: {item.output}; choose another folder, or --name as {{stem}}_2x.mkv"
            )
