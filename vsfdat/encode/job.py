"""The command's whole work on a film: open it, plan its segments, have them made somewhere, join them."""

import contextlib
import functools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsfdat.errors import EncodeError
from vsfdat.interrupt import stop_on_interrupt
from vsfdat.models.catalog import find_model
from vsfdat.options import Settings

from .container import cannot_be
from .formats import CONTAINERS
from .identity import identify_work
from .input.damage import DamageCount
from .makers import Cluster, Here
from .output.codecs import Codec, find_codec
from .output.encoders import Options
from .output.landing import check_output, follow, landing, name_job
from .output.writer import Writer, check_fit, try_container
from .progress import Show, show_progress
from .segments import Manifest, Segment, is_partial, plan_segments
from .work import Work, open_work

_TRACEBACK = "Traceback (most recent call last):\n"


@dataclass(frozen=True)
class Outcome:
    """What became of a film: `frames` of `total` are done, fewer where the user interrupted.

    `made` of them are of this run, in `seconds`. `is_playable`: the output is there, whole or as far as it is.
    `is_stopped`: the user interrupted, be it at the very end. `remark` says what held the work up, where something did
    that a user can change.
    """

    output: Path
    frames: int
    total: int
    width: int
    height: int
    made: int
    seconds: float
    is_playable: bool = True
    is_stopped: bool = False
    remark: str | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing interrupted."""
        return self.frames == self.total


def upscale_file(
    path: Path, output: Path, settings: Settings, network: Any = None, show: Show = show_progress
) -> Outcome:
    """Upscale a video file into another; sound, subtitles, times and colours are carried over.

    The work is kept segment by segment, in a hidden folder beside the output, until the film is whole: the same call
    goes on where an earlier one ended, whatever ended it. Ctrl-C, SIGTERM and SIGHUP end it after the frames under way,
    which are few.

    Args:
        path: Whatever BestSource decodes.
        output: Its ending chooses the container. It appears when it is whole.
        settings: All else.
        network: What `load_model` gave for the settings' model, where several films share it.
        show: Shows how far it is.

    Raises:
        EncodeError: The input cannot be read, the output cannot be written, or a setting does not fit them.
        VsfdatError: The model is unknown or unusable.
        KeyboardInterrupt: The user interrupted before there was anything to keep.
    """
    codec, options = _check(path, output, settings)
    container, began = CONTAINERS[output.suffix.lower()], time.monotonic()
    with one_sentence():
        with cannot_be(path, "read"):
            work = open_work(path, container, settings, codec, options, network)
            identity = identify_work(path, options, settings, work)
        with (
            cannot_be(output, "written"),
            stop_on_interrupt() as stop,
            Manifest.open(name_job(follow(output)), identity, output, restart=settings.restart) as manifest,
            _telling_what_is_kept(manifest),
            DamageCount(work.source) as damage,
        ):
            try_container(work.video, container)
            return _Job(path, work, manifest, settings).run(show, stop, damage, began)


@dataclass(frozen=True)
class _Job:
    """A film under way."""

    path: Path
    work: Work
    manifest: Manifest
    settings: Settings

    def run(self, show: Show, stop: threading.Event, damage: DamageCount, began: float) -> Outcome:
        """Have it made, as far as the user lets it, and joined."""
        manifest, clip = self.manifest, self.work.video.clip
        outcome = functools.partial(Outcome, manifest.output, total=self.total, width=clip.width, height=clip.height)
        if manifest.has_landed(follow(manifest.output)):
            manifest.is_over = True
            return outcome(self.total, made=0, seconds=time.monotonic() - began)
        missing = manifest.find_missing(self.segments)
        before = self.count_frames()
        remark = self.make(missing, show, stop) if missing else None
        frames, is_playable = self.count_frames(), self.is_playable()
        if frames == 0:
            raise KeyboardInterrupt
        if is_playable:
            frames = self.land()
            damage.tell(frames)
        made, seconds = max(0, frames - before), time.monotonic() - began
        return outcome(
            frames, made=made, seconds=seconds, is_playable=is_playable, is_stopped=stop.is_set(), remark=remark
        )

    @property
    def total(self) -> int:
        """Frames of the whole film."""
        return len(self.work.video.starts)

    @functools.cached_property
    def segments(self) -> list[Segment]:
        """What the film is cut into."""
        return plan_segments(self.total)

    def is_playable(self) -> bool:
        """Tell whether there is a film to join: the whole one, or a part of it that was asked for."""
        is_part = self.settings.keep_partial and any(self.manifest.playable(self.segments))
        return is_part or self.manifest.is_whole(self.segments)

    def count_frames(self) -> int:
        """Count the frames that are done."""
        return self.manifest.count_frames(self.segments)

    def make(self, missing: Sequence[Segment], show: Show, stop: threading.Event) -> str | None:
        """Have segments made; give what is to be said of how that went."""
        maker = self._choose_maker()
        sealed = self.total - sum(segment.frames for segment in missing)
        with show(self.total, str(self.manifest.output), stop, sealed) as advance:
            pace = maker.make(missing, self.manifest, advance, stop)
        video = self.work.video
        if isinstance(maker, Cluster):
            return maker.describe()
        return pace.remark(video.codec, video.options) if pace else None

    def land(self) -> int:
        """Join what is done and give it the output's name; give how many frames that is."""
        manifest, target = self.manifest, follow(self.manifest.output)
        joined = manifest.joined(target.suffix)
        overwrite = self.settings.overwrite or manifest.owns(target)
        with landing(joined, target, overwrite=overwrite):
            frames = self._join(joined)
            manifest.is_over = frames == self.total
            # Noted before: whatever happens while the name changes, the next run knows the file as its own.
            manifest.remember(joined)
        return frames

    def _choose_maker(self) -> Cluster | Here:
        settings, manifest = self.settings, self.manifest
        if settings.cluster is None:
            return Here(self.work, keeps_part=settings.keep_partial)
        return Cluster(settings.cluster, self.path, settings, self.work.plan.container, manifest.identity)

    def _join(self, path: Path) -> int:
        """Write a file of all segments that are done before the first that is not."""
        work, manifest = self.work, self.manifest
        with Writer(path, work.video, work.plan, manifest.delay) as writer:
            for segment, packets in manifest.playable(self.segments):
                writer.add(packets, segment)
            writer.finish(is_whole=writer.frames == self.total)
        return writer.frames


def _check(path: Path, output: Path, settings: Settings) -> tuple[Codec, Options]:
    """Refuse what can be refused before the film is read; give the codec, and its encoder's options."""
    codec = find_codec(settings.codec, settings.encoder)
    find_model(settings.upscale.model)
    options = codec.build_options(settings.crf, settings.preset)
    check_fit(codec, output)
    check_output(path, output, overwrite=settings.overwrite or _is_ours(output))
    return codec, codec.settle_options(options)


def _is_ours(output: Path) -> bool:
    """Tell whether an output is only what an interrupt left of the same film."""
    with contextlib.suppress(OSError):
        return is_partial(name_job(follow(output)), follow(output))
    return False


@contextlib.contextmanager
def _telling_what_is_kept(manifest: Manifest) -> Iterator[None]:
    """Say at the end of an error that not all is lost, where that is so."""
    try:
        with one_sentence(), cannot_be(manifest.output, "written"):
            yield
    except EncodeError as error:
        if manifest.is_worth_keeping():
            raise EncodeError(f"{error}; what is done is kept, and the same command goes on from there") from error
        raise


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what VapourSynth complains of into the command's own error."""
    try:
        yield
    except vs.Error as error:
        raise EncodeError(_last_words(str(error)).removeprefix("vsfdat.upscale: ")) from error


def _last_words(text: str) -> str:
    """Find the message in what VapourSynth says of an error in a filter written in Python, which is its traceback."""
    _, _, trace = text.rpartition(_TRACEBACK)
    if trace == text:
        return text
    # The frames of the stack are indented; the type and the message follow them, and the message may have more lines.
    last = next((line for line in trace.splitlines() if line.strip() and not line.startswith(" ")), text)
    return last.partition(": ")[2] or last
