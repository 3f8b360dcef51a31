"""How fast, how large and how exact: ours beside everything else that runs FDAT, in one interleaved run."""

from .measure import Result, Settings, compare
from .report import to_json, to_table

__all__ = ["Result", "Settings", "compare", "to_json", "to_table"]
