"""One plan for all slots of a device, so that a frame gets the same bits whichever of them makes it."""

import logging
import sys
import threading

import torch

from vsfdat.arch import FDATConfig

from . import plan as planning
from .plan import Demand, Plan

_log = logging.getLogger(__name__)
_SHARE = 0.9  # of what the device says is free; the rest is for its libraries and for other programs


class Agreement:
    """Choose how frames of a size are cut, for all slots alike; where one runs out of memory, all step down.

    Args:
        config: The network's sizes.
        device: Where the slots work.
        itemsize: Bytes of a feature.
        given: The plan to begin with; None to choose by a frame's size and by each slot's part of the free memory.
    """

    def __init__(self, config: FDATConfig, device: torch.device, itemsize: int, given: Plan | None) -> None:
        self._config, self._device, self._itemsize, self._given = config, device, itemsize, given
        self._slots = 0
        self._plans: dict[torch.Size, Plan] = {}
        self._lock = threading.Lock()

    def join(self) -> None:
        """Count one slot more, before its first frame."""
        self._slots += 1

    def plan(self, size: torch.Size) -> Plan:
        """Say how to cut frames [C, H, W] of a size; a slot gives back its maps of another size before it asks."""
        with self._lock:
            if size not in self._plans:
                self._plans[size] = self._given or self._chosen(size)
            return self._plans[size]

    def below(self, size: torch.Size, plan: Plan) -> Plan | None:
        """Step down from a plan that ran out of memory, or follow the slot that did so before; None after the last.

        Then the size is forgotten, as its next frame may find more room.
        """
        with self._lock:
            agreed = self._plans.get(size, plan)
            lower = agreed if agreed != plan else planning.smaller(plan, self._config.window_size)
            if lower is None:
                self._plans.pop(size, None)
            else:
                self._plans[size] = lower
            return lower

    def _chosen(self, size: torch.Size) -> Plan:
        demand = Demand(self._config, size[1], size[2], self._itemsize)
        if self._device.type == "cpu":
            plan = planning.for_cache(demand)
        else:
            plan = planning.for_memory(demand, int(_SHARE * _free_bytes(self._device)) // self._slots)
        # vspipe sets no level at all, and of other threads than its own it prints whatever comes.
        if _log.getEffectiveLevel() != logging.NOTSET:
            _log.debug("%s takes about %d MiB a slot", plan, demand.device_bytes(plan) >> 20)
        return plan


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    # Other accelerators do not tell; running out of memory will.
    return sys.maxsize
