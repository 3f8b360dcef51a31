"""Which reconstruction head a state dict has: from `MetaUpsample` where it is, else from the tensors' shapes."""

import re
from collections.abc import Iterable

from vsfdat.arch.heads import BY_NAMES, BY_WEIGHTS, HEADS, META_TYPES, HeadFacts, UpsamplerType

from .checkpoint import StateDict
from .tensors import small_numbers

_PREFIX = "upsampler."
_META = f"{_PREFIX}MetaUpsample"
_MOST_CONVOLUTIONS = 16  # pa_up has nine at 8x, and one more


def detect_head(state_dict: StateDict, num_in_ch: int | None) -> HeadFacts:
    """Read the head's hyper-parameters.

    Args:
        state_dict: The whole network's tensors.
        num_in_ch: Channels of the input picture, to tell one output picture's channels from several shuffled ones';
            None for unshuffle models, whose head always upsamples by 4.

    Raises:
        ValueError: There is no head, or one that FDAT does not have.
    """
    meta = state_dict.get(_META)
    if meta is not None:
        _, index, scale, _, num_out_ch, mid_dim, _ = small_numbers(meta, _META, 7)
        if index >= len(META_TYPES):
            raise ValueError(f"MetaUpsample names upsampler {index}, and FDAT has {len(META_TYPES)}")
        return HeadFacts(META_TYPES[index], scale, num_out_ch, mid_dim)
    names = [key for key, tensor in state_dict.items() if key.startswith(_PREFIX) and tensor.ndim == 4]
    if not names:
        raise ValueError("no upsampler")
    if len(names) > _MOST_CONVOLUTIONS:
        raise ValueError(f"an upsampler of {len(names)} convolutions")
    facts = _recognise(BY_NAMES, state_dict, names, num_in_ch)
    facts = facts or _recognise(BY_WEIGHTS, state_dict, sorted(names, key=_position), num_in_ch)
    if facts is None:
        raise ValueError("an upsampler of no kind that FDAT has")
    return facts


def _recognise(
    kinds: Iterable[UpsamplerType], state_dict: StateDict, names: list[str], num_in_ch: int | None
) -> HeadFacts | None:
    weights = {name.removeprefix(_PREFIX).removesuffix(".weight"): state_dict[name] for name in names}
    recognised = (HEADS[kind].recognise(weights, num_in_ch) for kind in kinds)
    return next(filter(None, recognised), None)


def _position(name: str) -> int:
    """Read a layer's place; files come sorted by name, where 10 is before 3."""
    number = name.removeprefix(_PREFIX).split(".")[0]
    if not re.fullmatch("[0-9]{1,3}", number):
        raise ValueError(f"{name} has no place")
    return int(number)
