"""What a slot does with a frame: up to its device, through the network, and back."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from vsfdat.engine import Engine
from vsfdat.frames import Landed, Staging, Uploads
from vsfdat.pipeline import Pipeline, Slot

from .repeats import Source

# From the frames that a network looks at, and the samples wanted, to a picture.
type SourcePipeline = Pipeline[[Sequence[Source], np.dtype[Any]], Landed]
type WorkingSlot = Slot[[Sequence[Source], np.dtype[Any]], Landed]


def make_slots(engines: Sequence[Engine], reach: int) -> list[WorkingSlot]:
    """Make the slots of a clip.

    Args:
        engines: One for each slot.
        reach: Frames on each side that the network looks at; 0 where it looks at one frame.
    """
    devices = [engine.device for engine in engines]
    # For the frames that are looked at again, by whichever slot.
    shared = {device: Uploads(2 * reach + devices.count(device)) for device in devices}
    return [
        Slot(_temporal(engine, shared[engine.device]) if reach else _spatial(engine), engine.device)
        for engine in engines
    ]


def _spatial(engine: Engine) -> Callable[..., Landed]:
    staging = Staging(engine.device)

    def work(sources: Sequence[Source], samples: np.dtype[Any]) -> Landed:
        (source,) = sources
        return staging.download(engine(staging.upload(source.planes, source.levels)), samples)

    return work


def _temporal(engine: Engine, uploads: Uploads) -> Callable[..., Landed]:
    staging = Staging(engine.device)

    def work(sources: Sequence[Source], samples: np.dtype[Any]) -> Landed:
        pictures = [uploads.get(each.number, staging, each.planes, each.levels) for each in sources]
        return staging.download(engine(torch.stack(pictures)), samples)

    return work
