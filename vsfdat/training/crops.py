"""The training pictures in memory: decoded once, and downscaled once with each kernel."""

import hashlib
import logging
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsfdat.errors import TrainingError
from vsfdat.quality.downscale import downscale
from vsfdat.quality.pictures import Picture, decode, list_pictures, pictures_in

from .recipe import DownscaleFacts

_log = logging.getLogger(__name__)
_ZIP_LINES = 200  # bytes, at most, that a zip says about one file, or about itself
DETAIL_CELL = 8  # low-resolution pixels; coarse enough that a patch's detail is a handful of additions


@dataclass(frozen=True)
class Crops:
    """Hold the training pictures, all of one size.

    Args:
        names: File names, sorted; they number the pictures.
        high: [N, H, W, 3] uint8.
        kernels: The downscaling kernels that the recipe gives a share.
        low: [K, N, H/scale, W/scale, 3] uint8, by kernel.
        detail: [N, H/scale/8, W/scale/8]: mean absolute error of bicubic upscaling in each cell, in 8-bit steps.
        scale: Size of `high` over `low`.
    """

    names: tuple[str, ...]
    high: Picture
    kernels: tuple[str, ...]
    low: Picture
    detail: NDArray[np.float32]
    scale: int

    @property
    def styles(self) -> list[str]:
        """Each picture's style: its name up to the first underscore."""
        return [name.split("_")[0] for name in self.names]

    def fingerprint(self) -> str:
        """Hash the names and the pixels, so that a model file can say what it was trained on."""
        digest = hashlib.blake2b("\n".join(self.names).encode(), digest_size=16)
        digest.update(self.high.data)
        return digest.hexdigest()


def load_crops(data: Path, scale: int, facts: DownscaleFacts) -> Crops:
    """Decode every training picture and downscale it with each kernel.

    Args:
        data: A folder of pictures of one size named STYLE_anything; or a packed file, or a folder with such files.
        scale: Scale that the network is to learn; 1 leaves the pictures as they are.
        facts: The kernels; those of share 0 are left out.

    Raises:
        TrainingError: There are no pictures, or one is damaged, or they differ in size, or two have one name.
    """
    files = _read_files(data)
    names = tuple(name for name, _ in files)
    with ThreadPoolExecutor() as pool:
        high = _stacked(names, pool.map(lambda file: decode(file[1], file[0]), files))
        kernels = tuple(kernel for kernel, share in facts.kernels.items() if share > 0)
        low = np.empty((len(kernels), len(names), high.shape[1] // scale, high.shape[2] // scale, 3), np.uint8)
        for layer, kernel in zip(low, kernels, strict=True):
            for n, small in enumerate(pool.map(_shrinker(scale, kernel, facts), high)):
                layer[n] = small
        detail = np.stack(list(pool.map(lambda picture: _detail(picture, scale), high)))
    _log.info("%d pictures of %dx%d from %s", len(names), high.shape[2], high.shape[1], data)
    return Crops(names, high, kernels, low, detail, scale)


def pack_crops(folder: Path, file: Path, megabytes: float) -> int:
    """Put as much of a folder as fits into one file, to carry to another machine.

    Every style keeps its share, and in each style the detailed pictures theirs.

    Args:
        folder: A folder of pictures named STYLE_anything.
        file: What to write: a zip of the pictures as they are.
        megabytes: Largest size of the file.

    Returns:
        How many pictures it holds.
    """
    files = list_pictures(folder)
    share = min(1.0, (megabytes * 1e6 - _ZIP_LINES) / sum(map(_packed_size, files)))
    styles: dict[str, list[Path]] = {}
    for path in files:
        styles.setdefault(path.name.split("_")[0], []).append(path)
    kept = [path for members in styles.values() for path in _evenly_spread(members, share)]
    _write_packed(file, sorted(kept))
    return len(kept)


def split_crops(folder: Path, file: Path, megabytes: float) -> dict[Path, int]:
    """Put a whole folder into as many files of a size as it takes.

    Args:
        folder: A folder of pictures named STYLE_anything.
        file: What to write, a number before its suffix: crops-1.zip, crops-2.zip and so on for crops.zip.
        megabytes: Largest size of a file.

    Returns:
        How many pictures each file holds.

    Raises:
        TrainingError: A picture alone is larger.
    """
    parts: list[list[Path]] = []
    room = 0.0
    for path in list_pictures(folder):
        if _packed_size(path) + _ZIP_LINES > megabytes * 1e6:
            raise TrainingError(f"{path.name} does not fit into {megabytes:g} megabytes")
        if _packed_size(path) > room:
            parts.append([])
            room = megabytes * 1e6 - _ZIP_LINES
        parts[-1].append(path)
        room -= _packed_size(path)
    written = {file.with_stem(f"{file.stem}-{n}"): part for n, part in enumerate(parts, 1)}
    for name, part in written.items():
        _write_packed(name, part)
    return {name: len(part) for name, part in written.items()}


def _write_packed(file: Path, pictures: list[Path]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for path in pictures:
            archive.write(path, path.name)


def _read_files(data: Path) -> list[tuple[str, bytes]]:
    """Read names and bytes, sorted by name: of a packed file, or of a folder's packed files and pictures."""
    packed = [data] if data.is_file() else sorted(data.glob("*.zip"))
    loose = pictures_in(data) if packed else list_pictures(data)
    files = [found for file in packed for found in _read_packed(file)]
    files += [(file.name, file.read_bytes()) for file in loose]
    files.sort(key=lambda found: found[0])
    for (name, _), (following, _) in pairwise(files):
        if name == following:
            raise TrainingError(f"{data} holds two pictures named {name}")
    return files


def _read_packed(file: Path) -> list[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(file) as archive:
            return [(name, archive.read(name)) for name in archive.namelist()]
    except zipfile.BadZipFile:
        raise TrainingError(f"{file} is neither a folder of pictures nor a packed data file") from None


def _evenly_spread(files: list[Path], share: float) -> list[Path]:
    """Keep that share of the files, from the largest to the smallest, and no more than that share of their bytes."""
    ordered = sorted(files, key=_packed_size, reverse=True)
    # The last of each stretch of 1 / share files, which is its smallest.
    return [file for n, file in enumerate(ordered) if int((n + 1) * share) > int(n * share)]


def _packed_size(file: Path) -> int:
    return file.stat().st_size + _ZIP_LINES


def _stacked(names: tuple[str, ...], pictures: Iterable[Picture]) -> Picture:
    high = list(pictures)
    for name, picture in zip(names, high, strict=True):
        if picture.shape != high[0].shape:
            raise TrainingError(f"training pictures must have one size, but {name} differs from {names[0]}")
    return np.stack(high)


def _shrinker(scale: int, kernel: str, facts: DownscaleFacts) -> Callable[[Picture], Picture]:
    return lambda picture: picture if scale == 1 else downscale(picture, scale, kernel, facts.light)


def _detail(picture: Picture, scale: int) -> NDArray[np.float32]:
    """[H, W, 3] -> [H/scale/8, W/scale/8]: how far bicubic upscaling by 2 or more misses."""
    from PIL import Image

    low: Any = Image.fromarray(downscale(picture, max(2, scale), "bicubic"))
    upscaled = np.asarray(low.resize((picture.shape[1], picture.shape[0]), Image.Resampling.BICUBIC))
    miss = np.abs(upscaled.astype(np.float32) - picture).mean(axis=2)
    cell = DETAIL_CELL * scale
    rows, columns = miss.shape[0] // cell, miss.shape[1] // cell
    cells = miss[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell)
    return cells.mean(axis=(1, 3)).astype(np.float32)
