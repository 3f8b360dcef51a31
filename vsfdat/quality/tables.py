"""Markdown tables, a line at a time, so that each can be printed as soon as it is known."""

from collections.abc import Iterable, Iterator


def table_head(corner: str, columns: Iterable[str]) -> Iterator[str]:
    """Give the two lines that a table begins with.

    Args:
        corner: What the cells hold, above the rows' names.
        columns: Names of the columns behind the rows' names.
    """
    names = [corner, *columns]
    yield table_row(*names)
    yield "|---" * len(names) + "|"


def table_row(*cells: str) -> str:
    """Give a line of a table, the row's name first."""
    return f"| {' | '.join(cells)} |"
