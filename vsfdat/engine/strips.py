"""Which rows are made together, and which rows they need: integers only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Strip:
    """Some rows of a map, and the rows around them that they are made from.

    Args:
        start: First row made.
        stop: The row after the last made.
        top: First row needed.
        bottom: The row after the last needed.
    """

    start: int
    stop: int
    top: int
    bottom: int

    @property
    def core(self) -> tuple[int, int]:
        """The rows made, counted from the frame's first."""
        return self.start, self.stop

    @property
    def inner(self) -> tuple[int, int]:
        """The rows made, counted from the first needed."""
        return self.start - self.top, self.stop - self.top


def around(rows: tuple[int, int], height: int, halo: int, align: int = 1) -> Strip:
    """Find the rows that some rows are made from.

    Args:
        rows: First row made and the row after the last.
        height: Rows of the map.
        halo: Rows needed above and below, where the frame goes on.
        align: What the first row needed is a multiple of.
    """
    start, stop = rows
    return Strip(start, stop, max(start - halo, 0) // align * align, min(stop + halo, height))


def cut_strips(height: int, rows: int, halo: int = 0) -> list[Strip]:
    """Cut a map into strips from the top.

    Args:
        height: Rows of the map.
        rows: Rows of a strip, the last one's aside; at least 1.
        halo: Rows needed above and below a strip, where the frame goes on.
    """
    return [around((start, min(start + rows, height)), height, halo) for start in range(0, height, rows)]
