import importlib.util
import pickle

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from tests.quality.conftest import draw_picture
from vsfdat.quality.perceptual import INSTALL, _ArraysOnly, load_lpips, picture_distance

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
