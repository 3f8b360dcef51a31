import numpy as np
import pytest
from PIL import Image

from tests.quality.conftest import draw_picture
from vsfdat.errors import TrainingError
from vsfdat.quality.pictures import CROP, originals, picture_folders


def test_pictures_are_cropped_to_the_scale(tmp_path):
    Image.fromarray(draw_picture(0)[:63, :61]).save(tmp_path / "odd.png")
    ((name, picture),) = originals(tmp_path, 2)
    assert name == "odd.png"
    assert picture.shape == (62, 60, 3)


def test_large_pictures_are_cropped_to_their_centre(tmp_path):
    large = np.zeros((1200, 1300, 3), np.uint8)
    large[600, 650] = 255
    Image.fromarray(large).save(tmp_path / "large.png")
    ((_, picture),) = originals(tmp_path, 2)
    assert picture.shape == (*CROP, 3)
    assert picture[360, 480].tolist() == [255] * 3


def test_folders_without_pictures(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match=r"no pictures \(.*\) in .* or in the folders in it"):
        picture_folders(tmp_path)
    with pytest.raises(TrainingError, match="is no folder"):
        picture_folders(tmp_path / "none")
