"""What the command does with the paths that it is given."""

import functools
from collections.abc import Sequence

from vsfdat.errors import VsfdatError
from vsfdat.options import Settings

from ..job import Outcome, upscale_file
from ..progress import JsonLines, Show, Whole, show_progress
from .plan import Item, find_items
from .report import Report
from .run import Result, upscale_all, weigh


def upscale_paths(paths: Sequence[str], name: str, settings: Settings, *, is_recursive: bool, as_json: bool) -> int:
    """Upscale one film, or all that some paths name, and say what became of them.

    Args:
        paths: A film and an output, or films, folders and patterns, and a folder.
        name: Of the outputs in a folder.
        settings: For all films.
        is_recursive: Folders are searched with all folders below them.
        as_json: Progress is for a program.

    Returns:
        The status to end with: 0, 1 where a film of several failed, or 130.

    Raises:
        VsfdatError: There is no such film, or the only one fails.
    """
    items, folder = find_items(paths, name, recursive=is_recursive)
    whole = Whole([1]) if folder is None else weigh(items)
    lines = JsonLines(whole) if as_json else None
    show: Show = lines.film if lines else functools.partial(show_progress, whole=whole)
    report = Report(lines)
    if folder is None:
        report.tell(Result(items[0], _upscale_one(items[0], settings, show, lines)))
        return report.end(1)
    try:
        for result in upscale_all(items, folder, settings, whole, show):
            report.tell(result)
    except KeyboardInterrupt:
        return report.end(len(items), is_stopped=True)
    return report.end(len(items))


def _upscale_one(item: Item, settings: Settings, show: Show, lines: JsonLines | None) -> Outcome:
    try:
        return upscale_file(item.input, item.output, settings, show=show)
    except VsfdatError as error:
        if lines:
            lines.say("failed", output=str(item.output), reason=str(error))
        raise
