"""What can go wrong below the VapourSynth door; `plugin` turns each of these into a `vs.Error`."""


class VsfdatError(Exception):
    """Root of the project's own errors: the message is one sentence that a user can act on."""


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
    """Pictures to learn from or to measure on, a recipe or a resumed run are unusable."""
