import torch
from torch import Tensor

from tests.stand_ins import CPU, tiny_fdat
from vsfdat.engine.ensemble import Ensemble
from vsfdat.engine.slots import build_slot, build_slots
from vsfdat.options import UpscaleOptions


class Corner:
    """An engine that gives the corner of a picture, so that turning it shows; in memory that it uses again."""

    device, scale = CPU, 1

    def __call__(self, frame: Tensor) -> Tensor:
        self._kept = torch.zeros_like(frame)
        self._kept[..., 0, 0] = frame[..., 0, 0]
        return self._kept


def test_each_corner_has_its_turn_and_comes_back_to_its_place() -> None:
    frame = torch.rand(3, 4, 6)
    expected = torch.zeros_like(frame)
    for y in (0, -1):
        for x in (0, -1):
            expected[:, y, x] = frame[:, y, x] / 4
    torch.testing.assert_close(Ensemble(Corner())(frame), expected)


def test_an_option_of_slots_that_turns_the_whole_picture_with_the_source() -> None:
    network = tiny_fdat()
    (engine,) = build_slots(network, UpscaleOptions(device="cpu", ensemble=True))
    frame = torch.rand(3, 13, 9)
    made = engine(frame).clone()
    torch.testing.assert_close(engine(frame.flip(-1)), made.flip(-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(engine(frame.transpose(-1, -2)), made.transpose(-1, -2), atol=1e-6, rtol=0)
    plain = build_slot(network, CPU)()(frame)
    assert (plain - made).abs().max() > 1e-4
