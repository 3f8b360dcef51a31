"""State dicts to networks: every hyper-parameter is read off the tensors."""

import logging
import math
from typing import Any

from vsfdat.arch import FDAT, FDATConfig
from vsfdat.arch.config import BlockType
from vsfdat.errors import CheckpointError

from .checkpoint import StateDict
from .detect_head import Head, detect_head

_log = logging.getLogger(__name__)

_BLOCK = "groups.0.blocks.0"
_REQUIRED = (f"{_BLOCK}.n1.weight", f"{_BLOCK}.inter.cg.1.weight", f"{_BLOCK}.ffn.fc1.weight", "conv_after.weight")
_META = "upsampler.MetaUpsample"


def load_into_network(state_dict: StateDict, source: str) -> FDAT:
    """Build the network that a state dict describes and load it strictly; the dict stays as it is.

    Args:
        state_dict: Parameter names to tensors of any floating type.
        source: What error messages call it.

    Returns:
        The network in fp32 on the CPU, in eval mode, without gradients.

    Raises:
        CheckpointError: Another network, or tensors that do not fit FDAT.
    """
    network = FDAT(detect_config(state_dict, source))
    expected = network.state_dict()
    # Absent in some older files; the network that was built from the tensors knows it anyway.
    state_dict = {_META: expected[_META]} | state_dict
    _check_fit(expected, state_dict, source)
    network.load_state_dict(state_dict)
    return network.eval().requires_grad_(False)


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
        head, picture = _read_picture(state_dict)
        config = FDATConfig(**picture, **_read_body(state_dict))
    except ValueError as error:
        raise CheckpointError(f"{source}: its tensors describe no FDAT network: {error}") from error
    if head.scale_is_a_guess and not config.unshuffle_mod:
        _log.warning("%s: no tensor tells its scale, %d is assumed", source, head.scale)
    return config


def _read_picture(state_dict: StateDict) -> tuple[Head, dict[str, Any]]:
    """Read what the network does to pictures: their channels, the scale, the head."""
    unshuffled = "conv_first.1.weight" in state_dict
    folded_ch = state_dict["conv_first.1.weight" if unshuffled else "conv_first.weight"].shape[1]
    head = detect_head(state_dict, num_in_ch=None if unshuffled else folded_ch)
    num_in_ch, unshuffle = _split_unshuffle(folded_ch, head.num_out_ch) if unshuffled else (folded_ch, 1)
    return head, {
        "num_in_ch": num_in_ch,
        "num_out_ch": head.num_out_ch,
        "scale": 4 // unshuffle if unshuffled else head.scale,
        "upsampler_type": head.upsampler_type,
        "mid_dim": head.mid_dim,
        "unshuffle_mod": unshuffled,
    }


def _read_body(state_dict: StateDict) -> dict[str, Any]:
    """Read what lies between the first convolution and the head."""
    embed_dim = state_dict["conv_after.weight"].shape[0]
    kinds = _block_types(state_dict)
    pattern = _shortest_period(kinds)
    attention = f"{_BLOCK}.attn.{'bias' if kinds[0] == 'spatial' else 'temp'}"
    tables = [state_dict[f"groups.0.blocks.{i}.attn.bias"] for i, kind in enumerate(kinds) if kind == "spatial"]
    bottleneck = state_dict[f"{_BLOCK}.inter.cg.1.weight"].shape[0]
    return {
        "embed_dim": embed_dim,
        "num_groups": _count(state_dict, "groups."),
        "depth_per_group": len(kinds) // len(pattern),
        "num_heads": state_dict[attention].shape[0],
        "window_size": math.isqrt(tables[0].shape[-1]) if tables else FDATConfig.window_size,
        "ffn_expansion_ratio": _ratio_for(embed_dim, state_dict[f"{_BLOCK}.ffn.fc1.weight"].shape[0]),
        "aim_reduction_ratio": _divisor_for(embed_dim, bottleneck),
        "group_block_pattern": pattern,
        "qkv_bias": f"{_BLOCK}.attn.qkv.bias" in state_dict,
    }


def name_architecture(state_dict: StateDict) -> str | None:
    """Say which network a state dict belongs to, as spandrel knows them; None where it knows none."""
    from spandrel import MAIN_REGISTRY

    if _is_fdat_rd(state_dict):
        return "FDAT-RD"
    found = (
        support.architecture for support in MAIN_REGISTRY.architectures() if support.architecture.detect(state_dict)
    )
    return next((architecture.name for architecture in found), None)


def _check_is_fdat(state_dict: StateDict, source: str) -> None:
    has_fdat_keys = all(key in state_dict for key in _REQUIRED) and any(
        key in state_dict for key in ("conv_first.weight", "conv_first.1.weight")
    )
    if has_fdat_keys and not _is_fdat_rd(state_dict):
        return
    name = name_architecture(state_dict)
    what = f"a {name} network" if name and name != "FDAT" else "not an FDAT network"
    raise CheckpointError(f"{source}: is {what}; vsfdat runs FDAT")


def _is_fdat_rd(state_dict: StateDict) -> bool:
    # It has all of FDAT's key names and a dictionary besides.
    return any(key.endswith(".attn.dictionary") for key in state_dict)


def _check_fit(expected: StateDict, state_dict: StateDict, source: str) -> None:
    missing = sorted(expected.keys() - state_dict.keys())
    unexpected = sorted(state_dict.keys() - expected.keys())
    misshapen = [
        f"{key} {list(state_dict[key].shape)} instead of {list(expected[key].shape)}"
        for key in sorted(expected.keys() & state_dict.keys())
        if state_dict[key].shape != expected[key].shape
    ]
    problems = [
        f"{label} {', '.join(keys)}"
        for label, keys in (("missing", missing), ("unexpected", unexpected), ("wrong shape", misshapen))
        if keys
    ]
    if problems:
        raise CheckpointError(f"{source}: does not fit FDAT: {'; '.join(problems)}")


def _count(state_dict: StateDict, prefix: str) -> int:
    """Count the members of a sequence: 1 + the largest index that follows the prefix."""
    return 1 + max(int(key.removeprefix(prefix).split(".")[0]) for key in state_dict if key.startswith(prefix))


def _block_types(state_dict: StateDict) -> list[BlockType]:
    kinds: list[BlockType] = []
    for i in range(_count(state_dict, "groups.0.blocks.")):
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


def _divisor_for(embed_dim: int, bottleneck: int) -> int:
    """Find a whole ratio that gives back exactly this bottleneck, rounding down included."""
    plain = embed_dim // bottleneck
    candidates = (plain, *range(1, embed_dim + 1))
    return next((r for r in candidates if embed_dim // r == bottleneck), plain)
