"""The sub-commands `vsfdat eval` and `vsfdat compare`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vsfdat import console

from .preflight import check_installed, check_output, choose_device

if TYPE_CHECKING:
    from .compare import Harm
    from .interpolate import ClipUpscaler

_NOT_DRAWN = ("source", "Lanczos", "spline36")  # the sheet shows the source anyway, and bicubic speaks for its kind


def evaluate(
    *models: str,
    data: Path | None = None,
    compressed: Path | None = None,
    clip: Path | None = None,
    frame: int = 12,
    device: str = "auto",
) -> None:
    """Measure models beside bicubic, Lanczos and spline36: on pictures, on compressed video, and for flicker.

    Parameters
    ----------
    models
        Names that `vsfdat models` lists, or checkpoint files; without any the default model.
    data
        A folder of pictures, or of such folders; they are downscaled by an antialiased bicubic first.
    compressed
        A folder of videos or pictures, or of such folders; they are downscaled, then compressed at six rates.
    clip
        A video from a camera that stands still; measures how much its picture changes from frame to frame.
    frame
        Which of the 12 frames of a compressed clip is measured; the last has no neighbours behind it.
    device
        auto, cpu, cuda, cuda:1, mps.
    """
    if data is None and compressed is None and clip is None:
        raise ValueError("pass at least one of --data, --compressed and --clip")
    from .clips import LENGTH  # with numpy, which help does without

    if not 1 <= frame <= LENGTH:
        raise ValueError(f"frame must be 1 to {LENGTH}, passed {frame}")
    check_installed()
    from .evaluate import score_table
    from .flicker import flicker_table
    from .interpolate import on_pictures

    upscalers, scale = _upscalers(models, device)
    if data is not None:
        pictures = {name: on_pictures(upscale) for name, upscale in upscalers.items()}
        _print_lines(score_table(pictures, data, scale))
    if compressed is not None:
        _print_compressed(upscalers, scale, compressed, frame)
    if clip is not None:
        _print_lines(flicker_table(upscalers, clip, scale))


def compare(
    *models: str,
    data: Path,
    out: Path,
    rows: int = 6,
    codec: Literal["h264", "mpeg2"] | None = None,
    strength: float = 26,
) -> None:
    """Draw a contact sheet at 400 %: source, bicubic, models, original.

    Parameters
    ----------
    models
        Names that `vsfdat models` lists, or checkpoint files; without any the default model.
    data
        A folder of pictures, or of such folders.
    out
        The .png file to write.
    rows
        Pictures to show.
    codec
        Compress the sources with this first.
    strength
        How much it throws away: CRF for h264, quantiser for mpeg2.
    """
    check_output(out, ".png")
    check_installed()
    from PIL import Image

    from .compare import contact_sheet
    from .interpolate import on_pictures

    upscalers, scale = _upscalers(models, "auto")
    shown = {name: on_pictures(upscale) for name, upscale in upscalers.items() if name not in _NOT_DRAWN}
    harm = _compressor(codec, strength) if codec else None
    Image.fromarray(contact_sheet(shown, data, scale, harm=harm, rows=rows)).save(out, optimize=True)


def _upscalers(models: Sequence[str], device: str) -> "tuple[dict[str, ClipUpscaler], int]":
    """Load models and put them behind the classic upscalers of the same scale.

    Returns:
        The upscalers by name, and their scale.

    Raises:
        ValueError: The models' scales differ.
    """
    from vsfdat.models import DEFAULT_MODEL, load_model

    from .evaluate import clip_upscaler
    from .interpolate import classic_upscalers, frame_by_frame

    models = models or (DEFAULT_MODEL,)
    names = [Path(model).name for model in models]
    shown = [model if names.count(name) > 1 else name for model, name in zip(models, names, strict=True)]
    networks = {name: load_model(model) for name, model in zip(shown, models, strict=True)}
    scales = {name: network.config.scale for name, network in networks.items()}
    if len(set(scales.values())) > 1:
        listed = ", ".join(f"{name} is {scale}x" for name, scale in scales.items())
        raise ValueError(f"models must have one scale to be compared: {listed}")
    where, scale = choose_device(device), next(iter(scales.values()))
    classic = {name: frame_by_frame(upscale) for name, upscale in classic_upscalers(scale).items()}
    return classic | {name: clip_upscaler(network, where) for name, network in networks.items()}, scale


def _compressor(codec: str, strength: float) -> "Harm":
    from .compress import through_video

    return lambda picture: through_video([picture] * 3, codec, strength, carefully=True)[-1]


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        console.show(line)


def _print_compressed(upscalers: Mapping[str, "ClipUpscaler"], scale: int, clips: Path, frame: int) -> None:
    from .compressed import compressed_table
    from .perceptual import INSTALL, load_lpips

    lpips = load_lpips()
    if lpips is None:
        console.say(f"vsfdat: for LPIPS as well: {INSTALL}")
    _print_lines(compressed_table(upscalers, clips, scale, lpips, frame))
