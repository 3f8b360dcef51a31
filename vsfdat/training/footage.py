"""Real footage: squares of successive frames, cut from the videos that lie beside the training pictures."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsfdat.errors import TrainingError
from vsfdat.quality.clips import VIDEO_SUFFIXES
from vsfdat.quality.pictures import Picture

_log = logging.getLogger(__name__)
_MOST = 200  # cuttings of one video, spread over it: 140 MB where a frame is a square of 160 pixels


@dataclass(frozen=True)
class Cutting:
    """Hold a square of successive frames, a scene as `ClipSampler` takes it.

    Args:
        frames: [L, S, S, 3] uint8.
    """

    frames: NDArray[np.uint8]

    def frame(self, n: int) -> Picture:
        """Give frame n, [S, S, 3]."""
        picture: Picture = self.frames[n]
        return picture

    def drawing(self, n: int) -> int:
        """Tell frames apart: no two are taken for the same."""
        return n

    def turned(self, orientation: int) -> "Cutting":
        """Turn all frames one of 8 ways: a view."""
        frames = np.rot90(self.frames, orientation % 4, axes=(1, 2))
        return Cutting(frames[:, :, ::-1] if orientation >= 4 else frames)


def read_footage(folder: Path, length: int, side: int) -> list[Cutting]:
    """Cut squares out of every video in a folder; their places are drawn by the file's number, the same every time.

    Args:
        folder: Where videos lie, beside pictures; what is no folder holds none.
        length: Frames of a cutting.
        side: Width and height of a cutting, in pixels of the video.

    Raises:
        TrainingError: A video cannot be read, or is smaller than a square.
    """
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    cuttings = [cutting for n, video in enumerate(videos) for cutting in _cut(video, length, side, n)]
    if videos:
        _log.info("%d cuttings of %d frames from %d videos", len(cuttings), length, len(videos))
    return cuttings


def _cut(video: Path, length: int, side: int, number: int) -> Iterator[Cutting]:
    import av

    draw = np.random.default_rng(number)
    try:
        with av.open(str(video.absolute())) as container:
            if not container.streams.video:
                raise TrainingError(f"{video} holds no video")
            stream = container.streams.video[0]
            if min(stream.width, stream.height) < side:
                raise TrainingError(f"{video} is {stream.width}x{stream.height}, and a patch with its margin {side}")
            stride = _stride(container, length)
            for n, run in enumerate(batched(islice(container.decode(video=0), stride * length * _MOST), length)):
                if n % stride == 0 and len(run) == length:  # the last one may be shorter
                    yield Cutting(_square(run, side, draw))
    except av.FFmpegError as error:
        raise TrainingError(f"{video} cannot be read as a video: {error.strerror}") from error


def _square(run: Sequence[Any], side: int, draw: np.random.Generator) -> NDArray[np.uint8]:
    """Convert frames, and keep a square of them at a place that is drawn."""
    top, left = (int(draw.integers(size - side + 1)) for size in (run[0].height, run[0].width))
    return np.stack([frame.to_ndarray(format="rgb24")[top : top + side, left : left + side] for frame in run])


def _stride(container: Any, length: int) -> int:
    """Which of a video's runs become cuttings: every, or of a long one every so many."""
    stream = container.streams.video[0]
    seconds = (container.duration or 0) / 1e6  # FFmpeg's own unit, known where a stream's frames are not counted
    frames = stream.frames or seconds * float(stream.average_rate or 0)
    return max(1, round(frames / length / _MOST))
