"""How fast decoder, network and encoder are beside each other, and what is said of the one that held the others up."""

import threading
from dataclasses import dataclass
from time import monotonic
from typing import Self

import vapoursynth as vs

from .output.codecs import Codec
from .output.encoders import Options

# Of a second or more, and of the whole time, that the network may wait for another before anyone is told.
_WORTH_TELLING = 0.1


class Busy:
    """Measures how long there was work: from the first piece begun to the last one ended, less the gaps between."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces = 0
        self._since = 0.0
        self._first: float | None = None
        self._last = 0.0
        self.seconds = 0.0

    @property
    def span(self) -> float:
        """Seconds from the first piece's begin to the last one's end."""
        return self._last - self._first if self._first is not None else 0.0

    def seconds_so_far(self) -> float:
        """Seconds with work until now, the piece that is under way included."""
        with self._lock:
            return self.seconds + (monotonic() - self._since if self._pieces else 0.0)

    def begin(self) -> None:
        """Begin a piece; others may be under way."""
        with self._lock:
            if self._pieces == 0:
                self._since = monotonic()
                self._first = self._since if self._first is None else self._first
            self._pieces += 1

    def end(self, _: object = None) -> None:
        """End a piece; takes what a future hands to its callbacks."""
        with self._lock:
            self._pieces -= 1
            if self._pieces == 0:
                self._last = monotonic()
                self.seconds += self._last - self._since

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()


class Arrivals:
    """Measures how long the network had frames to work on: decoded, and not given out yet."""

    def __init__(self) -> None:
        self.computing = Busy()
        self._lock = threading.Lock()
        self._here: set[int] = set()

    def watch(self, clip: vs.VideoNode) -> vs.VideoNode:
        """Give the same clip of decoded frames, each noted as it comes."""
        return clip.std.ModifyFrame(clip, self._arrive)

    def leave(self, number: int) -> None:
        """Note that a frame is given out, or has failed."""
        with self._lock:
            if number in self._here:
                self._here.remove(number)
                self.computing.end()

    def _arrive(self, n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        with self._lock:
            if n not in self._here:
                self._here.add(n)
                self.computing.begin()
        return f


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast each was while it had work, in frames a second, and how long the network had none.

    `clip` is decoder and network together. Of `seconds`, in `encoder_seconds` every frame that had been asked for was
    there, also after the last, and in `decoder_seconds` frames had been asked for and none was decoded. `repeats` of
    `frames` were found among the last ones and not computed.
    """

    clip: float
    network: float
    encoder: float
    seconds: float
    encoder_seconds: float
    decoder_seconds: float
    frames: int = 0
    repeats: int = 0

    @classmethod
    def of(cls, frames: int, upscaling: Busy, computing: Busy, encoding: Busy, after: float) -> Self:
        """Sum up what was measured of some frames; `after` the last one was made the encoder took these seconds."""
        seconds = upscaling.span + after
        return cls(
            clip=frames / max(upscaling.seconds, 1e-9),
            network=frames / max(computing.seconds, 1e-9),
            encoder=frames / max(encoding.seconds, 1e-9),
            frames=frames,
            seconds=seconds,
            encoder_seconds=seconds - upscaling.seconds,
            decoder_seconds=upscaling.seconds - computing.seconds,
        )

    def remark(self, codec: Codec, options: Options) -> str | None:
        """Say what was saved, who held the network up and what would be faster; None where there is nothing to say."""
        said = [self._of_repeats(), self._of_waiting(codec, options)]
        return "\n".join(filter(None, said)) or None

    def _of_repeats(self) -> str | None:
        if not self.repeats:
            return None
        share = f"{self.repeats / self.frames:.0%}"
        return f"{self.repeats} of {self.frames} frames ({share}) repeat earlier ones and were not computed again"

    def _of_waiting(self, codec: Codec, options: Options) -> str | None:
        waited_seconds = max(self.encoder_seconds, self.decoder_seconds)
        if waited_seconds < max(1, _WORTH_TELLING * self.seconds):
            return None
        is_decoder = self.encoder_seconds < self.decoder_seconds
        who, says = ("decoder", self._of_decoder()) if is_decoder else ("encoder", self._of_encoder(codec, options))
        return f"the network waited for the {who} {waited_seconds / self.seconds:.0%} of the time: {says}"

    def _of_decoder(self) -> str:
        return (
            f"{self.clip:.1f} frames a second came, the network makes {self.network:.1f}; "
            "faster: more cores, or a local copy of a film on a share"
        )

    def _of_encoder(self, codec: Codec, options: Options) -> str:
        preset, ways = options.get("preset"), codec.faster_ways(options)
        name = f"{codec.encoder.name} at preset {preset}" if preset else codec.encoder.name
        return (
            f"{name} encodes {self.encoder:.1f} frames a second, "
            f"the network makes {self.clip:.1f}{f'; faster: {ways}' if ways else ''}"
        )
