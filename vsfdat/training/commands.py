"""The sub-commands `vsfdat train`, `vsfdat eval`, `vsfdat compare` and `vsfdat pack`."""

import importlib.util
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vsfdat import console
from vsfdat.errors import TrainingError
from vsfdat.interrupt import raise_on_interrupt

if TYPE_CHECKING:
    import torch

    from .compare import Harm
    from .evaluate import Prepare
    from .interpolate import Upscaler


class Commands:
    """Hold the sub-commands, and what they run networks with: this part of the package knows the plain module alone.

    Args:
        prepare: What makes a network run on a device; None runs the plain module.
    """

    def __init__(self, prepare: "Prepare | None" = None) -> None:
        self._prepare = prepare

    def train(
        self,
        *,
        data: Path,
        config: str,
        out: Path,
        start: str | None = None,
        resume: bool = False,
        hours: float | None = None,
        validate: Path | None = None,
        device: str = "auto",
        workers: int = 1,
    ) -> None:
        """Train a network; it can be stopped at any time and goes on with --resume.

        Parameters
        ----------
        data
            A folder of pictures of one size, named STYLE_anything; a file that `vsfdat pack` made, or a folder of such.
        config
            A recipe: a TOML file, or the name of one that comes along, such as fdat-tiny-2x.
        out
            The .safetensors file to write; the log, the curve and the training state go beside it.
        start
            A model to begin with, by name or file; without one the weights are random.
        resume
            Go on from where this output was left, to the same numbers.
        hours
            Hours to work; the learning rate follows. Without them the recipe's number of steps counts.
        validate
            A folder of pictures to score in the log.
        device
            auto, cpu, cuda, cuda:1, mps.
        workers
            CPU cores that share a batch, each with its part.
        """
        _check_installed()
        from .evaluate import plain
        from .session import Session, train

        logging.getLogger(__package__).setLevel(logging.INFO)  # a run of hours should be heard of
        session = Session(
            data=data, config=config, out=out, start=start, resume=resume, hours=hours, validate=validate,
            device=_device(device), workers=workers, prepare=self._prepare or plain,
        )  # fmt: skip
        try:
            with raise_on_interrupt():
                score = train(session)
        except KeyboardInterrupt:
            console.say(f"stopped; go on with the same command and --resume, {out} is usable as it is")
            sys.exit(console.INTERRUPTED)
        console.show(f"{out}: {score or 'trained'}")

    def evaluate(
        self,
        *models: str,
        data: Path | None = None,
        compressed: Path | None = None,
        clip: Path | None = None,
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
        device
            auto, cpu, cuda, cuda:1, mps.
        """
        if data is None and compressed is None and clip is None:
            raise ValueError("pass at least one of --data, --compressed and --clip")
        _check_installed()
        from .evaluate import score_table
        from .flicker import flicker_table

        upscalers, scale = self._upscalers(models, device)
        if data is not None:
            _print_lines(score_table(upscalers, data, scale))
        if compressed is not None:
            _print_compressed(upscalers, scale, compressed)
        if clip is not None:
            _print_lines(flicker_table(upscalers, clip, scale))

    def compare(
        self,
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
        _check_output(out, ".png")
        _check_installed()
        from PIL import Image

        from .compare import contact_sheet

        upscalers, scale = self._upscalers(models, "auto")
        shown = {name: upscale for name, upscale in upscalers.items() if name not in _NOT_DRAWN}
        harm = _compressor(codec, strength) if codec else None
        Image.fromarray(contact_sheet(shown, data, scale, harm=harm, rows=rows)).save(out, optimize=True)

    def pack(self, data: Path, out: Path, *, megabytes: float = 50, split: bool = False) -> None:
        """Put training pictures into one file, to carry to another machine, or into several.

        Parameters
        ----------
        data
            A folder of pictures named STYLE_anything.
        out
            The file to write.
        megabytes
            Its largest size; where not all fit, every style keeps its share.
        split
            Keep all, in as many files of that size as they take: OUT-1.zip, OUT-2.zip and so on.
        """
        from .crops import pack_crops, split_crops

        _check_output(out)
        counts = split_crops(data, out, megabytes) if split else {out: pack_crops(data, out, megabytes)}
        _print_lines(f"{file}: {count} pictures" for file, count in counts.items())

    def _upscalers(self, models: Sequence[str], device: str) -> "tuple[dict[str, Upscaler], int]":
        """Load models and put them behind the classic upscalers of the same scale.

        Returns:
            The upscalers by name, and their scale.

        Raises:
            ValueError: The models' scales differ.
        """
        from vsfdat.models import DEFAULT_MODEL, load_model

        from .evaluate import network_upscaler, plain
        from .interpolate import classic_upscalers

        models = models or (DEFAULT_MODEL,)
        names = [Path(model).name for model in models]
        shown = [model if names.count(name) > 1 else name for model, name in zip(models, names, strict=True)]
        networks = {name: load_model(model) for name, model in zip(shown, models, strict=True)}
        scales = {name: network.config.scale for name, network in networks.items()}
        if len(set(scales.values())) > 1:
            listed = ", ".join(f"{name} is {scale}x" for name, scale in scales.items())
            raise ValueError(f"models must have one scale to be compared: {listed}")
        prepare, where, scale = self._prepare or plain, _device(device), next(iter(scales.values()))
        upscalers = {name: network_upscaler(network, where, prepare) for name, network in networks.items()}
        return classic_upscalers(scale) | upscalers, scale


_NOT_DRAWN = ("source", "Lanczos", "spline36")  # the sheet shows the source anyway, and bicubic speaks for its kind


def _check_installed() -> None:
    """Refuse to begin what a missing package would end later.

    Raises:
        TrainingError: One is missing.
    """
    missing = [name for name in ("PIL", "av") if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainingError(console.missing(*missing, install='"vsfdat[train]"'))


def _check_output(out: Path, ending: str = "") -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        TrainingError: The file has no folder, or is one itself, or ends otherwise.
    """
    if not out.parent.is_dir() or out.is_dir():
        raise TrainingError(f"out must be a file in a folder that exists, passed {out}")
    if not out.name.lower().endswith(ending):
        raise TrainingError(f"out must end in {ending}, passed {out}")


def _compressor(codec: str, strength: float) -> "Harm":
    from .degrade import through_video

    return lambda picture: through_video([picture] * 3, codec, strength, carefully=True)[-1]


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        console.show(line)


def _print_compressed(upscalers: Mapping[str, "Upscaler"], scale: int, clips: Path) -> None:
    from .compressed import compressed_table
    from .perceptual import INSTALL, load_lpips

    lpips = load_lpips()
    if lpips is None:
        console.say(f"vsfdat: for LPIPS as well: {INSTALL}")
    _print_lines(compressed_table(upscalers, clips, scale, lpips))


def _device(name: str) -> "torch.device":
    """Turn a name into a device that is there.

    Raises:
        ValueError: The name means nothing to torch, or a single number cannot go there and back.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device must be auto, cpu, cuda, cuda:1 or mps, passed {name!r}") from None
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:  # the last two where torch was built without it
        raise ValueError(f"device {name!r} is not here or not free, use auto or cpu") from error
    return device
