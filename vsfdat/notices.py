"""Log lines that a clip of a million frames must not repeat."""

import logging
import threading


class Once:
    """Say each thing once, however many frames and threads meet it.

    Args:
        logger: Where it is said.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._said: set[str] = set()
        self._lock = threading.Lock()

    def warning(self, message: str, *values: object) -> None:
        """Log a warning unless the same message has been said before, with whatever values."""
        with self._lock:
            if message in self._said:
                return
            self._said.add(message)
        self._logger.warning(message, *values)
