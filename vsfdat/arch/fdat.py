"""FDAT (FastDAT), plain: what the network is. How it runs fast is `vsfdat.engine`'s business.

Feature maps are [B, H, W, C] between the convolutions. Parameter names and shapes are the community's to the letter,
so that any FDAT checkpoint loads strictly; the class names are its too.

Source: https://github.com/stinkybread/FDAT (MIT).
"""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import PRESETS, BlockType, FDATConfig
from .upsampler import UniUpsampleV3


def _conv(conv: nn.Module, x: Tensor) -> Tensor:
    """Apply a [B, C, H, W] module to a [B, H, W, C] map."""
    return conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class DropPath(nn.Module):
    """Stochastic depth: in training, leave a branch out for some of the batch's pictures and enlarge the others'."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        return x * x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(keep) / keep


class FastSpatialWindowAttention(nn.Module):
    """Attend within windows anchored at (0, 0), zero-padded right and bottom; the padding takes part in the softmax."""

    def __init__(self, dim: int, window_size: int, num_heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.window_size, self.num_heads = window_size, num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.empty(num_heads, window_size**2, window_size**2))
        nn.init.trunc_normal_(self.bias, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        b, h, w, c = x.shape
        side = self.window_size
        x = F.pad(x, (0, 0, 0, -w % side, 0, -h % side))
        rows, columns = x.shape[1] // side, x.shape[2] // side

        # [B, rows·side, columns·side, C] -> [B·rows·columns, side², C]
        x = x.view(b, rows, side, columns, side, c).transpose(2, 3).reshape(-1, side**2, c)
        # [windows, side², 3·C] -> q, k, v: [windows, heads, side², head_dim]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (self.scale * q @ k.transpose(-2, -1) + self.bias).softmax(dim=-1)
        x = self.proj((weights @ v).transpose(1, 2).flatten(2))

        x = x.view(b, rows, columns, side, side, c).transpose(2, 3).reshape(b, rows * side, columns * side, c)
        return x[:, :h, :w]


class FastChannelAttention(nn.Module):
    """Attend between channels: q and k normalised over all pixels of the frame, one temperature a head."""

    def __init__(self, dim: int, num_heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.temp = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        # [B, N, 3·C] -> q, k, v: [B, heads, head_dim, N]
        q, k, v = self.qkv(x.flatten(1, 2)).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 4, 1)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        weights = (q @ k.transpose(-2, -1) * self.temp).softmax(dim=-1)
        # [B, heads, head_dim, N] -> [B, N, C]
        attended = (weights @ v).flatten(1, 2).transpose(1, 2)
        return self.proj(attended).view(x.shape)


class SimplifiedAIM(nn.Module):
    """Let attention and convolution modulate each other.

    Both gates exist in every block and only one is used; the other's weights are in every checkpoint all the same.
    """

    def __init__(self, dim: int, reduction_ratio: int) -> None:
        super().__init__()
        self.sg = nn.Sequential(nn.Conv2d(dim, 1, 1, bias=False), nn.Sigmoid())
        self.cg = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(dim, dim // reduction_ratio, 1, bias=False),
            nn.GELU(),
            nn.Conv2d(dim // reduction_ratio, dim, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, attended: Tensor, convolved: Tensor, block_type: BlockType) -> Tensor:
        """Two maps [B, H, W, C] -> [B, H, W, C]; the channel gate looks at the whole frame."""
        if block_type == "spatial":
            return attended * _conv(self.cg, convolved) + convolved
        return attended + convolved * _conv(self.sg, attended)


class SimplifiedFFN(nn.Module):
    """Mix channels, with a depthwise 3×3 between the two linear layers."""

    def __init__(self, dim: int, hidden_dim: int, drop: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim, bias=False)
        self.act = nn.GELU()
        self.smix = nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim, bias=False)
        self.fc2 = nn.Linear(hidden_dim, dim, bias=False)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        hidden = self.drop(self.act(self.fc1(x)))
        return self.drop(self.fc2(_conv(self.smix, hidden)))


class SimplifiedDATBlock(nn.Module):
    """One dual-attention block: attention beside a depthwise convolution, then the FFN, both residual."""

    def __init__(self, config: FDATConfig, block_type: BlockType, drop_path: float) -> None:
        super().__init__()
        dim = config.embed_dim
        self.block_type = block_type
        self.n1, self.n2 = (nn.LayerNorm(dim, config.layer_norm_eps) for _ in range(2))
        self.attn: FastSpatialWindowAttention | FastChannelAttention
        if block_type == "spatial":
            self.attn = FastSpatialWindowAttention(dim, config.window_size, config.num_heads, config.qkv_bias)
        else:
            self.attn = FastChannelAttention(dim, config.num_heads, config.qkv_bias)
        self.conv = nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False), nn.GELU())
        self.inter = SimplifiedAIM(dim, config.aim_reduction_ratio)
        self.dp = DropPath(drop_path)
        self.ffn = SimplifiedFFN(dim, config.ffn_dim, config.drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        normalised = self.n1(x)
        fused = self.inter(self.attn(normalised), _conv(self.conv, normalised), self.block_type)
        x = x + self.dp(fused)
        return x + self.dp(self.ffn(self.n2(x)))


class SimplifiedResidualGroup(nn.Module):
    """Blocks in the configured pattern, closed by a convolution and a residual."""

    def __init__(self, config: FDATConfig, drop_paths: list[float]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SimplifiedDATBlock(config, block_type, drop_path)
            for block_type, drop_path in zip(config.block_types, drop_paths, strict=True)
        )
        self.conv = nn.Conv2d(config.embed_dim, config.embed_dim, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        features = x.permute(0, 2, 3, 1)
        for block in self.blocks:
            features = block(features)
        return self.conv(features.permute(0, 3, 1, 2)) + x


class FDAT(nn.Module):
    """The whole network: pictures in [0, 1] to pictures about as bright, `scale` times the size.

    Args:
        config: The hyper-parameters; fdat_medium's where none is given.
        **overrides: Single hyper-parameters that replace the config's, by their names in `FDATConfig`.

    Raises:
        ValueError: The hyper-parameters contradict each other.

    Source:
        https://github.com/stinkybread/FDAT (MIT)
    """

    def __init__(self, config: FDATConfig | None = None, **overrides: Any) -> None:
        super().__init__()
        self.config = config = replace(config or FDATConfig(), **overrides)
        dim = config.embed_dim

        first = nn.Conv2d(config.num_in_ch * config.unshuffle**2, dim, 3, padding=1)
        self.conv_first: nn.Module = first
        if config.unshuffle > 1:
            self.conv_first = nn.Sequential(nn.PixelUnshuffle(config.unshuffle), first)
        depth = len(config.block_types)
        drop_paths = torch.linspace(0, config.drop_path_rate, config.num_groups * depth, device="cpu").tolist()
        self.groups = nn.Sequential(
            *(
                SimplifiedResidualGroup(config, drop_paths[i * depth : (i + 1) * depth])
                for i in range(config.num_groups)
            )
        )
        self.conv_after = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.upsampler = UniUpsampleV3(config.upsampler_type, config.head_scale, dim, config.num_out_ch, config.mid_dim)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale a batch of pictures.

        Args:
            x: [B, num_in_ch, H, W] in [0, 1], of any size.

        Returns:
            [B, num_out_ch, H·scale, W·scale], not clamped.
        """
        h, w = x.shape[-2:]
        scale = self.config.scale
        shallow = self.conv_first(pad_to_multiple(x, self.config.unshuffle))
        return self.reconstruct(shallow)[..., : h * scale, : w * scale]

    def reconstruct(self, shallow: Tensor) -> Tensor:
        """Make the picture of what the first layers found: [B, C, h, w] -> [B, num_out_ch, H·scale, W·scale]."""
        return self.upsampler(self.conv_after(self.groups(shallow)) + shallow)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad right and bottom by reflection, or by repetition where the picture has too few pixels to reflect."""
    h, w = x.shape[-2:]
    pad_h, pad_w = -h % multiple, -w % multiple
    mode = "reflect" if pad_h < h and pad_w < w else "replicate"
    return F.pad(x, (0, pad_w, 0, pad_h), mode=mode)


def init_weights(module: nn.Module) -> None:
    """Begin as training begins: linear layers and convolutions small and random, their biases 0."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def fdat_tiny(**overrides: Any) -> FDAT:
    """Build the preset of 96 features in 2 groups of 4 blocks; keywords override hyper-parameters."""
    return FDAT(PRESETS["fdat_tiny"], **overrides)


def fdat_light(**overrides: Any) -> FDAT:
    """Build the preset of 108 features in 3 groups of 4 blocks; keywords override hyper-parameters."""
    return FDAT(PRESETS["fdat_light"], **overrides)


def fdat_medium(**overrides: Any) -> FDAT:
    """Build the preset of 120 features in 4 groups of 6 blocks; keywords override hyper-parameters."""
    return FDAT(PRESETS["fdat_medium"], **overrides)


def fdat_medium_aligned(**overrides: Any) -> FDAT:
    """Build the preset of 128 features in 4 groups of 6 blocks; keywords override hyper-parameters."""
    return FDAT(PRESETS["fdat_medium_aligned"], **overrides)


def fdat_large(**overrides: Any) -> FDAT:
    """Build the preset of 180 features in 4 groups of 8 blocks; keywords override hyper-parameters."""
    return FDAT(PRESETS["fdat_large"], **overrides)


def fdat_xl(**overrides: Any) -> FDAT:
    """Build the preset of 180 features in 6 groups of 12 blocks; keywords override hyper-parameters."""
    return FDAT(PRESETS["fdat_xl"], **overrides)
