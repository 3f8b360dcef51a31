"""Opening a file of FFmpeg's, and wording what is wrong with it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vsfdat.errors import EncodeError

from .extras import require


def open_container(path: Path) -> Any:
    """Open a file with PyAV for reading.

    Raises:
        EncodeError: No such file, or not one that holds video or sound.
    """
    av = require("av")
    if path.is_dir():
        raise EncodeError(f"input is a folder, name a video file in it: {path}")
    if not path.exists():
        raise EncodeError(f"input not found: {path}")
    if not path.is_file():
        raise EncodeError(f"input is a pipe or a device: {path} (a film is read from a file, more than once)")
    try:
        return av.open(ffmpeg_path(path))
    except (av.FFmpegError, OSError) as error:
        raise EncodeError(f"{path}: not a readable video file ({_why_unreadable(path) or reason(error)})") from error


def _why_unreadable(path: Path) -> str | None:
    """Find what a user could have known: nothing is in the file, or an MP4 or MOV ends before its index."""
    whole: set[bytes] = set()
    with contextlib.suppress(OSError), path.open("rb") as file:
        size = path.stat().st_size
        if size == 0:
            return "it is empty"
        while len(head := file.read(16)) == 16:
            # A size of 1 stands for a longer one behind the name, and one of 0 for all of the rest.
            length = int.from_bytes(head[8:] if head[:4] == bytes((0, 0, 0, 1)) else head[:4])
            if length < 8 or file.tell() - 16 + length > size:
                break
            whole.add(head[4:8])
            file.seek(length - 16, os.SEEK_CUR)
    stopped = b"ftyp" in whole and b"moov" not in whole
    return "its index is missing, as when a download or a recording stopped" if stopped else None


def ffmpeg_path(path: Path) -> str:
    """Name a file so that FFmpeg takes it for one: it would ask a relative name with a colon for its protocol."""
    return str(path.absolute())


def video_stream(container: Any, path: Path) -> Any:
    """Choose the stream that a player would show; cover pictures are no video.

    Raises:
        EncodeError: There is none.
    """
    best = container.streams.best("video")
    if best is None or best.disposition & require("av").stream.Disposition.attached_pic:
        raise EncodeError(f"{path}: holds no video stream")
    return best


def clock_jumps_back(path: Path) -> EncodeError:
    """Word what a user does about a file whose times begin anew midway, as where recordings were joined."""
    return EncodeError(
        f"{path}: its clock jumps back midway, as in joined recordings; "
        f'give it one clock first, as with: ffmpeg -i "{path.name}" -c copy "{path.stem}.mkv"'
    )


@contextlib.contextmanager
def cannot_be(path: Path, done: str) -> Iterator[None]:
    """Turn what FFmpeg and the disk complain of into one sentence that names the file: it cannot be `done`."""
    try:
        yield
    except (require("av").FFmpegError, OSError) as error:
        raise EncodeError(f"{path}: cannot be {done} ({reason(error)})") from error


def reason(error: BaseException) -> str:
    """Shorten a library's message to what went wrong: the file is named already."""
    text = getattr(error, "strerror", None) or str(error)
    return text.removeprefix("VideoSource: ").strip().partition("\n")[0]
