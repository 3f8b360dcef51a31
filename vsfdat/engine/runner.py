"""The exact engine: the whole frame's picture, strip by strip, on folded weights."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vsfdat.arch import FDAT, TFDAT, FDATConfig
from vsfdat.arch.fdat import SimplifiedDATBlock, pad_to_multiple
from vsfdat.arch.tfdat import SLOPE
from vsfdat.notices import Once
from vsfdat.ops import Backend, NetworkShape, Ops, choose
from vsfdat.ops.interface import Rows

from . import plan as planning
from .agreement import Agreement
from .blocks import Block, convolve, fold_block
from .device import is_full
from .fold import fusion_into_convolution
from .head import Head
from .host_maps import on_host
from .strips import cut_strips

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Network:
    """A folded network, shared by the engines of all slots; `fuse` is TFDAT's, between the first and the groups."""

    config: FDATConfig
    device: torch.device
    dtype: torch.dtype
    backend: Backend
    first: Any
    fuse: Any
    groups: list[tuple[list[Block], Any]]
    after: Any
    head: Head


def shape_of(config: FDATConfig) -> NetworkShape:
    """Tell the ops what a network's layers have in common."""
    return NetworkShape(config.embed_dim, config.num_heads, config.ffn_dim, config.window_size)


def fold_network(module: FDAT, device: torch.device, dtype: torch.dtype, backend: Backend) -> Network:
    """Fold and pack a network's weights for a device and a backend; the module is not changed."""

    def pack(weight: Tensor, bias: Tensor | None) -> Any:
        weight, bias = weight.detach().to(dtype), None if bias is None else bias.detach().to(dtype)
        return backend.ops.pack_conv(weight.to(device), None if bias is None else bias.to(device))

    def pack_layer(name: str) -> Any:
        return pack(*_convolution(module, name))

    return Network(
        config=module.config,
        device=device,
        dtype=dtype,
        backend=backend,
        first=pack(*_first(module)),
        fuse=pack_layer("temporal_fuse.2") if isinstance(module, TFDAT) else None,
        groups=[
            (
                [fold_block(block, backend.ops, device, dtype) for block in _blocks(module, i)],
                pack_layer(f"groups.{i}.conv"),
            )
            for i in range(module.config.num_groups)
        ],
        after=pack_layer("conv_after"),
        head=Head(module.upsampler, device, dtype, backend),
    )


def _first(module: FDAT) -> tuple[Tensor, Tensor | None]:
    """Give the weights of the first convolution; TFDAT's is of centre and average, and what mixes them is in it."""
    if not isinstance(module, TFDAT):
        return _convolution(module, "conv_first.1" if module.config.unshuffle > 1 else "conv_first")
    layers = _convolution(module, "conv_first"), _convolution(module, "temporal_fuse.0")
    weight, bias, mix, mix_bias = (tensor.double() for layer in layers for tensor in layer if tensor is not None)
    return fusion_into_convolution(weight, bias, mix.flatten(1), mix_bias)


def _convolution(module: FDAT, name: str) -> tuple[Tensor, Tensor | None]:
    layer = module.get_submodule(name)
    return layer.get_parameter("weight"), None if layer.bias is None else layer.get_parameter("bias")


def _blocks(module: FDAT, group: int) -> list[SimplifiedDATBlock]:
    blocks = module.get_submodule(f"groups.{group}.blocks").children()
    return [block for block in blocks if isinstance(block, SimplifiedDATBlock)]


class ExactEngine:
    """Run a folded network on one frame at a time, in maps that are allocated once and kept.

    Args:
        network: The weights, shared.
        agreement: How to cut, shared too.
        once: Shared by the slots of a clip, so that the log says things once.
    """

    def __init__(self, network: Network, agreement: Agreement, once: Once) -> None:
        self._network = network
        self._agreement = agreement
        self._once = once
        agreement.join()
        self._size: torch.Size | None = None
        self._plan: planning.Plan | None = None
        self._maps: list[Tensor] = []

    @property
    def device(self) -> torch.device:
        """Where pictures come from and go to."""
        return self._network.device

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        return self._network.config.scale

    def __call__(self, frame: Tensor) -> Tensor:
        """[C_in, H, W] fp32 in [0, 1] -> [C_out, H·scale, W·scale] fp32, not clamped; of TFDAT, C_in is 6 (`temporal`).

        Raises:
            RuntimeError: The frame does not fit in the smallest strips, with its maps in host memory.
        """
        if self._size != frame.shape:
            self._maps = []  # before the free memory is looked at
            self._size = frame.shape
        plan: planning.Plan | None = self._agreement.plan(frame.shape)
        while plan is not None:
            try:
                self._enter(plan)
                with torch.inference_mode():
                    return self._run(frame, plan)
            except RuntimeError as error:
                if not is_full(error):
                    raise
                # Its traceback holds the tensors of the attempt, which are to be gone before the next.
                failure = error.with_traceback(None)
            plan = self._step_down(frame.shape, plan)
        raise failure

    @property
    def repeats_itself(self) -> bool:
        """Whether another frame of the last one's size will be the same launches on the same memory."""
        network, plan = self._network, self._plan
        # Heads that look at all features run libraries' code, which asks the host or keeps memory of its own.
        return network.backend.recordable and not network.head.whole and plan is not None and not plan.host_maps

    def repeat(self, frame: Tensor) -> Tensor:
        """Upscale a frame of the last one's size by the same plan, which stays, whatever happens.

        Raises:
            torch.OutOfMemoryError: There is no room for what is not kept from frame to frame.
        """
        assert self._plan is not None
        with torch.inference_mode():
            return self._run(frame, self._plan)

    def _enter(self, plan: planning.Plan) -> None:
        """Go on by a plan, which another slot may have brought about."""
        if self._plan is not None and self._plan.host_maps != plan.host_maps:
            self._maps = []  # they are in the wrong place
        self._plan = plan

    def _step_down(self, size: torch.Size, plan: planning.Plan) -> planning.Plan | None:
        """Give all memory back and find a smaller plan; None where there is none."""
        self._maps = []
        if self.device.type != "cpu":
            torch.accelerator.empty_cache()
        lower = self._agreement.below(size, plan)
        if lower is not None and lower.host_maps:
            self._once.warning(
                "The device is out of memory in the smallest strips; its feature maps go to host memory."
            )
        elif lower is not None:
            self._once.warning("The device is out of memory; going on in smaller strips.")
        return lower

    def _run(self, frame: Tensor, plan: planning.Plan) -> Tensor:
        network = self._network
        pixels = self._unshuffled(frame)
        height = pixels.shape[0]
        ops: Ops = network.backend.ops
        if plan.host_maps:
            ops = on_host(ops, network.device, network.config.window_size)
        whole = network.backend.cuts_itself and not plan.host_maps
        strips = [strip.core for strip in cut_strips(height, height if whole else plan.rows)]

        features = self._features(ops, pixels, strips, self._workspace(height, pixels.shape[1], plan))
        scale = network.config.scale
        picture = frame.new_empty(network.config.num_out_ch, frame.shape[1] * scale, frame.shape[2] * scale)
        network.head(ops, features, picture, strips, max(plan.rows, planning.HEAD_ROWS))
        return picture

    def _features(self, ops: Ops, pixels: Tensor, strips: Sequence[Rows], free: list[Tensor]) -> Tensor:
        """[h, w, C_in·u²] -> [h, w, C], one of the free maps: all that comes before the head."""
        network = self._network
        x = shallow = free.pop()
        if network.fuse is None:
            convolve(ops, pixels, shallow, network.first, None, strips)
        else:
            convolve(ops, pixels, free[-1], network.first, None, strips)
            F.leaky_relu(free[-1], SLOPE, inplace=True)
            convolve(ops, free[-1], shallow, network.fuse, None, strips)
        for blocks, conv in network.groups:
            group_input = x
            for block in blocks:
                attended = free.pop()
                block.attend(ops, x, attended, strips)
                if x is not group_input:
                    free.append(x)
                x = free.pop()
                block.feed_forward(ops, attended, x, strips)
                free.append(attended)
            out = free.pop() if group_input is shallow else group_input
            convolve(ops, x, out, conv, group_input, strips)
            free.append(x)
            x = out
        convolve(ops, x, shallow, network.after, shallow, strips)
        return shallow

    def _unshuffled(self, frame: Tensor) -> Tensor:
        """[C_in, H, W] fp32 -> [h, w, C_in·u²] in the network's precision, padded as the network pads."""
        unshuffle = self._network.config.unshuffle
        padded = pad_to_multiple(frame.unsqueeze(0), unshuffle)
        pixels = F.pixel_unshuffle(padded, unshuffle)[0].permute(1, 2, 0)
        return pixels.to(self._network.dtype).contiguous()

    def _workspace(self, height: int, width: int, plan: planning.Plan) -> list[Tensor]:
        """Give the slot's maps, allocated at a size's first frame and kept."""
        network = self._network
        shape = (height, width, network.config.embed_dim)
        if not self._maps:
            device = "cpu" if plan.host_maps else network.device
            pinned = plan.host_maps and network.device.type == "cuda"
            count = planning.map_count(network.config)
            self._maps = [
                torch.empty(shape, dtype=network.dtype, device=device, pin_memory=pinned) for _ in range(count)
            ]
        return list(self._maps)


def build(
    module: FDAT,
    device: torch.device,
    dtype: torch.dtype,
    *,
    backend: Backend | None = None,
    plan: planning.Plan | None = None,
) -> Callable[[], ExactEngine]:
    """Fold a network for a device, once for all of the engines that the result gives.

    Args:
        module: The network, in fp32 on the CPU; it is not changed.
        device: Where it will run.
        dtype: What it computes in.
        backend: Whose ops compute; None for the fastest here.
        plan: How to cut; None to choose from the first frame.
    """
    network = fold_network(module, device, dtype, backend or choose(device, dtype, shape_of(module.config)))
    agreement, once = Agreement(network.config, device, dtype.itemsize, plan), Once(_log)
    return lambda: ExactEngine(network, agreement, once)
