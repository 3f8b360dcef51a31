"""What can go wrong below the VapourSynth door; `plugin` turns each of these into a `vs.Error`."""

import re

# What a terminal obeys, and what turns the direction of a line.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_NOT_UNICODE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")


def printable(text: str) -> str:
    r"""Make what a file says fit for one line of a terminal: bytes that are no text become \xe9, controls \x1b."""
    text = _NOT_UNICODE.sub(_escape, text)
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _CONTROLS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class VsfdatError(Exception):
    """Root of the project's own errors: the message is one sentence that a user can act on."""

    def __init__(self, message: str) -> None:
        # Sentences quote names from files.
        super().__init__(printable(message))


class CheckpointError(VsfdatError):
    """A model file cannot be read, holds another network, or does not fit FDAT."""


class UnknownModelError(VsfdatError):
    """A model name is neither in the catalog nor a file."""


class DownloadError(VsfdatError):
    """A published model cannot be listed or fetched."""


class ExportError(VsfdatError):
    """A network cannot be exported, or what was exported makes another picture."""


class NotFiniteError(VsfdatError):
    """The network gave NaN or Inf for a frame, in full precision too."""


class OutOfMemoryError(VsfdatError):
    """A frame does not fit the device even in the smallest pieces."""


class EncodeError(VsfdatError):
    """A video file cannot be read or written."""


class TrainingError(VsfdatError):
    """Pictures to learn from or to measure on, a recipe or a resumed run are unusable."""
