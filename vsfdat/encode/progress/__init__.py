"""How far the work is, for whoever looks: a bar, lines of a log, or JSON for another program."""

from .films import Show, show_progress
from .json_lines import JsonLines
from .whole import Whole

__all__ = ["JsonLines", "Show", "Whole", "show_progress"]
