"""A training run from start to end: what `vsfdat train` does."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from vsfdat.arch import FDATConfig, TFDATConfig
from vsfdat.errors import TrainingError
from vsfdat.models import load_model
from vsfdat.quality.evaluate import Score, clip_upscaler, score_pictures
from vsfdat.quality.interpolate import on_pictures
from vsfdat.quality.pictures import list_pictures

from .clips import ClipSampler, frame_side
from .crops import Crops, load_crops
from .export import describe_machine, describe_recipe, export_model
from .footage import read_footage
from .identity import can_be_identity
from .logbook import Line, Logbook, plot_log
from .recipe import DownscaleFacts, Recipe, read_recipe
from .sampler import Ahead, PatchSampler
from .trainer import Trainer, network_config

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Session:
    """Name the files and the limits of a run.

    Args:
        data: Training pictures, as `load_crops` reads them.
        config: Recipe file, or the name of one of the package's.
        out: Model file to write; the training state, the log and the curve lie beside it under its name.
        start: Model to begin with: a name or a file; not looked at where a run is resumed.
        resume: Whether to go on from where `out` was left.
        hours: Hours of work that replace the recipe's number of steps.
        validate: Folder of pictures for the score in the log.
        device: The device that trains, and that scores the validation pictures.
        workers: Threads that share a batch.
    """

    data: Path
    config: str
    out: Path
    start: str | None = None
    resume: bool = False
    hours: float | None = None
    validate: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    workers: int = 1

    @property
    def state_file(self) -> Path:
        """The training state, from which a run resumes."""
        return self.out.with_suffix(".state.pt")


def train(session: Session) -> Score | None:
    """Run a training session to its end.

    Returns:
        The last validation score, if there are pictures for one.

    Raises:
        TrainingError: The recipe, the data, the weights to start from or the state to resume are unusable; or a file
            or a limit of the session is.
    """
    _check(session)
    recipe = read_recipe(session.config)
    beginning = _resumed(session, recipe) if session.resume else _begun(session, recipe)
    # Clips are made small as they are painted, so that of their pictures one small copy is more than enough.
    kernels = DownscaleFacts() if isinstance(beginning.config, TFDATConfig) else recipe.downscale
    crops = load_crops(session.data, beginning.config.scale, kernels)
    trainer = _trainer(session, recipe, beginning, crops)
    session.out.parent.mkdir(parents=True, exist_ok=True)
    metadata = _origin(recipe, crops, session) | {"started_from": beginning.started_from}
    logbook = Logbook(session.out.with_suffix(".tsv"), trainer.step)
    try:
        score = _run(trainer, session, logbook, metadata)
    except KeyboardInterrupt:
        _save(trainer, session, metadata, None)
        raise
    except Exception:
        if trainer.step:  # before the first there is nothing to lose, and an older model may lie there
            _save(trainer, session, metadata, None)
            _log.error("step %d is saved, go on from it with --resume", trainer.step)
        raise
    _save(trainer, session, metadata, score)
    plot_log(logbook.file, session.out.with_suffix(".png"))
    return score


def _check(session: Session) -> None:
    """Refuse what would show only after hours of work, or never.

    Raises:
        TrainingError: The output has another format's ending, there are no hours, or no pictures to validate on.
    """
    if session.out.suffix.lower() != ".safetensors":
        raise TrainingError(f"out must end in .safetensors, passed {session.out}")
    if session.hours is not None and not session.hours > 0:
        raise TrainingError(f"hours must be above 0, passed {session.hours:g}")
    if session.validate is not None:
        list_pictures(session.validate)


@dataclass(frozen=True)
class _Beginning:
    """What a run begins with.

    Args:
        config: Hyper-parameters of the network to train.
        started_from: The name of the model that it starts or started from.
        enter: Gives a new trainer the weights, or all of the state.
    """

    config: FDATConfig
    started_from: str
    enter: Callable[[Trainer], None]


def _begun(session: Session, recipe: Recipe) -> _Beginning:
    if session.start is None:
        if recipe.run.start_share:
            raise TrainingError(
                "run.start_share mixes with the weights that a run starts from, and there are none: --start"
            )
        config = network_config(recipe.network)
        if can_be_identity(config):
            return _Beginning(config, "the identity and random blocks", Trainer.begin_as_identity)
        return _Beginning(config, "random weights", lambda _: None)
    start = load_model(session.start)
    config = network_config(recipe.network, start.config)
    return _Beginning(config, Path(session.start).name, lambda trainer: trainer.start_from(start.state_dict()))


def _resumed(session: Session, recipe: Recipe) -> _Beginning:
    if not session.state_file.is_file():
        raise TrainingError(f"there is nothing to resume: {session.state_file} does not exist")
    state = torch.load(session.state_file, map_location="cpu", weights_only=True)
    kind = TFDATConfig if "flow_base_ch" in state["config"] else FDATConfig
    config = kind(**state["config"])
    if network_config(recipe.network, config) != config:
        raise TrainingError(f"the recipe's network is not the one that {session.state_file} goes on with")
    return _Beginning(config, state["started_from"], lambda trainer: trainer.load(state["trainer"]))


def _trainer(session: Session, recipe: Recipe, beginning: _Beginning, crops: Crops) -> Trainer:
    sampler = _sampler(session, recipe, beginning, crops)
    seconds = None if session.hours is None else session.hours * 3600
    trainer = Trainer(
        beginning.config, recipe, sampler, session.device, budget_seconds=seconds, workers=session.workers
    )
    beginning.enter(trainer)
    return trainer


def _sampler(session: Session, recipe: Recipe, beginning: _Beginning, crops: Crops) -> Ahead:
    if not isinstance(beginning.config, TFDATConfig):
        return PatchSampler(crops, recipe, session.device)
    footage = read_footage(session.data, recipe.clips.length, frame_side(recipe, crops.scale))
    return ClipSampler(crops, recipe, session.device, footage)


def _run(trainer: Trainer, session: Session, logbook: Logbook, metadata: dict[str, str]) -> Score | None:
    run, score, losses = trainer.recipe.run, None, list[Tensor]()
    saved = time.monotonic()
    while trainer.progress < 1:
        losses.append(trainer.train_step())
        if trainer.step % run.validate_every == 0 or trainer.progress >= 1:
            score = _validate(trainer, session)
            psnr, ssim = (score.psnr, score.ssim) if score else (float("nan"), float("nan"))
            loss = torch.stack(losses).mean().item()
            logbook.write(Line(trainer.step, trainer.clock.worked_seconds, trainer.progress, loss, psnr, ssim))
            losses.clear()
        if time.monotonic() - saved > run.save_minutes * 60:
            _save(trainer, session, metadata, score)
            saved = time.monotonic()
    return score


def _validate(trainer: Trainer, session: Session) -> Score | None:
    if session.validate is None:
        return None
    network = trainer.resulting_network()
    upscale = on_pictures(clip_upscaler(network, session.device))
    return score_pictures(upscale, session.validate, network.config.scale)


def _save(trainer: Trainer, session: Session, metadata: dict[str, str], score: Score | None) -> None:
    part = session.state_file.with_suffix(".part")
    state = {
        "trainer": trainer.state(),
        "config": asdict(trainer.module.config),
        "started_from": metadata["started_from"],
    }
    torch.save(state, part)
    part.replace(session.state_file)
    reached = {"steps": str(trainer.step), "worked_s": f"{trainer.clock.worked_seconds:.0f}"}
    if score is not None:
        reached["validation"] = f"{score} on {session.validate.name if session.validate else ''}"
    export_model(trainer.result(), session.out, {**metadata, **reached})


def _origin(recipe: Recipe, crops: Crops, session: Session) -> dict[str, str]:
    """What the model file says about how it is made."""
    return {
        "recipe": describe_recipe(recipe),
        "data": json.dumps({"pictures": Counter(crops.styles), "blake2b": crops.fingerprint()}),
        "machine": describe_machine(session.device, session.workers),
        "torch": torch.__version__,
    }
