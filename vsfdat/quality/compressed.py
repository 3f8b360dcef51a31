"""Measure upscalers on compressed video, against the frames before they were made small and compressed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .clips import LENGTH, Clip, clip_folders, read_clips
from .compress import through_video
from .downscale import downscale
from .interpolate import ClipUpscaler
from .metrics import check_size, luma, psnr, ssim
from .perceptual import Lpips, picture_distance
from .pictures import Picture
from .tables import table_head, table_row


@dataclass(frozen=True)
class Rate:
    """Name a codec and how much it throws away.

    Args:
        label: What tables call it.
        codec: "h264" or "mpeg2", as `through_video` takes it.
        strength: CRF for H.264, quantiser for MPEG-2.
    """

    label: str
    codec: str
    strength: float


RATES = (
    *(Rate(f"H.264 CRF {crf}", "h264", crf) for crf in (20, 26, 32)),
    *(Rate(f"MPEG-2 q {quantiser}", "mpeg2", quantiser) for quantiser in (3, 6, 12)),
)


def compressed_table(
    upscalers: Mapping[str, ClipUpscaler], data: Path, scale: int, lpips: Lpips | None, frame: int = LENGTH
) -> Iterator[str]:
    """Score upscalers on clips that were downscaled by an antialiased bicubic and compressed at each rate.

    Args:
        upscalers: What to measure, by the name to show.
        data: A folder of videos or pictures, or of such folders, or one file.
        scale: Scale of all upscalers.
        lpips: A perceptual distance to show as well.
        frame: Which of a clip's frames is measured, from 1; of a clip that is shorter, the last.

    Yields:
        The lines of a Markdown table, each as soon as it is known: a row a folder and rate, a column an upscaler.
    """
    measures = "PSNR / SSIM / LPIPS" if lpips else "PSNR / SSIM"
    yield from table_head(f"Compressed, {scale}x, {measures}", upscalers)
    for folder in clip_folders(data):
        clips = [_made_small(clip, scale, frame) for clip in read_clips(folder, multiple=2 * scale)]
        for rate in RATES:
            scores = [_scores(clip, rate, upscalers, scale, lpips) for clip in clips]
            means = np.mean(scores, axis=0)  # [upscalers, measures]
            yield table_row(f"{folder.name}, {rate.label}", *(_cell(*mean) for mean in means))


@dataclass(frozen=True)
class _Measured:
    """A clip's frames downscaled, the number of the one to measure, and what it is measured against."""

    small: list[Picture]
    n: int
    original: Picture


def _made_small(clip: Clip, scale: int, frame: int) -> _Measured:
    n = min(frame, len(clip.frames)) - 1
    check_size(clip.name, clip.frames[n], scale)
    return _Measured([downscale(frame, scale, "bicubic") for frame in clip.frames], n, clip.frames[n])


def _scores(
    clip: _Measured, rate: Rate, upscalers: Mapping[str, ClipUpscaler], scale: int, lpips: Lpips | None
) -> list[list[float]]:
    """Measure every upscaler on a frame that the codec made from others: [upscalers][measures]."""
    compressed = through_video(clip.small, rate.codec, rate.strength, carefully=True)
    results = (upscale(compressed, clip.n) for upscale in upscalers.values())
    return [_measure(result, clip.original, scale, lpips) for result in results]


def _measure(result: Picture, original: Picture, border: int, lpips: Lpips | None) -> list[float]:
    lumas = luma(result), luma(original)
    measures = [psnr(*lumas, border), ssim(*lumas, border)]
    return [*measures, picture_distance(lpips, result, original)] if lpips else measures


def _cell(psnr: float, ssim: float, distance: float | None = None) -> str:
    return f"{psnr:.2f} / {ssim:.4f}" + ("" if distance is None else f" / {distance:.4f}")
