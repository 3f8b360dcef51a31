"""Measure upscalers on folders of pictures, as the literature does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vsfdat.arch import FDAT, TFDAT
from vsfdat.engine.slots import build_slot

from .downscale import downscale
from .interpolate import ClipUpscaler, Upscaler
from .metrics import check_size, luma, psnr, ssim
from .pictures import Picture, originals, picture_folders
from .tables import table_head, table_row

_REACH = 2  # frames before and after that a network sees


@dataclass(frozen=True)
class Score:
    """Hold the means over a folder's pictures.

    Args:
        psnr: Peak signal-to-noise ratio of the luma, in dB.
        ssim: Structural similarity of the luma, 1 for equal pictures.
    """

    psnr: float
    ssim: float

    def __str__(self) -> str:
        return f"{self.psnr:.2f} / {self.ssim:.4f}"


def clip_upscaler(network: FDAT, device: torch.device) -> ClipUpscaler:
    """Make a network a function from a clip and a frame's number to that frame, as a slot of `upscale` runs it in fp32.

    What looks at neighbours gets two on either side and, where the clip ends before, its first or last frame again.

    Args:
        network: What to run, in eval mode; it is moved to the CPU.
        device: What computes the pictures, which themselves lie on the CPU.
    """
    run = build_slot(network.cpu(), device, "fp32")()
    reach = _REACH if isinstance(network, TFDAT) else 0

    @torch.inference_mode()
    def upscale(frames: Sequence[Picture], n: int) -> Picture:
        seen = np.arange(n - reach, n + reach + 1).clip(0, len(frames) - 1)
        pictures = torch.from_numpy(np.stack([frames[k] for k in seen])).to(device).movedim(-1, 1).contiguous() / 255
        result = run(pictures if reach else pictures[0])
        out: Picture = (result * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
        return out

    return upscale


def score_pictures(upscale: Upscaler, folder: Path, scale: int) -> Score:
    """Average an upscaler's scores over a folder's pictures, each downscaled by Pillow's antialiased bicubic first.

    Args:
        upscale: The upscaler to measure.
        folder: Pictures at the size that upscaling is to give back.
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
    yield from table_head(f"Y-PSNR / SSIM, {scale}x", upscalers)
    for folder in picture_folders(data):
        scores = [str(score_pictures(upscale, folder, scale)) for upscale in upscalers.values()]
        yield table_row(folder.name, *scores)
