"""What the encoder's thread does with pictures: each segment into a file of its own, and sealed beside the next."""

import contextlib
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..extras import require
from ..output.encoders import planar_format
from ..output.encoding import SegmentEncoder
from ..segments import Manifest, Part, Segment
from ..streams import Captioner
from ..work import Work
from .frames import Frames, KeptFrame


class Segmented:
    """Encodes the frames of segments in a row.

    While one encoder writes what it still holds, the next one has begun: no frame waits for either.

    Args:
        work: The film.
        segments: In the order that their frames come.
        manifest: Seals them.
        frames: Where they come from.
        keeps_part: `finish` leaves the segment under way as a file, as far as it is.

    Raises:
        EncodeError: The codec takes none of this.
    """

    def __init__(
        self, work: Work, segments: Sequence[Segment], manifest: Manifest, frames: Frames, *, keeps_part: bool
    ) -> None:
        self._video, self._manifest, self._keeps_part, self._frames = work.video, manifest, keeps_part, frames
        self._left = deque(segments)
        self._captioner = Captioner(work.source, work.plan)
        self._planes = planar_format(work.video.clip.format)
        self._prepared = 0
        self._sealing = ThreadPoolExecutor(1, "vsfdat-seal")
        self._sealed: Future[None] | None = None
        self.frames = self.repeats = 0
        self._encoder: SegmentEncoder | None = None
        try:
            self._begin_next()  # so that what it refuses is told before there is a frame
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of everything; what is not sealed is gone, but for the part that `finish` left."""
        self._sealing.shutdown()
        self._captioner.close()
        if self._encoder is not None:
            self._encoder.close()
            self._manifest.part(self._encoder.segment).unlink(missing_ok=True)

    def prepare(self, frame: vs.VideoFrame | KeptFrame) -> Any:
        """Copy the next frame into one that FFmpeg can keep; this may run beside `write`."""
        place = self._prepared
        self._prepared += 1
        if isinstance(frame, KeptFrame):
            picture = self._frames.unpack(frame)
        else:
            self.repeats += "VsfdatRepeat" in frame.props
            picture = require("av").VideoFrame(frame.width, frame.height, self._planes)
            for index, plane in enumerate(picture.planes):
                _copy_plane(np.asarray(frame[index]), plane)
            self._frames.keep(place, picture)
        return picture

    def write(self, picture: Any) -> None:
        """Encode what `prepare` gave."""
        if self._encoder is None:
            self._begin_next()
        encoder = self._encoder
        assert encoder is not None
        encoder.write(self._captioner.put_on(picture, encoder.segment.first + encoder.frames))
        self.frames += 1
        if encoder.frames == encoder.segment.frames:
            self._wait_for_seal()
            self._encoder, self._sealed = None, self._sealing.submit(self._seal, encoder)

    def finish(self, *, is_whole: bool) -> None:
        """Seal what is whole.

        Args:
            is_whole: Every frame came.
        """
        self._wait_for_seal()
        if not is_whole and self._keeps_part and self._encoder is not None and self._encoder.frames:
            encoder, self._encoder = self._encoder, None
            self._manifest.parts[encoder.segment.number] = Part(encoder.frames, encoder.finish())

    def _begin_next(self) -> None:
        segment = self._left.popleft()
        self._captioner.begin(segment.first)
        self._encoder = SegmentEncoder(self._manifest.part(segment), self._video, segment)

    def _wait_for_seal(self) -> None:
        if self._sealed is not None:
            self._sealed.result()

    def _seal(self, encoder: SegmentEncoder) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(encoder.close)
            delay = encoder.finish()
        self._frames.forget(encoder.segment)
        self._manifest.seal(encoder.segment, delay)


def _copy_plane(pixels: NDArray[Any], plane: Any) -> None:
    """Copy [H, W] pixels into rows that the encoder has padded as it likes."""
    rows = np.frombuffer(plane, pixels.dtype).reshape(-1, plane.line_size // pixels.itemsize)
    rows[: pixels.shape[0], : pixels.shape[1]] = pixels
