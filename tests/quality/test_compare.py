import numpy as np
import pytest

from vsfdat.errors import TrainingError
from vsfdat.quality.compare import contact_sheet
from vsfdat.quality.interpolate import classic_upscalers


def test_the_sheet_shows_source_upscalers_and_original(data):
    sheet = contact_sheet({"bicubic": classic_upscalers(2)["bicubic"]}, data, 2, side=32, zoom=4, rows=2)
    assert sheet.shape == (28 + 2 * (128 + 8) + 8, 3 * (128 + 8) + 8, 3)
    source, bicubic, original = (sheet[28:156, left : left + 128] for left in (8, 144, 280))
    blocks = original.reshape(32, 4, 32, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()  # each pixel repeated, none invented
    assert np.ptp(source.reshape(16, 8, 16, 8, 3), axis=(1, 3)).max() == 0

    def miss(other):
        return np.abs(other.astype(int) - original).mean()

    assert 0 < miss(bicubic) < miss(source)


def test_sources_are_harmed_before_they_are_upscaled(data):
    seen = []
    upscalers = {"seen": lambda low: seen.append(low) or low.repeat(2, axis=0).repeat(2, axis=1)}
    contact_sheet(upscalers, data, 2, harm=np.zeros_like, side=32, rows=1)
    assert seen[0].shape == (32, 32, 3)
    assert not seen[0].any()


def test_pictures_smaller_than_a_square_are_refused(data):
    with pytest.raises(TrainingError, match=r"no picture in .* is 65 pixels wide and high"):
        contact_sheet({}, data, 2, side=65)


@pytest.mark.parametrize("rows", [0, -1])
def test_no_rows(data, rows):
    with pytest.raises(TrainingError) as caught:
        contact_sheet({}, data, 2, rows=rows)
    assert str(caught.value) == f"rows must be at least 1, passed {rows}"
