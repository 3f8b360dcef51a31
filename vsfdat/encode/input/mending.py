"""BestSource's frames, and FFmpeg's own from where BestSource gives up on a damaged file.

BestSource checks each frame against what it decoded when it indexed the file. Decoders mend damage differently each
time, by threads or by what their memory holds, so it refuses frames at random; and with several threads it takes the
first packet that cannot be decoded for the end of the film.
"""

import functools
import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import vapoursynth as vs

from .decoding import Film, Reader

_log = logging.getLogger(__name__)

_REFUSED = re.compile(r"VideoSource: .*?frame (?:number )?(\d+)")
_CHROMA = {(0, 0): "444", (1, 0): "422", (1, 1): "420", (2, 0): "411", (0, 1): "440", (2, 2): "410"}
# As FFmpeg stores RGB: green, blue, red.
_PLANES = {vs.RGB: (2, 0, 1)}


class Mending:
    """Gives a clip that can go on with another decoder in the middle.

    Args:
        film: Has the frames of `direct`, and those that it lacks at its end.
        direct: What BestSource gives.
        props: What FFmpeg's frames are said to be; BestSource says it of its own.
    """

    def __init__(self, film: Film, direct: vs.VideoNode, props: dict[str, Any]) -> None:
        self._path, self._direct = film.path, direct
        self._blank = direct.std.BlankClip(length=len(film.pts), keep=True)
        described = self._blank.std.SetFrameProps(**props) if props else self._blank
        # Not by a method: a clip that holds what holds it is never freed.
        self._mended = described.std.ModifyFrame(described, functools.partial(_fill, Reader(film)))
        self._lock = threading.Lock()
        self._has_begun = False

    def make_clip(self) -> vs.VideoNode:
        """Make the clip: BestSource's frames until `retry` meets one that it refuses."""
        return self._blank.std.FrameEval(self._choose, clip_src=[self._direct, self._mended])

    def retry[T](self, work: Callable[[], T]) -> T:
        """Do what asks for frames; where BestSource refuses one, have FFmpeg decode the rest and do it again.

        Raises:
            vapoursynth.Error: For any other reason, or again.
        """
        try:
            return work()
        except vs.Error as error:
            if not self._goes_on(error):
                raise
        return work()

    def watch(self, clip: vs.VideoNode) -> "Watched":
        """Give something to ask for frames of a clip made from this one, which asks again likewise."""
        return Watched(clip, self._goes_on)

    def _goes_on(self, error: BaseException) -> bool:
        """Tell whether the rest is FFmpeg's to decode, and see to it."""
        refused = _REFUSED.search(str(error)) if isinstance(error, vs.Error) else None
        if refused is None:
            return False
        with self._lock:
            has_begun, self._has_begun = self._has_begun, True
        if not has_begun:
            _log.warning(
                "%s: BestSource gives up at frame %s, as it does in damaged files; FFmpeg decodes the rest, in one "
                "thread.", self._path, refused[1],
            )  # fmt: skip
        return True

    def _choose(self, n: int) -> vs.VideoNode:
        return self._mended if self._has_begun or n >= self._direct.num_frames else self._direct


class Watched:
    """A clip to ask for frames, each of them once more if it was refused.

    Args:
        clip: Has them.
        goes_on: Tells of an error whether to ask again.
    """

    def __init__(self, clip: vs.VideoNode, goes_on: Callable[[BaseException], bool]) -> None:
        self._clip, self._goes_on = clip, goes_on
        self.num_frames = clip.num_frames

    def get_frame_async(self, n: int) -> Future[vs.VideoFrame]:
        """Ask for a frame, as of a clip."""
        wanted: Future[vs.VideoFrame] = Future()
        self._ask(n, wanted, is_first=True)
        return wanted

    # Methods, for functions that call each other would hold the clip until somebody looks for such circles.
    def _ask(self, n: int, wanted: Future[vs.VideoFrame], *, is_first: bool) -> None:
        settle = functools.partial(self._settle, n, wanted, is_first=is_first)
        self._clip.get_frame_async(n).add_done_callback(settle)

    def _settle(self, n: int, wanted: Future[vs.VideoFrame], found: Future[vs.VideoFrame], *, is_first: bool) -> None:
        error = found.exception()
        if error is None:
            wanted.set_result(found.result())
        elif is_first and self._goes_on(error):
            self._ask(n, wanted, is_first=False)
        else:
            wanted.set_exception(error)


def _fill(reader: Reader, n: int, f: vs.VideoFrame) -> vs.VideoFrame:
    frame = f.copy()
    picture = _as_planes(reader.read(n), frame)
    order: Sequence[int] = _PLANES.get(frame.format.color_family, range(frame.format.num_planes))
    for target, plane in enumerate(order):
        pixels = np.asarray(frame[target])
        source = picture.planes[plane]
        rows = np.frombuffer(source, pixels.dtype).reshape(-1, source.line_size // pixels.itemsize)
        pixels[:] = rows[: pixels.shape[0], : pixels.shape[1]]
    return frame


def _as_planes(picture: Any, frame: vs.VideoFrame) -> Any:
    """Have a decoded picture in a frame's format and size, as they are where they fit already."""
    name = _pixel_format(frame.format)
    # Alpha is one plane more, and "yuvj" is an old word for full range: neither is to be converted.
    plain = picture.format.name.replace("yuva", "yuv").replace("yuvj", "yuv").replace("gbrap", "gbrp")
    # BestSource cuts off what is half a chroma sample.
    fits = 0 <= picture.width - frame.width < 4 and 0 <= picture.height - frame.height < 4
    if fits and plain == name:
        return picture
    return picture.reformat(None if fits else frame.width, None if fits else frame.height, name)


def _pixel_format(form: vs.VideoFormat) -> str:
    """Name a planar format as FFmpeg does."""
    kind = {vs.GRAY: "gray", vs.RGB: "gbrp"}.get(form.color_family)
    name = kind or f"yuv{_CHROMA[form.subsampling_w, form.subsampling_h]}p"
    depth = "f" * (form.sample_type == vs.FLOAT) + str(form.bits_per_sample)
    return name if depth == "8" else f"{name}{depth}le"
