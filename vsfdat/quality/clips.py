"""Short clips to compress and to measure on: cut from videos, or made of pictures that a camera passes over."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from vsfdat.errors import TrainingError

from .pictures import SUFFIXES, Picture, centre, decode

VIDEO_SUFFIXES = (".mkv", ".mp4", ".webm", ".mov", ".avi", ".mpg", ".vob")
LENGTH = 12  # frames: a few groups of a codec's predicted frames
SIZE = (384, 512)  # rows and columns at most, from the centre, so that an evaluation takes minutes on a CPU
_PAN = (1, 3)  # rows and columns that a camera moves from frame to frame


@dataclass(frozen=True)
class Clip:
    """Hold a short clip.

    Args:
        name: The file that it comes from.
        frames: Pictures [H, W, 3] of one size.
    """

    name: str
    frames: list[Picture]


def clip_folders(data: Path) -> list[Path]:
    """List the folders of clips in a folder, or the folder itself where it holds clips; a file stands for itself.

    Raises:
        TrainingError: There is nothing to make clips of.
    """
    if data.is_file():
        return [data]
    inner = sorted(data.iterdir()) if data.is_dir() else []
    folders = [folder for folder in [data, *inner] if folder.is_dir() and _sources(folder)]
    if not folders:
        raise TrainingError(f"no videos or pictures in {data} or in the folders in it")
    return folders


def read_clips(folder: Path, multiple: int) -> Iterator[Clip]:
    """Read the first frames of every video, and pass over every picture; all cropped to their centre.

    Args:
        folder: A folder that `clip_folders` gave, or a file.
        multiple: What the frames' width and height are to be a multiple of.
    """
    for file in _sources(folder):
        if file.suffix.lower() in VIDEO_SUFFIXES:
            frames = read_frames(file, LENGTH, crop=SIZE)
        else:
            frames = _panned(decode(file.read_bytes(), str(file)))
        rows, columns = (length // multiple * multiple for length in frames[0].shape[:2])
        yield Clip(file.name, [frame[:rows, :columns] for frame in frames])


def read_frames(video: Path, count: int, skip: int = 0, crop: tuple[int, int] | None = None) -> list[Picture]:
    """Decode some frames of a video.

    Args:
        video: Any file that FFmpeg reads.
        count: How many frames; fewer where the video ends.
        skip: Frames to pass over first.
        crop: Rows and columns to keep of the centre.

    Returns:
        Pictures [H, W, 3].

    Raises:
        TrainingError: The file is missing or no video, or holds fewer than two frames after those skipped.
    """
    import av

    try:
        with av.open(str(video.absolute())) as container:
            if not container.streams.video:
                raise TrainingError(f"{video} holds no video")
            wanted = islice(container.decode(video=0), skip, skip + count)
            frames = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in wanted]
    except av.FFmpegError as error:
        raise TrainingError(f"{video} cannot be read as a video: {error.strerror}") from error
    if len(frames) < 2:
        raise TrainingError(f"{video} has no two frames after the first {skip}")
    return frames if crop is None else [centre(frame, *crop) for frame in frames]


def _sources(folder: Path) -> list[Path]:
    files = [folder] if folder.is_file() else sorted(folder.iterdir())
    return [file for file in files if file.suffix.lower() in (*VIDEO_SUFFIXES, *SUFFIXES)]


def _panned(picture: Picture) -> list[Picture]:
    """Move a window of the picture's centre, by whole pixels, so that no frame is less sharp than the picture."""
    down, right = _PAN
    travel = (down * (LENGTH - 1), right * (LENGTH - 1))
    ground = centre(picture, SIZE[0] + travel[0], SIZE[1] + travel[1])
    rows, columns = max(0, ground.shape[0] - travel[0]), max(0, ground.shape[1] - travel[1])
    return [ground[down * n : down * n + rows, right * n : right * n + columns] for n in range(LENGTH)]
