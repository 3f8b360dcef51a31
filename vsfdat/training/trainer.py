"""The training step and all that it changes, as one thing that can be saved and loaded."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from vsfdat.arch import FDAT, PRESETS, TFDAT, FDATConfig, TFDATConfig, build_network
from vsfdat.errors import TrainingError

from .identity import begin_as_identity
from .losses import Objective, build_loss, build_objective
from .motions import motion_error
from .optimizer import Average, build_optimizers, lr_factor, set_lr
from .recipe import NetworkFacts, Recipe
from .sampler import Ahead
from .temporal import begin_at_centre, build_clip_objective

_log = logging.getLogger(__name__)
_ALIGN_FASTER = 2.0  # times the learning rate, while nothing but the flow learns
_LOOKED_AT = 8  # batches that show what values the features of a network to start from have
_PAUSE = 5  # a step this many times longer than usual was a pause: a suspended machine, a stopped process


@dataclass
class Clock:
    """Count the time that was really worked; a pause counts as a few steps.

    Args:
        worked_seconds: Time worked so far, pauses left out.
        usual_seconds: What a step takes of late; 0 before the first.
    """

    worked_seconds: float = 0.0
    usual_seconds: float = 0.0

    def tick(self, seconds: float) -> None:
        """Take in one step's duration."""
        usual = self.usual_seconds
        counted = min(seconds, _PAUSE * usual) if usual else seconds
        self.usual_seconds = 0.95 * usual + 0.05 * counted if usual else counted
        self.worked_seconds += counted


class Trainer:
    """Train one network.

    Args:
        config: Hyper-parameters of the network to train.
        recipe: What else decides the numbers.
        sampler: Where batches come from.
        device: Where the network runs.
        budget_seconds: Time to work, pauses left out, that replaces the recipe's number of steps.
        workers: Threads that share a step's batch, each on one core. On a CPU that other programs use too this is
            far faster than torch's own threads, which wait for each other at every operation.

    Raises:
        TrainingError: No worker; or several and dropout, whose draws the threads would take in any order; or a batch
            that the workers cannot share evenly; or a perceptual loss whose weights are not installed.
    """

    def __init__(
        self,
        config: FDATConfig,
        recipe: Recipe,
        sampler: Ahead,
        device: torch.device,
        *,
        budget_seconds: float | None = None,
        workers: int = 1,
    ) -> None:
        if workers < 1:
            raise TrainingError(f"workers must be at least 1, passed {workers}")
        if workers > 1 and (config.drop_path_rate or config.drop_rate):
            raise TrainingError("several workers need drop_path_rate and drop_rate 0, or a run could not be repeated")
        if recipe.sampling.batch % workers:
            raise TrainingError(f"workers must divide the batch of {recipe.sampling.batch}, passed {workers}")
        torch.manual_seed(recipe.run.seed)
        self.recipe, self._sampler, self.device, self._workers = recipe, sampler, device, workers
        self._budget_seconds = budget_seconds
        self.module = build_network(config).to(device).to(memory_format=torch.channels_last).train()
        self.average = Average(self.module, recipe.optimizer.ema_decay)
        self._start: dict[str, Tensor] = {}
        self.clock = Clock()
        self.step = 0
        self._optimizers = build_optimizers(self.module, recipe.optimizer)
        self._objective = self._build_objective()
        self._queued: torch.cuda.Event | None = None
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        if self._budget_seconds is None:
            return min(1.0, self.step / self.recipe.run.steps)
        return min(1.0, self.clock.worked_seconds / self._budget_seconds)

    @property
    def _aligns(self) -> bool:
        """Whether a step is one of the first, in which nothing but the flow learns."""
        return isinstance(self.module, TFDAT) and self.step < self.recipe.run.align_steps

    @property
    def _parameters(self) -> list[nn.Parameter]:
        """What a step changes."""
        return list((self.module.get_submodule("flow_net") if self._aligns else self.module).parameters())

    def train_step(self) -> Tensor:
        """Do one step; a GPU may still be busy with it afterwards, but no longer with the one before.

        Returns:
            The loss [], where the network runs: reading it waits for the step.
        """
        began = time.perf_counter()
        facts = self.recipe.optimizer
        torch.manual_seed(self.recipe.run.seed * 1_000_003 + self.step)  # dropout, so that resuming changes nothing
        loss = self._backward(*self._sampler.batch(self.step))
        nn.utils.clip_grad_norm_(self._parameters, facts.clip_norm)
        begun, faster = (0, _ALIGN_FASTER) if self._aligns else (self.recipe.run.align_steps, 1.0)
        set_lr(self._optimizers, faster * lr_factor(self.step - begun, self.progress, facts))
        for optimizer in self._optimizers[:1] if self._aligns else self._optimizers:  # the flow is AdamW's
            optimizer.step()
        self.average.update(self.step)
        self.step += 1
        self._keep_pace(loss)
        self.clock.tick(time.perf_counter() - began)
        return loss

    def start_from(self, state: dict[str, Tensor]) -> None:
        """Begin with the weights of another run: all that fit, so that a network of another scale or head can help.

        Raises:
            TrainingError: Its blocks are others, so it would be no start at all.
        """
        # Without the buffers: they tell of a network what it is, not what it learned.
        own = dict(self.module.named_parameters())
        if isinstance(self.module, TFDAT):
            state = {name.replace("conv_first.1.", "conv_first."): tensor for name, tensor in state.items()}
        fitting = {
            name: state[name] for name, tensor in own.items() if name in state and state[name].shape == tensor.shape
        }
        if any(name.startswith("groups.") and name not in fitting for name in own):
            raise TrainingError("the weights to start from do not fit the recipe's network")
        self.module.load_state_dict(fitting, strict=False)
        if isinstance(self.module, TFDAT) and "temporal_fuse.0.weight" not in fitting:
            looked_at = range(self.recipe.run.align_steps, self.recipe.run.align_steps + _LOOKED_AT)
            begin_at_centre(self.module, torch.cat([self._sampler.batch(step)[0] for step in looked_at]))
            fitting |= {name: own[name].detach().clone() for name in own if name.startswith("temporal_fuse.")}
        if len(fitting) < len(own):
            _log.info("%d of %d tensors begin random, as none to start from fits", len(own) - len(fitting), len(own))
        self._start = fitting
        self.average.load(self.module.state_dict())

    def begin_as_identity(self) -> None:
        """Begin with a network that gives back what comes in, if it `can_be_identity`."""
        begin_as_identity(self.module)
        self.average.load(self.module.state_dict())

    def state(self) -> dict[str, Any]:
        """Everything that `load` needs to go on to the same numbers."""
        return {
            "step": self.step,
            "worked": self.clock.worked_seconds,
            "module": self.module.state_dict(),
            "average": self.average.state,
            "start": self._start,
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.step, self.clock = state["step"], Clock(state["worked"])
        self.module.load_state_dict(state["module"])
        self.average.load(state["average"])
        self._start = state["start"]
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def result(self) -> dict[str, Tensor]:
        """Give the weights to save: averaged, and mixed with those that the run started from as the recipe says."""
        share, averaged = self.recipe.run.start_share, self.average.state
        if not share:
            return averaged
        mixed = {name: averaged[name].lerp(start.to(averaged[name]), share) for name, start in self._start.items()}
        return averaged | mixed

    def resulting_network(self) -> FDAT:
        """Build a network of those weights, for validation: eval mode, on the training's device."""
        network = build_network(self.module.config).to(self.device)
        network.load_state_dict(self.result())
        return network.eval()

    def _keep_pace(self, loss: Tensor) -> None:
        """Stay one step ahead of the device: it need not wait for Python, and the clock still counts its work."""
        if self.device.type != "cuda":
            loss.item()
            return
        before, self._queued = self._queued, torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._queued.record(torch.cuda.current_stream(self.device))
        if before is not None:
            before.synchronize()

    def _backward(self, low: Tensor, high: Tensor) -> Tensor:
        """Low and high patches [B, H, W, 3] uint8 -> the loss; leaves its gradients with the parameters."""
        if self._workers == 1:
            loss, gradients = self._gradients(low, high)
        else:
            shards = self._pool.map(self._gradients, low.chunk(self._workers), high.chunk(self._workers))
            losses, lists = zip(*shards, strict=True)
            loss = torch.stack(losses).mean()
            gradients = tuple(sum(parts) / len(parts) for parts in zip(*lists, strict=True))
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        return loss

    def _build_objective(self) -> Objective:
        facts, run = self.recipe.loss, self.recipe.run
        loss = build_loss(facts, self.device)
        if isinstance(self.module, TFDAT):
            return build_clip_objective(self.module, loss, run, facts)
        return build_objective(self.module, loss, run)

    def _motion_error(self, frames: Tensor, flow: Tensor) -> Tensor:
        return motion_error(self.module.get_submodule("flow_net"), frames, flow)

    def _gradients(self, low: Tensor, high: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        loss = (self._motion_error if self._aligns else self._objective)(low, high)
        # The gates that a block does not use get no gradient, but every optimiser step should see the same tensors.
        return loss.detach(), torch.autograd.grad(loss, self._parameters, materialize_grads=True)


def network_config(facts: NetworkFacts, start: FDATConfig | None = None) -> FDATConfig:
    """Resolve a recipe's network.

    Args:
        facts: The recipe's preset and overrides.
        start: The network that the run starts from.

    Raises:
        TrainingError: The hyper-parameters contradict each other.
    """
    base = PRESETS[facts.preset] if facts.preset else start or PRESETS["fdat_tiny"]
    if facts.temporal:
        base = TFDATConfig(**asdict(base) | {"unshuffle_mod": True})
    try:
        return replace(base, **facts.overrides)
    except ValueError as error:
        raise TrainingError(f"the recipe's network: {error}") from error
