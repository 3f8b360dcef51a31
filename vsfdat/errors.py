"""What can go wrong below the VapourSynth door; `plugin` turns each of these into a `vs.Error`."""

import unicodedata


def printable(text: str) -> str:
    """Spell out what a terminal would obey or cannot show: escapes in a file's metadata, line ends, half characters."""
    return "".join(c if _is_harmless(c) else c.encode("unicode_escape").decode() for c in text)


def _is_harmless(character: str) -> bool:
    # Other spaces than the common one are said to be unprintable; macOS puts one into names.
    return character.isprintable() or unicodedata.category(character) == "Zs"


class VsfdatError(Exception):
    """Root of the project's own errors: the message is one sentence that a user can act on."""

    def __init__(self, message: str) -> None:
        # Sentences quote names from files.
        super().__init__(printable(message))


class CheckpointError(VsfdatError):
    """A model file cannot be read, holds another network, or does not fit FDAT."""


class UnknownModelError(VsfdatError):
    """A model name is neither in the catalog nor a file."""


class NotFiniteError(VsfdatError):
    """The network gave NaN or Inf for a frame, in full precision too."""


class OutOfMemoryError(VsfdatError):
    """A frame does not fit the device even in the smallest pieces."""


class EncodeError(VsfdatError):
    """A video file cannot be read or written."""


class TrainingError(VsfdatError):
    """A recipe, a data set or a resumed run is unusable."""
