"""Muon for many small matrices: those of one shape are orthogonalised together."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315  # the quintic whose iteration takes singular values to about 1 fastest
_ITERATIONS = 5
_EPSILON = 1e-7


class Muon(torch.optim.Optimizer):
    """Orthogonalise a matrix's momentum before it becomes the step, with steps scaled to AdamW's usual size.

    The same numbers as `torch.optim.Muon(adjust_lr_fn="match_rms_adamw")`, which takes one matrix after another: on a
    GPU it waits for hundreds of launches, and torch 2.8 has none. The states are the same too.

    Args:
        matrices: Parameters [M, N]; those of one shape become one batch.
        lr: Learning rate: a fifth of it is the root mean square of a step.
        weight_decay: What a step takes away of each weight, over the learning rate.
        momentum: Share of the old momentum that a step keeps.

    Source:
        https://kellerjordan.github.io/posts/muon/, and for the scale https://arxiv.org/abs/2502.16982
    """

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, *, weight_decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Do one step; every matrix must have its gradient."""
        if closure is not None:
            raise ValueError("Muon calls no closure")
        for group in self.param_groups:
            self._step_group(group)

    def _step_group(self, group: dict[str, Any]) -> None:
        matrices, lr, momentum = group["params"], group["lr"], group["momentum"]
        gradients = [matrix.grad for matrix in matrices]
        averages = [self._momentum(matrix) for matrix in matrices]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        updates = torch._foreach_lerp(gradients, averages, momentum)  # Nesterov's
        if group["weight_decay"]:
            torch._foreach_mul_(matrices, 1 - lr * group["weight_decay"])
        for shape, alike in _by_shape(matrices).items():
            steps = _orthogonalised([updates[n] for n in alike])
            torch._foreach_add_([matrices[n] for n in alike], steps, alpha=-lr * 0.2 * math.sqrt(max(shape)))

    def _momentum(self, matrix: Tensor) -> Tensor:
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        momentum: Tensor = state["momentum_buffer"]
        return momentum


def _by_shape(matrices: Sequence[Tensor]) -> dict[torch.Size, list[int]]:
    """Shape -> the numbers of the matrices that have it."""
    alike: dict[torch.Size, list[int]] = defaultdict(list)
    for n, matrix in enumerate(matrices):
        alike[matrix.shape].append(n)
    return alike


def _orthogonalised(matrices: list[Tensor]) -> list[Tensor]:
    """Matrices [M, N] -> as many, their singular values taken to about 1 by Newton and Schulz's iteration.

    It needs no more digits than bf16 has; but CPUs without such instructions take ten times as long over them.
    """
    x = torch.stack(matrices)
    x = x.to(_precision(x.device))
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=_EPSILON)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    if tall:
        x = x.mT
    return list(x.to(matrices[0].dtype, memory_format=torch.contiguous_format).unbind())


def _precision(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if device.type == "cuda" else torch.float32
