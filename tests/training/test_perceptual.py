import importlib.util
import pickle

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.training.conftest import draw_picture
from vsfdat.training.perceptual import INSTALL, _ArraysOnly, load_lpips

PICTURE = draw_picture(4, 96)


def test_lpips_grows_with_blur():
    lpips = load_lpips()
    if lpips is None:
        pytest.skip(f"its weights are not installed: {INSTALL}")
    blurred = [np.asarray(Image.fromarray(PICTURE).filter(ImageFilter.GaussianBlur(radius))) for radius in (1, 3)]
    assert lpips(PICTURE, PICTURE) == 0
    assert 0.001 < lpips(PICTURE, blurred[0]) < lpips(PICTURE, blurred[1]) < 1.5


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
