"""What low precision cannot hold is computed again in full."""

import functools
from collections.abc import Callable

from torch import Tensor

from vsfdat.errors import NotFiniteError
from vsfdat.notices import Once

from . import Engine
from .device import await_work
from .wrapper import Wrapper


class Guarded(Wrapper):
    """Give finite pictures or an error; an engine too.

    Args:
        engine: The engine in the precision that was asked for.
        full: Gives the engine in fp32, built when first needed; None where `engine` is that already.
        once: Shared by the engines of one clip, so that the log says it once.
    """

    def __init__(self, engine: Engine, full: Callable[[], Engine] | None, once: Once) -> None:
        super().__init__(engine)
        self._full = functools.cache(full) if full else None
        self._once = once

    def __call__(self, frame: Tensor) -> Tensor:
        """[C_in, H, W] -> [C_out, H·scale, W·scale], finite.

        Raises:
            NotFiniteError: There is NaN or Inf, in fp32 too.
        """
        picture = self._engine(frame)
        if _is_finite(picture):
            return picture
        if not _is_finite(frame):
            raise NotFiniteError("the source frame holds NaN, repair it before upscaling")
        if self._full is not None:
            self._once.warning(
                "The network gave NaN or Inf in low precision; such frames are run again in fp32. "
                'Where it happens often, precision="bf16" or "fp32" is faster.'
            )
            picture = self._full()(frame)
            if _is_finite(picture):
                return picture
        raise NotFiniteError("the network gave NaN or Inf in fp32, so its weights are damaged; use another model file")


def _is_finite(picture: Tensor) -> bool:
    # One number to wait for: NaN and Inf survive every sum, and no sum of fp32 pixels near [0, 1] overflows by itself.
    finite = picture.sum().isfinite()
    await_work(picture.device)
    return bool(finite)
