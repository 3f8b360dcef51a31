"""What a training run is made of: a TOML file, read into frozen facts and checked before anything starts."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from vsfdat.arch import PRESETS, FDATConfig, TFDATConfig
from vsfdat.errors import TrainingError
from vsfdat.quality.downscale import Kernel, Light

from . import checks
from .checks import Range
from .scenes import ClipFacts

Codec = Literal["h264", "mpeg2", "jpeg", "yuv420"]
Pixel = Literal["l1", "l2"]
OptimizerName = Literal["adamw", "muon"]
Precision = Literal["fp32", "bf16"]

RECIPE_FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, kw_only=True)
class NetworkFacts:
    """Name the network: what it is based on, and the hyper-parameters that differ.

    Args:
        preset: Key of `vsfdat.arch.PRESETS`; None for the network that the run starts from, fdat_tiny if there is none.
        temporal: Whether it looks at a frame's neighbours: TFDAT, and no FDAT.
        overrides: Hyper-parameters by their names in `FDATConfig`, or `TFDATConfig`.
    """

    preset: str | None = None
    temporal: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.preset is not None:
            checks.among("preset", self.preset, PRESETS)
        checks.fields_of(TFDATConfig if self.temporal else FDATConfig, "overrides", self.overrides)


@dataclass(frozen=True, kw_only=True)
class SamplingFacts:
    """Say how patches are drawn from the crops.

    Args:
        patch: Side of a low-resolution patch, in pixels.
        batch: Patches that one step learns from.
        styles: Share of each style, by the crop's file name up to the first underscore; empty draws uniformly.
        detail: How strongly crops are preferred that bicubic upscaling fails on; 0 is not at all.
        tries: Places looked at in a crop; the one that bicubic upscaling fails on most becomes the patch.
        flat: Share of patches of one random colour. Heads that make several pixels of one have to learn to make the
            same of them, and pictures with detail do not insist on it in bright, pure colours.
    """

    patch: int = 48
    batch: int = 8
    styles: Mapping[str, float] = field(default_factory=dict)
    detail: float = 0.0
    tries: int = 1
    flat: float = 0.0

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "patch", "batch", "tries")
        checks.shares(self, "flat")
        if self.styles:
            checks.weights("styles", self.styles)


@dataclass(frozen=True, kw_only=True)
class DownscaleFacts:
    """Weigh the kernels that make the low-resolution pictures.

    Args:
        kernels: Share of each kernel; all are antialiased but "aliased", a bicubic of four taps at any scale.
        light: Whether pixels are averaged as they are stored, or in proportion to light.
    """

    kernels: Mapping[str, float] = field(default_factory=lambda: {"bicubic": 1.0})
    light: Light = "gamma"

    def __post_init__(self) -> None:
        checks.all_among("kernels", self.kernels, get_args(Kernel))
        checks.weights("kernels", self.kernels)
        checks.among("light", self.light, get_args(Light))


@dataclass(frozen=True, kw_only=True)
class DegradeFacts:
    """Say what happens to low-resolution patches before the network sees them.

    Args:
        share: Share of the patches that are degraded; the others stay clean.
        blur: Gaussian blur of half of the degraded patches: range of sigma, in pixels.
        noise: Gaussian noise of half of them: range of sigma, in 8-bit steps.
        codecs: One of these compresses each degraded patch: h264 by CRF, mpeg2 by quantiser, jpeg by quality,
            yuv420 by nothing but the halved chroma planes.
    """

    share: float = 0.0
    blur: Range = (0.0, 0.0)
    noise: Range = (0.0, 0.0)
    codecs: Mapping[str, Range] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.all_among("codecs", self.codecs, get_args(Codec))
        checks.shares(self, "share")
        checks.ranges({"blur": self.blur, "noise": self.noise, **self.codecs})


@dataclass(frozen=True, kw_only=True)
class OptimizerFacts:
    """Describe the optimiser and its schedule.

    Args:
        name: "adamw", or "muon" for the weights of the linear layers and AdamW for the rest.
        lr: Peak learning rate of AdamW.
        muon_lr: Peak learning rate of Muon, whose steps are scaled to AdamW's usual size.
        betas: Shares that AdamW's averages of the gradient and of its square keep at each step.
        weight_decay: What a step takes away of each weight, over the learning rate.
        warmup_steps: Steps of linear warm-up.
        final_lr: Share of the peak at the end of the cosine.
        clip_norm: Largest norm of the gradient.
        ema_decay: Decay of the averaged weights, which are what a run saves.
    """

    name: OptimizerName = "adamw"
    lr: float = 6e-4
    muon_lr: float = 6e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    warmup_steps: int = 200
    final_lr: float = 0.02
    clip_norm: float = 1.0
    ema_decay: float = 0.999

    def __post_init__(self) -> None:
        checks.among("name", self.name, get_args(OptimizerName))


@dataclass(frozen=True, kw_only=True)
class LossFacts:
    """Weigh the terms of the loss.

    Args:
        pixel: Distance of the pictures: "l1", or "l2" for mean squares, which PSNR is made of: for the end of a run.
        frequency: Weight of the L1 of the two-dimensional spectrum, beside 1 for the distance of the pictures.
        perceptual: Weight of LPIPS; keeps a network that takes artefacts away from taking texture with them.
        steady: Weight of the distance of what changes from one frame to the next: with clips alone, of which two
            successive frames are drawn then.
        aligned: Weight of the distance of each neighbour, moved to where the middle's picture is, from that.
    """

    pixel: Pixel = "l1"
    frequency: float = 0.002
    perceptual: float = 0.0
    steady: float = 0.0
    aligned: float = 0.0

    def __post_init__(self) -> None:
        checks.among("pixel", self.pixel, get_args(Pixel))
        checks.at_least(self, 0, "frequency", "perceptual", "steady", "aligned")


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """Say how long and how a run goes.

    Args:
        steps: Length of the schedule, unless a time budget replaces it.
        seed: Seed of everything random.
        precision: Precision of the network's pass; weights stay in fp32.
        start_share: Share of the weights that the run started from in those that it saves: a network that learned
            something new keeps what the old one was better at (https://arxiv.org/abs/2109.01903).
        align_steps: First steps, in which a temporal network learns nothing but how pictures move.
        compile: Whether `torch.compile` builds the network's pass; on CPUs it rarely pays.
        validate_every: Steps between lines of the log.
        save_minutes: Minutes after which the model and the training state are written again.
    """

    steps: int = 10_000
    seed: int = 1
    precision: Precision = "bf16"
    start_share: float = 0.0
    align_steps: int = 0
    compile: bool = False
    validate_every: int = 500
    save_minutes: float = 3.0

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "steps", "validate_every")
        checks.at_least(self, 0, "align_steps")
        checks.shares(self, "start_share")
        checks.among("precision", self.precision, get_args(Precision))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Hold everything that decides a run's numbers, apart from the data and the weights that it starts from."""

    network: NetworkFacts = field(default_factory=NetworkFacts)
    sampling: SamplingFacts = field(default_factory=SamplingFacts)
    downscale: DownscaleFacts = field(default_factory=DownscaleFacts)
    degrade: DegradeFacts = field(default_factory=DegradeFacts)
    clips: ClipFacts = field(default_factory=ClipFacts)
    optimizer: OptimizerFacts = field(default_factory=OptimizerFacts)
    loss: LossFacts = field(default_factory=LossFacts)
    run: RunFacts = field(default_factory=RunFacts)


_TABLES: dict[str, type] = {
    "network": NetworkFacts, "sampling": SamplingFacts, "downscale": DownscaleFacts, "degrade": DegradeFacts,
    "clips": ClipFacts,
    "optimizer": OptimizerFacts, "loss": LossFacts, "run": RunFacts,
}  # fmt: skip


def read_recipe(recipe: Path | str) -> Recipe:
    """Read a recipe file, or one of the package's own by its name.

    Args:
        recipe: A TOML file, or a name such as "fdat-tiny-2x".

    Returns:
        The recipe, with defaults for what the file leaves out.

    Raises:
        TrainingError: The file is missing, is no TOML, or holds a key or a value that means nothing.
    """
    file = Path(recipe)
    if not file.is_file():
        file = RECIPE_FOLDER / f"{recipe}.toml"
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        own = ", ".join(sorted(known.stem for known in RECIPE_FOLDER.glob("*.toml")))
        raise TrainingError(f"config must be a recipe file or one of {own}, passed {str(recipe)!r}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{file.name} is not valid TOML: {error}") from error
    return parse_recipe(tables, origin=file.name)


def parse_recipe(tables: Mapping[str, Any], origin: str = "recipe") -> Recipe:
    """Check a recipe's tables and freeze them.

    Args:
        tables: What the TOML holds.
        origin: What to call the recipe in messages.

    Raises:
        TrainingError: A key or a value means nothing.
    """
    try:
        checks.all_among("the recipe", tables, _TABLES)
        return Recipe(**{name: _fill(_TABLES[name], name, _frozen(table)) for name, table in tables.items()})
    except ValueError as error:
        raise TrainingError(f"{origin}: {error}") from error


def _fill(kind: type, name: str, table: Any) -> Any:
    checks.fields_of(kind, name, table)
    return kind(**table)


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return {key: _frozen(inner) for key, inner in value.items()}
    return value
