"""How a frame fits into memory: integers only."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vsfdat.arch import FDATConfig, TFDATConfig
from vsfdat.arch.heads import Head, HeadSize, find_head
from vsfdat.arch.tfdat import FLOW_STRIDE

# The head's strips are at least this tall: each computes a few of its neighbours' rows again.
HEAD_ROWS = 32
# What a head makes pixels of, if it has at most so many channels, is made for the whole map.
NARROW = 48
# Strips of about this many pixels keep a block's intermediate results in a processor's cache.
_CACHED_PIXELS = 4096
# Rows of TFDAT's flow made at a time. The two above a strip and the one below are made again by its neighbours.
FLOW_ROWS = 64
_ALIGNED_ROWS = FLOW_STRIDE * (FLOW_ROWS + 3)


@dataclass(frozen=True)
class Plan:
    """How to cut and where to keep what is between the blocks.

    Args:
        rows: Feature rows of a strip, a multiple of the window.
        host_maps: Whether feature maps stay in host memory, and only strips of them on the device.
    """

    rows: int
    host_maps: bool = False


@dataclass(frozen=True)
class Demand:
    """What a frame takes, before any of it is allocated; TFDAT's frame is its pair of centre and average.

    Args:
        config: The network's sizes.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.
        itemsize: Bytes of a feature.
    """

    config: FDATConfig
    height: int
    width: int
    itemsize: int

    @property
    def feature_rows(self) -> int:
        """Rows of a feature map."""
        return -(-self.height // self.config.unshuffle)

    @property
    def feature_columns(self) -> int:
        """Columns of a feature map."""
        return -(-self.width // self.config.unshuffle)

    @property
    def map_bytes(self) -> int:
        """One feature map."""
        return self.feature_rows * self.feature_columns * self.config.embed_dim * self.itemsize

    def device_bytes(self, plan: Plan) -> int:
        """All that is on the device at the peak, weights aside; what the blocks use is gone when the head begins."""
        frame = self._channels * self.height * self.width * (4 + self.itemsize)
        maps = 0 if plan.host_maps else map_count(self.config) * self.map_bytes
        return frame + maps + max(self._of_a_block(plan), self._of_the_head(plan), self._of_the_alignment)

    @property
    def _channels(self) -> int:
        return 2 * self.config.num_in_ch if isinstance(self.config, TFDATConfig) else self.config.num_in_ch

    @property
    def _of_the_alignment(self) -> int:
        """What `temporal` takes beside the frames, while the maps of the frame before are still there."""
        config = self.config
        if not isinstance(config, TFDATConfig):
            return 0
        rows, whole = min(self.height, _ALIGNED_ROWS), self.height * self.width
        # The first layer's result as it is and in another order, and the second's, a quarter as many.
        flow = 2 * config.flow_base_ch * rows * self.width // 4 * 5 // 4
        moved = 16 * rows * self.width  # motion twice, the places, the colours, and what they are made of
        stem = (config.embed_dim + 6) * whole if config.unshuffle == 1 else 0
        return 4 * (max(flow, moved, stem) + 9 * whole)

    def _of_a_block(self, plan: Plan) -> int:
        config = self.config
        # The norm, q, k, v and their windowed copy, the branch, the result; attention's weights, raw and softmaxed.
        attention = 11 * config.embed_dim + 2 * config.num_heads * config.window_size**2
        feed_forward = 2 * config.embed_dim + 3 * config.ffn_dim
        return self._pixels(plan.rows + 2) * max(attention, feed_forward) * self.itemsize

    def _of_the_head(self, plan: Plan) -> int:
        config = self.config
        picture = 4 * config.num_out_ch * self.height * self.width * config.scale**2
        first = 0 if plan.host_maps else self._pixels(self.feature_rows) * self._first_of_head
        rows = max(plan.rows, HEAD_ROWS) + 4 if self._head.in_strips else self.feature_rows
        return picture + (first + self._pixels(rows) * self._head.widest(self._head_size)) * self.itemsize

    @property
    def _first_of_head(self) -> int:
        """Channels of the head's first result, where it is made for the whole map."""
        first = self._head.first(self._head_size)
        return first if first <= NARROW else 0

    @property
    def _head(self) -> Head:
        return find_head(self.config.upsampler_type, self.config.head_scale)

    @property
    def _head_size(self) -> HeadSize:
        config = self.config
        return HeadSize(config.head_scale, config.embed_dim, config.num_out_ch, config.mid_dim)

    def _pixels(self, rows: int) -> int:
        return min(rows, self.feature_rows) * self.feature_columns


def map_count(config: FDATConfig) -> int:
    """Maps alive at once: the shallow one, the group's first, and two for a block to read and to write."""
    return 3 if config.num_groups == 1 else 4


def for_cache(demand: Demand) -> Plan:
    """Plan for a processor: strips as tall as its cache likes them."""
    window = demand.config.window_size
    rows = max(_CACHED_PIXELS // demand.feature_columns // window, 1) * window
    return Plan(min(rows, _whole(demand)))


def for_memory(demand: Demand, free_bytes: int) -> Plan:
    """Plan for a device of its own memory: as few strips as fit."""
    window = demand.config.window_size
    ladder = _ladder(Plan(_whole(demand)), window)
    return next((plan for plan in ladder if demand.device_bytes(plan) <= free_bytes), Plan(window, host_maps=True))


def smaller(plan: Plan, window: int) -> Plan | None:
    """Step down after running out of memory: half the strip, then maps in host memory; None when all is tried."""
    _, *rest = _ladder(plan, window)
    return rest[0] if rest else None


def _whole(demand: Demand) -> int:
    window = demand.config.window_size
    return -(-demand.feature_rows // window) * window


def _ladder(plan: Plan, window: int) -> Iterator[Plan]:
    """List a plan and all smaller ones, the largest first."""
    yield plan
    if plan.rows > window:
        yield from _ladder(replace(plan, rows=-(-plan.rows // 2 // window) * window), window)
    elif not plan.host_maps:
        yield replace(plan, host_maps=True)
