"""State dicts to networks: every hyper-parameter is read off the tensors."""

import logging
import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vsfdat.arch import FDAT, FDATConfig, TFDATConfig, build_network
from vsfdat.arch.config import BlockType
from vsfdat.arch.heads import HeadFacts, find_head
from vsfdat.errors import CheckpointError

from .checkpoint import StateDict
from .detect_head import detect_head
from .tensors import check_tensors, count_blocks, shape_of

_log = logging.getLogger(__name__)

_BLOCK = "groups.0.blocks.0"
_REQUIRED = (f"{_BLOCK}.n1.weight", f"{_BLOCK}.inter.cg.1.weight", f"{_BLOCK}.ffn.fc1.weight", "conv_after.weight")
_NO_FDAT = "its tensors describe no FDAT network"
_META = "upsampler.MetaUpsample"
_FLOW = "flow_net.enc.0.weight"
# No network that spandrel knows has so many, and asking it takes long.
_MOST_TENSORS = 20_000
# Of what does not fit, this much is told.
_MOST_NAMES, _LONGEST_NAME = 8, 100


def load_into_network(state_dict: StateDict, source: str) -> FDAT:
    """Build the network that a state dict describes, FDAT or a relative; load it strictly; the dict stays as it is.

    Args:
        state_dict: Parameter names to tensors of any floating type.
        source: What error messages call it.

    Returns:
        The network in fp32 on the CPU, in eval mode, without gradients.

    Raises:
        CheckpointError: Another network, or tensors that do not fit FDAT.
    """
    config = detect_config(state_dict, source)
    if find_head(config.upsampler_type, config.scale).needs_spandrel:
        _check_body(config, state_dict, source)
    network = _build_without_memory(config, source)
    expected = network.state_dict()
    # Absent in some older files; the network that was built from the tensors knows it anyway.
    state_dict = {name: expected[name] for name in (_META,) if name in expected} | state_dict
    _check_fit(expected, state_dict, config, source)
    network.load_state_dict({key: _own(tensor, expected[key]) for key, tensor in state_dict.items()}, assign=True)
    _check_finite(network, source)
    return network.eval().requires_grad_(False)


def _build_without_memory(config: FDATConfig, source: str) -> FDAT:
    """Build on torch's meta device: memory is for networks whose tensors are all known to be there."""
    try:
        with torch.device("meta"):
            return build_network(config)
    except (ValueError, ZeroDivisionError) as error:
        head = f"the head {config.upsampler_type} cannot be made of {config.mid_dim} channels"
        raise CheckpointError(f"{source}: {_NO_FDAT}: {head}") from error


def _check_body(config: FDATConfig, state_dict: StateDict, source: str) -> None:
    """Compare all but the head, by a network with another one: what does not fit is told without building the head."""
    plain = _build_without_memory(replace(config, upsampler_type="pixelshuffle"), source).state_dict()
    expected, found = (
        {key: tensor for key, tensor in tensors.items() if not key.startswith("upsampler.")}
        for tensors in (plain, state_dict)
    )
    _check_fit(expected, found, config, source)


def _own(tensor: Tensor, like: Tensor) -> Tensor:
    """Copy a tensor: files share memory among theirs, cut them out of larger ones, or turn them."""
    return tensor.detach().to("cpu", like.dtype, copy=True, memory_format=torch.contiguous_format)


def _check_finite(network: FDAT, source: str) -> None:
    for name, tensor in network.named_parameters():
        if not tensor.isfinite().all():
            raise CheckpointError(f"{source}: its weights are damaged, there is NaN or Inf in {name}; get another file")


def detect_config(state_dict: StateDict, source: str = "state dict") -> FDATConfig:
    """Read every hyper-parameter off the tensors; the caller's dict is not changed.

    Args:
        state_dict: Parameter names to tensors.
        source: What error messages call it.

    Raises:
        CheckpointError: The tensors are not FDAT's, or belong to its relative FDAT-RD.
    """
    _check_is_fdat(state_dict, source)
    try:
        check_tensors(state_dict, whole=_META)
        head, picture = _read_picture(state_dict)
        body = _read_body(state_dict)
        config = TFDATConfig(**picture, **body) if _FLOW in state_dict else FDATConfig(**picture, **body)
    except ValueError as error:
        raise CheckpointError(f"{source}: {_NO_FDAT}: {error}") from error
    if head.scale_is_a_guess and not config.unshuffle_mod:
        _log.warning("%s: no tensor tells its scale, %d is assumed", source, head.scale)
    return config


def _read_picture(state_dict: StateDict) -> tuple[HeadFacts, dict[str, Any]]:
    """Read what the network does to pictures: their channels, the scale, the head."""
    unshuffled = "conv_first.1.weight" in state_dict
    folded_ch = shape_of(state_dict, "conv_first.1.weight" if unshuffled else "conv_first.weight", 4)[1]
    temporal = {"flow_base_ch": shape_of(state_dict, _FLOW, 4)[0]} if _FLOW in state_dict else {}
    if temporal:
        unshuffled = folded_ch > TFDATConfig.num_in_ch  # TFDAT shuffles itself, and no name tells
    head = detect_head(state_dict, num_in_ch=None if unshuffled else folded_ch)
    num_in_ch, unshuffle = _split_unshuffle(folded_ch, head.num_out_ch) if unshuffled else (folded_ch, 1)
    return head, {
        "num_in_ch": num_in_ch,
        "num_out_ch": head.num_out_ch,
        "scale": 4 // unshuffle if unshuffled else head.scale,
        "upsampler_type": head.upsampler_type,
        "mid_dim": head.mid_dim,
        "unshuffle_mod": unshuffled or bool(temporal),
    } | temporal


def _read_body(state_dict: StateDict) -> dict[str, Any]:
    """Read what lies between the first convolution and the head."""
    embed_dim = shape_of(state_dict, "conv_after.weight", 4)[0]
    num_groups, num_blocks = count_blocks(state_dict)
    kinds = _block_types(state_dict, num_blocks)
    pattern = _shortest_period(kinds)
    attention = f"{_BLOCK}.attn.{'bias' if kinds[0] == 'spatial' else 'temp'}"
    tables = [f"groups.0.blocks.{i}.attn.bias" for i, kind in enumerate(kinds) if kind == "spatial"]
    return {
        "embed_dim": embed_dim,
        "num_groups": num_groups,
        "depth_per_group": len(kinds) // len(pattern),
        "num_heads": shape_of(state_dict, attention, 3)[0],
        "window_size": math.isqrt(shape_of(state_dict, tables[0], 3)[-1]) if tables else FDATConfig.window_size,
        "ffn_expansion_ratio": _ratio_for(embed_dim, shape_of(state_dict, f"{_BLOCK}.ffn.fc1.weight", 2)[0]),
        # Of all ratios that round down to this bottleneck, the largest.
        "aim_reduction_ratio": embed_dim // shape_of(state_dict, f"{_BLOCK}.inter.cg.1.weight", 4)[0],
        "group_block_pattern": pattern,
        "qkv_bias": f"{_BLOCK}.attn.qkv.bias" in state_dict,
    }


def name_architecture(state_dict: StateDict) -> str | None:
    """Say which network a state dict belongs to, as spandrel knows them; None where it knows none."""
    from spandrel import MAIN_REGISTRY, canonicalize_state_dict

    if _is_fdat_rd(state_dict):
        return "FDAT-RD"
    plain = canonicalize_state_dict(state_dict)
    found = (support.architecture for support in MAIN_REGISTRY.architectures() if support.architecture.detect(plain))
    return next((architecture.name for architecture in found), None)


def _check_is_fdat(state_dict: StateDict, source: str) -> None:
    has_fdat_keys = all(key in state_dict for key in _REQUIRED) and any(
        key in state_dict for key in ("conv_first.weight", "conv_first.1.weight")
    )
    if has_fdat_keys and not _is_fdat_rd(state_dict):
        return
    name = name_architecture(state_dict) if len(state_dict) <= _MOST_TENSORS else None
    what = f"a {name} network" if name and name != "FDAT" else "not an FDAT network"
    raise CheckpointError(f"{source}: is {what}; vsfdat runs FDAT")


def _is_fdat_rd(state_dict: StateDict) -> bool:
    # It has all of FDAT's key names and a dictionary besides.
    return any(key.endswith(".attn.dictionary") for key in state_dict)


def _check_fit(expected: StateDict, state_dict: StateDict, config: FDATConfig, source: str) -> None:
    missing = sorted(expected.keys() - state_dict.keys())
    unexpected = sorted(state_dict.keys() - expected.keys())
    misshapen = [
        f"{key} {list(state_dict[key].shape)} instead of {list(expected[key].shape)}"
        for key in sorted(expected.keys() & state_dict.keys())
        if state_dict[key].shape != expected[key].shape
    ]
    problems = [
        f"{label} {_listed(keys)}"
        for label, keys in (("missing", missing), ("unexpected", unexpected), ("wrong shape", misshapen))
        if keys
    ]
    if problems:
        raise CheckpointError(f"{source}: does not fit {config.architecture}: {'; '.join(problems)}")


def _listed(names: list[str]) -> str:
    shown = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..." for name in names[:_MOST_NAMES]]
    return ", ".join(shown) + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


def _block_types(state_dict: StateDict, number: int) -> list[BlockType]:
    kinds: list[BlockType] = []
    for i in range(number):
        if f"groups.0.blocks.{i}.attn.bias" in state_dict:
            kinds.append("spatial")
        elif f"groups.0.blocks.{i}.attn.temp" in state_dict:
            kinds.append("channel")
        else:
            raise ValueError(f"groups.0.blocks.{i} is neither a spatial nor a channel block")
    return kinds


def _shortest_period(kinds: list[BlockType]) -> list[BlockType]:
    lengths = (n for n in range(1, len(kinds) + 1) if len(kinds) % n == 0)
    return next(kinds[:n] for n in lengths if kinds[:n] * (len(kinds) // n) == kinds)


def _split_unshuffle(folded_ch: int, num_out_ch: int) -> tuple[int, int]:
    """Split the first convolution's input channels into picture channels and the unshuffle factor."""
    for unshuffle in (2, 4):
        if folded_ch == num_out_ch * unshuffle**2:
            return num_out_ch, unshuffle
    raise ValueError(
        f"the first convolution takes {folded_ch} channels, neither 4 nor 16 times the picture's {num_out_ch}"
    )


def _ratio_for(embed_dim: int, ffn_dim: int) -> float:
    """Find a ratio that gives back exactly this many hidden channels, rounding down included."""
    ratio = ffn_dim / embed_dim
    return ratio if int(embed_dim * ratio) == ffn_dim else math.nextafter(ratio, math.inf)
