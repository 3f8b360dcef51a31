"""Who makes the segments of a film: this process, or the machines of a cluster."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from ..pace import Pace
from ..segments import Manifest, Segment
from .cluster import Cluster
from .here import Here


class Maker(Protocol):
    """Makes segments and seals them; what is sealed is never made again."""

    def make(
        self, segments: Sequence[Segment], manifest: Manifest, advance: Callable[[int], None], stop: threading.Event
    ) -> Pace | None:
        """Make segments, in any order, until they are done or an event is set.

        Args:
            segments: Those that are not sealed yet.
            manifest: Seals them.
            advance: To be told of frames that are done.
            stop: Set when the user wants it to end.

        Returns:
            How fast it was, where there is one pace to speak of.
        """


__all__ = ["Cluster", "Here", "Maker"]
