"""FDAT's hyper-parameters, and the presets that the community trains."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from .heads import HEADS, UpsamplerType

BlockType = Literal["spatial", "channel"]

UPSAMPLER_TYPES: tuple[UpsamplerType, ...] = tuple(HEADS)
UPSAMPLER_SCALES: dict[UpsamplerType, tuple[int, ...]] = {name: head.scales for name, head in HEADS.items()}
_MOST_CHANNELS = 255  # `upsampler.MetaUpsample` has one byte for them


@dataclass(frozen=True, kw_only=True)
class FDATConfig:
    """Hold every hyper-parameter of one FDAT network, spelled as traiNNer-redux spells them.

    Args:
        num_in_ch: Channels of the input picture.
        num_out_ch: Channels of the output picture, at most 255.
        scale: Output size over input size, per axis.
        embed_dim: Channels of the feature maps, at most 255.
        num_groups: Residual groups.
        depth_per_group: Repetitions of `group_block_pattern` in a group.
        num_heads: Attention heads; divides `embed_dim`.
        window_size: Side of a spatial attention window, in feature pixels.
        ffn_expansion_ratio: Hidden channels of the FFN over `embed_dim`.
        aim_reduction_ratio: `embed_dim` over the bottleneck of the channel gate.
        group_block_pattern: The kinds of block in a group, in order.
        drop_path_rate: Stochastic depth of the last block; earlier ones grow linearly from 0.
        drop_rate: Dropout in the FFN.
        qkv_bias: Whether the q, k, v projection has a bias.
        mid_dim: Channels inside the upsampler, where it has any of its own; at most 255.
        upsampler_type: The reconstruction head.
        unshuffle_mod: Fold 2x2 (scale 2) or 4x4 (scale 1) pixels into channels first and upsample by 4;
            without effect for scales above 2.

    Raises:
        ValueError: A value is out of range or two of them do not go together.

    Source:
        https://github.com/stinkybread/FDAT, https://github.com/the-database/traiNNer-redux
    """

    num_in_ch: int = 3
    num_out_ch: int = 3
    scale: int = 4
    embed_dim: int = 120
    num_groups: int = 4
    depth_per_group: int = 3
    num_heads: int = 4
    window_size: int = 8
    ffn_expansion_ratio: float = 2.0
    aim_reduction_ratio: int = 8
    group_block_pattern: Sequence[BlockType] = ("spatial", "channel")
    drop_path_rate: float = 0.1
    drop_rate: float = 0.0
    qkv_bias: bool = False
    mid_dim: int = 64
    upsampler_type: UpsamplerType = "transpose+conv"
    unshuffle_mod: bool = False

    def __post_init__(self) -> None:
        # A list is welcome, but a frozen object should not hold what its caller can still change.
        object.__setattr__(self, "group_block_pattern", tuple(self.group_block_pattern))
        self._check()

    @property
    def unshuffle(self) -> int:
        """Side of the pixel square that becomes one feature pixel."""
        return 4 // self.scale if self.unshuffle_mod and self.scale < 3 else 1

    @property
    def head_scale(self) -> int:
        """Scale of the upsampler: feature map to output picture."""
        return self.scale * self.unshuffle

    @property
    def architecture(self) -> str:
        """What the community calls the network: an FDAT with one of LHAN's heads is an LHAN."""
        return "LHAN" if HEADS[self.upsampler_type].lhan else "FDAT"

    @property
    def layer_norm_eps(self) -> float:
        """What LayerNorm adds to the variance."""
        return 1e-6 if HEADS[self.upsampler_type].lhan else 1e-5

    @property
    def ffn_dim(self) -> int:
        """Hidden channels of the FFN."""
        return int(self.embed_dim * self.ffn_expansion_ratio)

    @property
    def block_types(self) -> tuple[BlockType, ...]:
        """The kind of each block of one group."""
        return tuple(self.group_block_pattern) * self.depth_per_group

    def _check(self) -> None:
        for name in ("num_in_ch", "num_out_ch", "scale", "embed_dim", "num_groups", "depth_per_group", "num_heads",
                     "window_size", "aim_reduction_ratio", "mid_dim"):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, passed {getattr(self, name)}")
        for name in ("num_out_ch", "embed_dim", "mid_dim"):
            if getattr(self, name) > _MOST_CHANNELS:
                raise ValueError(f"{name} must be at most {_MOST_CHANNELS}, passed {getattr(self, name)}")
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim must be a multiple of num_heads, passed {self.embed_dim} and {self.num_heads}")
        if self.aim_reduction_ratio > self.embed_dim:
            raise ValueError(
                f"aim_reduction_ratio must be at most embed_dim, passed {self.aim_reduction_ratio} and {self.embed_dim}"
            )
        if self.ffn_dim < 1:
            raise ValueError(f"ffn_expansion_ratio is too small, passed {self.ffn_expansion_ratio}")
        if not self.group_block_pattern or not set(self.group_block_pattern) <= set(get_args(BlockType)):
            raise ValueError(
                f"group_block_pattern must list 'spatial' and 'channel' blocks, passed {list(self.group_block_pattern)}"
            )
        if self.upsampler_type not in UPSAMPLER_TYPES:
            raise ValueError(
                f"upsampler_type must be one of {', '.join(UPSAMPLER_TYPES)}, passed {self.upsampler_type!r}"
            )
        if self.head_scale not in UPSAMPLER_SCALES[self.upsampler_type]:
            allowed = ", ".join(map(str, UPSAMPLER_SCALES[self.upsampler_type]))
            raise ValueError(
                f"upsampler_type {self.upsampler_type!r} allows the scales {allowed}, passed {self.head_scale}"
            )


@dataclass(frozen=True, kw_only=True)
class TFDATConfig(FDATConfig):
    """Hold every hyper-parameter of one TFDAT network: FDAT's, and one of its flow; how many frames is in none.

    Args:
        unshuffle_mod: Always on: scales 1 and 2 are unshuffled.
        flow_base_ch: Channels of the flow's first convolution; the second and third have 2 and 4 times as many.

    Raises:
        ValueError: A value is out of range or two of them do not go together.

    Source:
        https://github.com/the-database/traiNNer-redux
    """

    unshuffle_mod: bool = True
    flow_base_ch: int = 32

    @property
    def architecture(self) -> str:
        """What the community calls the network."""
        return "TFDAT"

    def _check(self) -> None:
        super()._check()
        if self.num_in_ch != 3 or self.num_out_ch != 3:
            raise ValueError(
                f"num_in_ch and num_out_ch must be 3 in TFDAT, passed {self.num_in_ch} and {self.num_out_ch}"
            )
        if HEADS[self.upsampler_type].lhan:
            raise ValueError(f"upsampler_type must be one of FDAT's in TFDAT, passed {self.upsampler_type!r}")
        if not self.unshuffle_mod:
            raise ValueError("unshuffle_mod must be True in TFDAT, passed False")
        if self.flow_base_ch < 1:
            raise ValueError(f"flow_base_ch must be at least 1, passed {self.flow_base_ch}")


# Source: traiNNer-redux, fdat_arch.py; the head is its default for every size.
PRESETS: dict[str, FDATConfig] = {
    "fdat_tiny": FDATConfig(
        embed_dim=96, num_groups=2, depth_per_group=2, num_heads=3, ffn_expansion_ratio=1.5, drop_path_rate=0.05
    ),
    "fdat_light": FDATConfig(embed_dim=108, num_groups=3, depth_per_group=2, num_heads=4, drop_path_rate=0.08),
    "fdat_medium": FDATConfig(embed_dim=120, num_groups=4, depth_per_group=3, num_heads=4),
    "fdat_medium_aligned": FDATConfig(embed_dim=128, num_groups=4, depth_per_group=3, num_heads=4),
    "fdat_large": FDATConfig(embed_dim=180, num_groups=4, depth_per_group=4, num_heads=6),
    "fdat_xl": FDATConfig(embed_dim=180, num_groups=6, depth_per_group=6, num_heads=6),
}
