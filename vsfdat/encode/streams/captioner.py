"""Closed captions of the source's pictures into those that are encoded, segment by segment."""

import logging
from fractions import Fraction
from typing import Any

from ..input.source import Source
from .captions import LOST, Captions, can_hold_captions
from .plan import Plan

_log = logging.getLogger(__name__)


class Captioner:
    """Gives pictures the captions that the source's had, in the order of the film.

    Args:
        source: Knows when its pictures are shown.
        plan: Names the encoder, which may not write captions, and the stream.
    """

    def __init__(self, source: Source, plan: Plan) -> None:
        self._source, self._plan = source, plan
        self._fit = can_hold_captions(plan.encoder)
        self._captions: Captions | None = None
        # Where there can be none, or the user knows that they are left out.
        self._is_over = (plan.has_captions and not self._fit) or not plan.may_have_captions

    def close(self) -> None:
        """Let go of the source's file."""
        self._is_over = True
        if self._captions is not None:
            self._captions.close()

    def begin(self, number: int) -> None:
        """Go on from a frame: each segment's captions are its own, whoever made the one before."""
        if self._is_over:
            return
        begin = self._source.in_film(self._source.pts[number] - Fraction(self._duration(number), 2))
        if self._captions is None:
            self._captions = Captions(self._source.path, self._plan.video, begin)
        else:
            self._captions.skip_to(begin)

    def put_on(self, picture: Any, number: int) -> Any:
        """Give a frame for the encoder its captions.

        Args:
            picture: A PyAV frame.
            number: Of the frame in the source.
        """
        if self._is_over or self._captions is None:
            return picture
        middle = self._source.pts[number] + Fraction(self._duration(number), 2)
        captions = self._captions.before(self._source.in_film(middle))
        if not captions:
            return picture
        if self._fit:
            return self._captions.put_on(picture, captions)
        _log.warning(LOST, self._plan.encoder)
        self.close()
        return picture

    def _duration(self, number: int) -> int:
        pts = self._source.pts
        return (pts[number + 1] if number + 1 < len(pts) else self._source.end) - pts[number]
