"""Ends of a run in its middle: by the user, or by an error such as a full disk."""

import os
import signal

import pytest

from vsfdat.encode.output.encoding import SegmentEncoder


def stop_after(
    monkeypatch: pytest.MonkeyPatch, frames: int, segment: int = 0, error: BaseException | None = None
) -> None:
    """Have a run stopped when so many frames of a segment are encoded: by Ctrl-C, or by an error."""
    write = SegmentEncoder.write

    def writing(self, picture):
        write(self, picture)
        if (self.segment.number, self.frames) == (segment, frames):
            if error:
                raise error
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SegmentEncoder, "write", writing)
