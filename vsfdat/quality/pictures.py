"""Pictures in folders: listed, decoded, cropped."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsfdat.errors import TrainingError

Picture = NDArray[np.uint8]  # [H, W, 3], sRGB
SUFFIXES = (".webp", ".png", ".jpg", ".jpeg")
LARGEST = 1_200_000  # pixels; larger pictures are cropped, so that an evaluation takes minutes on a CPU
CROP = (720, 960)  # rows and columns from the centre


def pictures_in(folder: Path) -> list[Path]:
    """List a folder's pictures by name; of what is no folder, none."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES) if folder.is_dir() else []


def list_pictures(folder: Path) -> list[Path]:
    """List a folder's pictures by name.

    Raises:
        TrainingError: There is none.
    """
    files = pictures_in(folder)
    if not files:
        raise TrainingError(f"no pictures ({', '.join(SUFFIXES)}) in {folder}")
    return files


def picture_folders(data: Path) -> list[Path]:
    """List the folders of pictures in a folder, or the folder itself where it holds pictures.

    Raises:
        TrainingError: There are no pictures in either.
    """
    if not data.is_dir():
        raise TrainingError(f"{data} is no folder")
    folders = [folder for folder in [data, *sorted(data.iterdir())] if pictures_in(folder)]
    if not folders:
        raise TrainingError(f"no pictures ({', '.join(SUFFIXES)}) in {data} or in the folders in it")
    return folders


def originals(folder: Path, scale: int) -> Iterator[tuple[str, Picture]]:
    """Decode a folder's pictures, cropped to their centre where large, and to a multiple of `scale`.

    Yields:
        The file's name and [H, W, 3].

    Raises:
        TrainingError: The folder holds no picture, or a damaged one.
    """
    for file in list_pictures(folder):
        picture = decode(file.read_bytes(), str(file))
        rows, columns = CROP if picture.shape[0] * picture.shape[1] > LARGEST else picture.shape[:2]
        cropped = centre(picture, rows, columns)
        rows, columns = (length // scale * scale for length in cropped.shape[:2])
        yield file.name, cropped[:rows, :columns]


def decode(data: bytes, name: str) -> Picture:
    """Decode a picture to [H, W, 3].

    Args:
        data: A picture file's bytes.
        name: What to call the file in an error.

    Raises:
        TrainingError: They are no picture that Pillow reads.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # of a dozen types, as each format's decoder stumbles in its own way
        raise TrainingError(f"{name} is damaged, too large or no picture: replace it or take it out") from error


def centre(picture: Picture, rows: int, columns: int) -> Picture:
    """Crop a picture to the middle, where it is larger than so many rows and columns: a view."""
    top, left = max(0, picture.shape[0] - rows) // 2, max(0, picture.shape[1] - columns) // 2
    return picture[top : top + rows, left : left + columns]
