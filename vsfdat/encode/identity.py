"""What must be the same for a job to go on, in words that tell a user what is not."""

import hashlib
import struct
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from vsfdat.models.catalog import find_model
from vsfdat.options import Settings

from .extras import require
from .output.codecs import Codec
from .output.encoders import Options
from .segments import Identity
from .work import Work

# Bytes of the beginning, the middle and the end of a film that are looked at.
_SAMPLE = 1 << 20


# Of the options: those that are above in other words, and those that change no picture.
_SAID_OTHERWISE = ("model", "precision", "tile", "overlap", "device", "num_streams", "compile")


def identify(path: Path, codec: Codec, options: Options, settings: Settings) -> Identity:
    """Name all that the pictures of an output come from and that is known before the film is decoded.

    Args:
        path: The film.
        codec: Of the output.
        options: The encoder's.
        settings: All else.

    Raises:
        OSError: The film cannot be read.
    """
    from vsfdat.plugin import settle_precision  # with torch, which takes seconds

    upscale = settings.upscale
    return {
        "source": f"{path.stat().st_size} bytes with hash {_hash_ends(path)}",
        "start": settings.start,
        "end": settings.end,
        "model": hash_file(find_model(upscale.model)),
        "precision": settle_precision(upscale.device, upscale.precision),
        "tile": f"{upscale.tile[0]}x{upscale.tile[1]}, overlap {upscale.overlap}" if upscale.tile else None,
        **{name: value for name, value in vars(upscale).items() if name not in _SAID_OTHERWISE},
        "encoder": codec.encoder.name,
        **_name_options(options),
        "version of vsfdat": version("vsfdat"),
        "version of PyAV": str(require("av").__version__),
    }


def identify_work(path: Path, options: Options, settings: Settings, work: Work) -> Identity:
    """Name all of that, and what decoding adds: the frames' times, and what the encoder is told because of the film."""
    video = work.video
    return {
        **identify(path, video.codec, options, settings),
        "frames": len(video.starts),
        "times": _hash_times(video.starts),
        **_name_options(video.options),
    }


def hash_file(path: Path) -> str:
    """Hash a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _name_options(options: Options) -> Identity:
    return {f"encoder's {name}": value for name, value in sorted(options.items())}


def _hash_ends(path: Path) -> str:
    digest, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file:
        for place in (0, max(0, size // 2 - _SAMPLE // 2), max(0, size - _SAMPLE)):
            file.seek(place)
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()[:16]


def _hash_times(times: Sequence[int]) -> str:
    return hashlib.sha256(struct.pack(f"<{len(times)}q", *times)).hexdigest()[:16]
