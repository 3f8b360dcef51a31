"""What stands around an engine answers for it."""

import logging

import pytest
import torch

from tests.stand_ins import Enlarger
from vsfdat.engine.graphs import Graphed
from vsfdat.engine.guard import Guarded
from vsfdat.engine.planes import PerPlane
from vsfdat.engine.tiles import Fitting, Room, Tiled
from vsfdat.engine.wrapper import Wrapper
from vsfdat.notices import Once

ONCE = Once(logging.getLogger(__name__))
WRAPPERS = [
    Wrapper,
    PerPlane,
    lambda engine: Graphed(engine, ONCE),
    lambda engine: Guarded(engine, None, ONCE),
    lambda engine: Tiled(engine, (8, 8), 0),
    lambda engine: Fitting(engine, Room(None, 0, 8)),
]


@pytest.mark.parametrize("wrap", WRAPPERS, ids=["none", "planes", "graph", "guard", "tiles", "room"])
def test_device_and_scale_are_the_inner_engines(wrap) -> None:
    wrapped = wrap(wrap(Enlarger(scale=3, device=torch.device("meta"))))
    assert (wrapped.scale, wrapped.device) == (3, torch.device("meta"))
