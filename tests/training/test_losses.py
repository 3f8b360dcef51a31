"""The terms of the loss."""

import pytest
import torch

from vsfdat.training.losses import build_loss
from vsfdat.training.recipe import LossFacts

CPU = torch.device("cpu")


@pytest.mark.parametrize(("pixel", "power"), [("l1", 1), ("l2", 2)])
def test_the_pictures_distance_and_that_of_their_spectra(pixel, power):
    prediction, target = torch.rand(2, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    difference = prediction - target
    plain = build_loss(LossFacts(pixel=pixel, frequency=0), CPU)(prediction, target)
    torch.testing.assert_close(plain, (difference.abs() ** power).mean())
    both = build_loss(LossFacts(pixel=pixel, frequency=0.5), CPU)(prediction, target)
    spectrum = torch.fft.rfft2(difference)
    torch.testing.assert_close(both - plain, 0.25 * (spectrum.real.abs() + spectrum.imag.abs()).mean())
