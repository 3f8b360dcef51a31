"""What `vsfdat info` says of a model."""

import math
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open

from vsfdat.arch import FDAT, PRESETS, FDATConfig, TFDATConfig
from vsfdat.errors import printable

from .catalog import find_model, list_models
from .checkpoint import read_state_dict
from .detect import load_into_network

# Files that travel without their licence, and what their authors publish them under.
_PUBLISHED_LICENSES = ((r"janai", "CC BY-NC 4.0 (the-database, MangaJaNai)"),)

# What makes a preset: the body. Head, scale and channels are free.
_BODY = (
    "embed_dim", "num_groups", "depth_per_group", "num_heads", "window_size", "ffn_expansion_ratio",
    "group_block_pattern", "qkv_bias",
)  # fmt: skip
_NEIGHBOURS = "looks at the frames before and after: 5 in all, or another odd number"
_LONGEST = 1000  # characters of a fact: a file's metadata may be megabytes
_NOT_SHOWN = ("scale", "drop_path_rate", "drop_rate")  # one is shown above, the others leave no trace in a file


def describe_model(model: str | Path) -> list[tuple[str, str]]:
    """List what a model is, as (label, value): architecture, preset, scale, licence, origin, every hyper-parameter.

    Raises:
        UnknownModelError: Neither a name in the catalog nor an existing file.
        CheckpointError: The file is unreadable, or holds another network, which is then named.
    """
    path = find_model(str(model))
    network = load_into_network(read_state_dict(path), source=path.name)
    config = network.config
    facts = [
        ("file", f"{path} ({path.stat().st_size / 1e6:.2f} MB)"),
        ("architecture", f"{config.architecture}, {name_preset(config) or 'no known preset'}"),
        ("scale", f"{config.scale}x"),
        *([("neighbours", _NEIGHBOURS)] if isinstance(config, TFDATConfig) else []),
        ("parameters", f"{count_parameters(network):,}"),
        ("licence", find_license(path)),
        *_origin(_metadata(path)),
        *((name, _plain(value)) for name, value in vars(config).items() if name not in _NOT_SHOWN),
    ]
    return [(label, _short(printable(value))) for label, value in facts]


def name_preset(config: FDATConfig) -> str | None:
    """Name the preset whose body a network has, whatever its head and scale."""

    def body(of: FDATConfig) -> list[object]:
        return [getattr(of, name) for name in _BODY]

    known = next((name for name, preset in PRESETS.items() if body(preset) == body(config)), None)
    return known.replace("fdat", "lhan") if known and config.architecture == "LHAN" else known


def count_parameters(network: FDAT) -> int:
    """Count what was trained."""
    return sum(parameter.numel() for parameter in network.parameters())


def find_license(path: Path) -> str:
    """Find a model's licence in the catalog, in the file, or by the name that its authors publish it under."""
    for info in list_models():
        if info.path == path:
            return info.license
    metadata = _metadata(path)
    stated = metadata.get("license") or metadata.get("modelspec.license")
    if stated:
        return stated
    known = (text for pattern, text in _PUBLISHED_LICENSES if re.search(pattern, path.name, re.IGNORECASE))
    return next(known, "not stated in the file: ask its author before you share what it makes")


def _metadata(path: Path) -> dict[str, str]:
    if path.suffix.lower() != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def _origin(metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    """What a file that `vsfdat train` wrote says of its training, and whom its author thanks."""
    facts = []
    minutes = _number(metadata.get("worked_s", "")) / 60
    if math.isfinite(minutes) and {"steps", "started_from", "machine"} <= metadata.keys():
        made = f"{metadata['steps']} steps in {minutes:.0f} minutes from {metadata['started_from']}"
        facts.append(("trained", f"{made}, {metadata['machine']}"))
    if "credits" in metadata:
        facts.append(("credits", metadata["credits"]))
    return facts


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
