"""The kinds of reconstruction head: all that is known of each, in one record.

A new one is a name in `UpsamplerType`, a record beside its relatives' (`uni` or `lhan`) and its place in `BY_WEIGHTS`;
what is a layer of its own goes into `head_layers`.
"""

from .facts import Head, HeadFacts, HeadSize, UpsamplerType
from .lhan import LHAN_HEADS
from .uni import DYSAMPLE_GROUPS, UNI_HEADS

__all__ = [
    "BY_NAMES",
    "BY_WEIGHTS",
    "DYSAMPLE_GROUPS",
    "HEADS",
    "META_TYPES",
    "Head",
    "HeadFacts",
    "HeadSize",
    "UpsamplerType",
    "find_head",
]

HEADS: dict[UpsamplerType, Head] = {**UNI_HEADS, **LHAN_HEADS}
# In the order of the type index that `upsampler.MetaUpsample` stores.
META_TYPES: tuple[UpsamplerType, ...] = tuple(UNI_HEADS)
# Told by the names of their layers.
BY_NAMES: tuple[UpsamplerType, ...] = tuple(LHAN_HEADS)
# In which order to ask the others: each is told by what none of those after it has.
BY_WEIGHTS: tuple[UpsamplerType, ...] = (
    "dysample", "lda", "pa_up", "pixelshuffledirect", "conv", "transpose+conv", "pixelshuffle", "nearest+conv",
)  # fmt: skip


def find_head(upsampler_type: UpsamplerType, scale: int) -> Head:
    """Find a head's record; at scale 1 all are one convolution."""
    return HEADS["conv" if scale == 1 else upsampler_type]
