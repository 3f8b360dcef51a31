import numpy as np
import pytest
from PIL import Image

from vsfdat.errors import TrainingError
from vsfdat.quality.downscale import downscale
from vsfdat.training.crops import load_crops, pack_crops, split_crops
from vsfdat.training.recipe import DownscaleFacts

KERNELS = DownscaleFacts(kernels={"bicubic": 0.5, "area": 0.5, "lanczos": 0})


def test_pictures_are_sorted_and_downscaled_with_every_kernel_that_has_a_share(data):
    crops = load_crops(data, 2, KERNELS)
    assert crops.styles == ["line"] * 4 + ["photo"] * 2
    assert crops.high.shape == (6, 64, 64, 3)
    assert crops.kernels == ("bicubic", "area")
    assert crops.low.shape == (2, 6, 32, 32, 3)
    for layer, kernel in zip(crops.low, crops.kernels, strict=True):
        assert (layer[2] == downscale(crops.high[2], 2, kernel)).all()


def test_detail_is_where_bicubic_fails(data):
    flat = np.full((64, 64, 3), 90, np.uint8)
    flat[32:, 32:] = np.random.default_rng(0).integers(0, 255, (32, 32, 3))
    Image.fromarray(flat).save(data / "corner_0.png")
    detail = load_crops(data, 2, KERNELS).detail[0]
    assert detail.shape == (4, 4)
    assert detail[:1, :].max() == 0
    assert detail[2:, 2:].min() > 20


def test_scale_1_keeps_the_size(data):
    crops = load_crops(data, 1, DownscaleFacts())
    assert (crops.low[0] == crops.high).all()


def test_the_fingerprint_tells_other_pixels_and_names_apart(data):
    first = load_crops(data, 2, KERNELS).fingerprint()
    assert load_crops(data, 2, KERNELS).fingerprint() == first
    (data / "line_0.png").rename(data / "line_00.png")
    assert load_crops(data, 2, KERNELS).fingerprint() != first


def test_pictures_of_different_sizes_are_refused(data):
    Image.new("RGB", (64, 32)).save(data / "photo_9.png")
    with pytest.raises(TrainingError) as caught:
        load_crops(data, 2, KERNELS)
    assert str(caught.value) == "training pictures must have one size, but photo_9.png differs from line_0.png"


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_no_pictures(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match=rf"no pictures \(.*\) in .*{name}"):
        load_crops(tmp_path / name, 2, KERNELS)


def test_a_packed_file_holds_the_same_pictures(data, tmp_path):
    assert pack_crops(data, tmp_path / "all.zip", megabytes=1) == 6
    packed, folder = load_crops(tmp_path / "all.zip", 2, KERNELS), load_crops(data, 2, KERNELS)
    assert packed.fingerprint() == folder.fingerprint()


def test_a_packed_file_keeps_to_its_size_and_every_style(data, tmp_path):
    limit = sum(file.stat().st_size for file in data.iterdir()) * 0.7
    kept = pack_crops(data, tmp_path / "some.zip", megabytes=limit / 1e6)
    assert (tmp_path / "some.zip").stat().st_size <= limit
    assert 2 <= kept < 6
    assert set(load_crops(tmp_path / "some.zip", 2, KERNELS).styles) == {"line", "photo"}


@pytest.fixture
def parts(data, tmp_path):
    """A folder with all the pictures in files of at most 0.7 times their size."""
    folder = tmp_path / "parts"
    folder.mkdir()
    limit = sum(file.stat().st_size for file in data.iterdir()) * 0.7
    written = split_crops(data, folder / "crops.zip", megabytes=limit / 1e6)
    assert [file.name for file in written] == ["crops-1.zip", "crops-2.zip"]
    assert sum(written.values()) == 6
    assert all(file.stat().st_size <= limit for file in written)
    return folder


def test_a_folder_of_packed_files_is_the_folder_that_they_were_made_of(data, parts):
    assert load_crops(parts, 2, KERNELS).fingerprint() == load_crops(data, 2, KERNELS).fingerprint()


def test_packed_files_and_pictures_go_together(parts):
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(parts / "map_0.png")
    assert load_crops(parts, 2, KERNELS).styles == ["line"] * 4 + ["map"] + ["photo"] * 2


def test_a_picture_in_two_packed_files_is_refused(data, parts):
    pack_crops(data, parts / "all.zip", megabytes=1)
    with pytest.raises(TrainingError, match=r"parts holds two pictures named line_0\.png"):
        load_crops(parts, 2, KERNELS)


def test_a_picture_larger_than_a_part(data, tmp_path):
    with pytest.raises(TrainingError) as caught:
        split_crops(data, tmp_path / "crops.zip", megabytes=0.001)
    assert str(caught.value) == "line_0.png does not fit into 0.001 megabytes"


def test_a_file_that_is_not_packed_data(tmp_path):
    (tmp_path / "data.zip").write_bytes(b"no zip")
    with pytest.raises(TrainingError, match=r"data\.zip is neither a folder of pictures nor a packed data file"):
        load_crops(tmp_path / "data.zip", 2, KERNELS)


def test_a_damaged_picture_is_named(data):
    (data / "line_1.png").write_bytes(b"junk")
    with pytest.raises(TrainingError) as caught:
        load_crops(data, 2, KERNELS)
    assert str(caught.value) == "line_1.png is damaged, too large or no picture: replace it or take it out"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_picture_that_ends_early_is_named(data, suffix):
    with Image.open(data / "line_1.png") as picture:
        picture.save(data / f"cut_0{suffix}")
    whole = (data / f"cut_0{suffix}").read_bytes()
    (data / f"cut_0{suffix}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match=rf"^cut_0\{suffix} is damaged, "):
        load_crops(data, 2, KERNELS)
