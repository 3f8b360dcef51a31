"""Measure upscalers on folders of pictures, as the literature does."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsfdat.arch import FDAT
from vsfdat.errors import TrainingError

from .crops import SUFFIXES, centre, decode, list_pictures
from .downscale import Picture, downscale
from .interpolate import Upscaler
from .metrics import check_size, luma, psnr, ssim

Run = Callable[[Tensor], Tensor]  # [3, H, W] fp32 in [0, 1] -> [3, H·scale, W·scale], not clamped
Prepare = Callable[[FDAT, torch.device], Run]
LARGEST = 1_200_000  # pixels; larger pictures are cropped, so that an evaluation takes minutes on a CPU
CROP = (720, 960)  # rows and columns from the centre


@dataclass(frozen=True)
class Score:
    """Hold the means over a folder's pictures.

    Args:
        psnr: Of the luma, in dB.
        ssim: Of the luma.
    """

    psnr: float
    ssim: float

    def __str__(self) -> str:
        return f"{self.psnr:.2f} / {self.ssim:.4f}"


def picture_folders(data: Path) -> list[Path]:
    """List the folders of pictures in a folder, or the folder itself where it holds pictures.

    Raises:
        TrainingError: There are no pictures in either.
    """
    if not data.is_dir():
        raise TrainingError(f"{data} is no folder")
    folders = [folder for folder in [data, *sorted(data.iterdir())] if folder.is_dir() and _holds_pictures(folder)]
    if not folders:
        raise TrainingError(f"no pictures ({', '.join(SUFFIXES)}) in {data} or in the folders in it")
    return folders


def _holds_pictures(folder: Path) -> bool:
    return any(file.suffix.lower() in SUFFIXES for file in folder.iterdir())


def originals(folder: Path, scale: int) -> Iterator[tuple[str, Picture]]:
    """Decode a folder's pictures, cropped to their centre where large, and to a multiple of `scale`.

    Yields:
        The file's name and [H, W, 3].
    """
    for file in list_pictures(folder):
        picture = decode(file.read_bytes(), str(file))
        rows, columns = CROP if picture.shape[0] * picture.shape[1] > LARGEST else picture.shape[:2]
        cropped = centre(picture, rows, columns)
        rows, columns = (length // scale * scale for length in cropped.shape[:2])
        yield file.name, cropped[:rows, :columns]


def plain(network: FDAT, device: torch.device) -> Run:
    """Prepare a network to run as it is: slow, and free of every other part of the package."""
    network = network.to(device)
    return lambda frame: network(frame[None])[0]


def network_upscaler(network: FDAT, device: torch.device, prepare: Prepare = plain) -> Upscaler:
    """Make a network a function from picture to picture.

    Args:
        network: What to run, in eval mode.
        device: Where.
        prepare: What makes it run there.
    """
    run = prepare(network, device)

    @torch.inference_mode()
    def upscale(picture: Picture) -> Picture:
        frame = torch.from_numpy(np.array(picture)).to(device).permute(2, 0, 1).contiguous() / 255
        out: Picture = (run(frame) * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
        return out

    return upscale


def score_pictures(upscale: Upscaler, folder: Path, scale: int) -> Score:
    """Average an upscaler's scores over a folder's pictures, each downscaled by Pillow's antialiased bicubic first.

    Args:
        upscale: What to measure.
        folder: Originals.
        scale: Scale of the upscaler; also the border in pixels that is shaved off.

    Raises:
        TrainingError: A picture is damaged, or too small to be measured.
    """
    scores = []
    for name, original in originals(folder, scale):
        check_size(str(folder / name), original, scale)
        result, wanted = luma(upscale(downscale(original, scale, "bicubic"))), luma(original)
        scores.append((psnr(result, wanted, scale), ssim(result, wanted, scale)))
    return Score(*np.mean(scores, axis=0).tolist())


def score_table(upscalers: Mapping[str, Upscaler], data: Path, scale: int) -> Iterator[str]:
    """Score upscalers on every folder of pictures.

    Args:
        upscalers: What to measure, by the name to show.
        data: A folder of pictures, or of such folders.
        scale: Scale of all upscalers.

    Yields:
        The lines of a Markdown table, each as soon as it is known: a row a folder, a column an upscaler.
    """
    yield f"| Y-PSNR / SSIM, {scale}x | " + " | ".join(upscalers) + " |"
    yield "|---" * (len(upscalers) + 1) + "|"
    for folder in picture_folders(data):
        scores = [str(score_pictures(upscale, folder, scale)) for upscale in upscalers.values()]
        yield f"| {folder.name} | " + " | ".join(scores) + " |"
