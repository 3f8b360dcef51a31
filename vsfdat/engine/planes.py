"""Networks of one channel on pictures of three."""

from torch import Tensor

from .wrapper import Wrapper


class PerPlane(Wrapper):
    """Upscale the channels of a picture one after the other; an engine too.

    Args:
        engine: Its network has one channel in and one out.
    """

    def __call__(self, frame: Tensor) -> Tensor:
        """[C, H, W] -> [C, H·scale, W·scale]."""
        channels, height, width = frame.shape
        picture = frame.new_empty(channels, height * self.scale, width * self.scale)
        for index in range(channels):
            picture[index] = self._engine(frame[index : index + 1])[0]
        return picture
