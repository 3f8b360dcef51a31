"""Where networks come from: a name in the catalog or a file, to a module ready to run."""

from pathlib import Path
from typing import TYPE_CHECKING

from .catalog import DEFAULT_MODEL, ModelInfo, find_model, list_models

if TYPE_CHECKING:
    from vsfdat.arch import FDAT

__all__ = ["DEFAULT_MODEL", "ModelInfo", "list_models", "load_model"]


def load_model(model: str | Path = DEFAULT_MODEL) -> "FDAT":
    """Load an FDAT network or a relative (LHAN, TFDAT), every hyper-parameter read off its tensors.

    Args:
        model: A name that `list_models` gives, or the path of a .safetensors, .pth, .pt or .ckpt file.

    Returns:
        The network in fp32 on the CPU, in eval mode, without gradients; an `arch.TFDAT` where it looks at neighbours.

    Raises:
        UnknownModelError: Neither a name in the catalog nor an existing file.
        CheckpointError: The file is unreadable, holds code, holds another network, or its tensors do not fit FDAT.
    """
    # torch takes seconds to import, and the catalog does without.
    from .checkpoint import read_state_dict
    from .detect import load_into_network

    path = find_model(model)
    return load_into_network(read_state_dict(path), source=path.name)
