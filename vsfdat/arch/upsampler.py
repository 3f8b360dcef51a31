"""The reconstruction heads: feature maps [B, C, H, W] to pictures [B, out, H·scale, W·scale].

Source: UniUpsampleV3 as traiNNer-redux and spandrel carry it; positions in its `Sequential` are parameter names.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import UPSAMPLER_TYPES, UpsamplerType

_META_VERSION = 3
_DYSAMPLE_GROUPS = 4


class UniUpsampleV3(nn.Sequential):
    """Any of FDAT's heads, with the community's description of itself in the `MetaUpsample` buffer.

    Args:
        upsampler_type: Which head; at scale 1 all are one convolution.
        scale: Output size over input size.
        in_dim: Feature channels.
        out_dim: Picture channels.
        mid_dim: Channels between, for the heads that have any.
    """

    MetaUpsample: Tensor

    def __init__(self, upsampler_type: UpsamplerType, scale: int, in_dim: int, out_dim: int, mid_dim: int) -> None:
        build = _single_conv if scale == 1 else _BUILDERS[upsampler_type]
        super().__init__(*build(scale, in_dim, out_dim, mid_dim))
        # pa_up's doubling steps each start from mid_dim after the first, and the buffer says what the last one saw.
        if upsampler_type == "pa_up" and scale > 1 and scale != 3:
            in_dim = mid_dim
        meta = [_META_VERSION, UPSAMPLER_TYPES.index(upsampler_type), scale, in_dim, out_dim, mid_dim, _DYSAMPLE_GROUPS]
        # On the CPU, and so known, where the rest is built without memory.
        self.register_buffer("MetaUpsample", torch.tensor(meta, dtype=torch.uint8, device="cpu"))


def _steps(scale: int) -> list[int]:
    """The factors by which the stepwise heads grow: 3 at once, powers of two by doubling."""
    return [3] if scale == 3 else [2] * (scale.bit_length() - 1)


def _conv3(in_dim: int, out_dim: int) -> nn.Conv2d:
    return nn.Conv2d(in_dim, out_dim, 3, padding=1)


def _leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2, inplace=True)


def _single_conv(scale: int, in_dim: int, out_dim: int, mid_dim: int) -> list[nn.Module]:  # noqa: ARG001
    return [_conv3(in_dim, out_dim)]


def _pixelshuffledirect(scale: int, in_dim: int, out_dim: int, mid_dim: int) -> list[nn.Module]:  # noqa: ARG001
    return [_conv3(in_dim, out_dim * scale**2), nn.PixelShuffle(scale)]


def _pixelshuffle(scale: int, in_dim: int, out_dim: int, mid_dim: int) -> list[nn.Module]:
    grow = [layer for s in _steps(scale) for layer in (_conv3(mid_dim, s**2 * mid_dim), nn.PixelShuffle(s))]
    return [_conv3(in_dim, mid_dim), nn.LeakyReLU(inplace=True), *grow, _conv3(mid_dim, out_dim)]


def _nearest_conv(scale: int, in_dim: int, out_dim: int, mid_dim: int) -> list[nn.Module]:  # noqa: ARG001
    grow = [layer for s in _steps(scale) for layer in (_conv3(in_dim, in_dim), nn.Upsample(scale_factor=s), _leaky())]
    return [*grow, _conv3(in_dim, in_dim), _leaky(), _conv3(in_dim, out_dim)]


def _into_mid(in_dim: int, mid_dim: int) -> list[nn.Module]:
    return [] if mid_dim == in_dim else [_conv3(in_dim, mid_dim), nn.LeakyReLU(inplace=True)]


def _dysample(scale: int, in_dim: int, out_dim: int, mid_dim: int) -> list[nn.Module]:
    # Here, because spandrel brings fifty networks and torchvision along: seconds, for a head that few files have.
    from spandrel.architectures.__arch_helpers.dysample import DySample

    return [*_into_mid(in_dim, mid_dim), DySample(mid_dim, out_dim, scale, _DYSAMPLE_GROUPS)]


def _transpose_conv(scale: int, in_dim: int, out_dim: int, mid_dim: int) -> list[nn.Module]:  # noqa: ARG001
    def doubled(out: int) -> nn.Module:
        return nn.ConvTranspose2d(in_dim, out, 4, stride=2, padding=1)

    grow: dict[int, list[nn.Module]] = {
        2: [doubled(out_dim)],
        3: [nn.ConvTranspose2d(in_dim, out_dim, 3, stride=3)],
        4: [doubled(in_dim), nn.GELU(), doubled(out_dim)],
    }
    return [*grow[scale], _conv3(out_dim, out_dim)]


def _lda(scale: int, in_dim: int, out_dim: int, mid_dim: int) -> list[nn.Module]:
    return [*_into_mid(in_dim, mid_dim), LDA_AQU(mid_dim, scale), _conv3(mid_dim, out_dim)]


def _pa_up(scale: int, in_dim: int, out_dim: int, mid_dim: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for step in _steps(scale):
        layers += [nn.Upsample(scale_factor=step), _conv3(in_dim, mid_dim), PA(mid_dim), _leaky()]
        layers += [_conv3(mid_dim, mid_dim), _leaky()]
        in_dim = mid_dim
    return [*layers, _conv3(mid_dim, out_dim)]


_BUILDERS = {
    "conv": _single_conv,
    "pixelshuffledirect": _pixelshuffledirect,
    "pixelshuffle": _pixelshuffle,
    "nearest+conv": _nearest_conv,
    "dysample": _dysample,
    "transpose+conv": _transpose_conv,
    "lda": _lda,
    "pa_up": _pa_up,
}


class PA(nn.Module):
    """Pixel attention: each value is scaled by a sigmoid of its own pixel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(dim, dim, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        return x * self.conv(x)


class _ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of a [B, C, H, W] map."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LDA_AQU(nn.Module):  # noqa: N801
    """Upsample by local deformable attention: each output pixel attends to 3×3 samples around a predicted place.

    Source: LDA-AQU (https://arxiv.org/abs/2411.19585), as the community's UniUpsample uses it.
    """

    taps = 3
    groups = 2
    offset_range = 11

    def __init__(self, dim: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        hidden = dim // 4
        group = dim // (4 * self.groups)
        self.temperature = hidden**-0.5
        self.proj_q = nn.Conv2d(dim, hidden, 1, bias=False)
        self.proj_k = nn.Conv2d(dim, hidden, 1, bias=False)
        self.conv_offset = nn.Sequential(
            nn.Conv2d(group, group, 3, padding=1, groups=group, bias=False),
            _ChannelNorm(group),
            nn.SiLU(),
            _conv3(group, 2 * self.taps**2),
        )
        self.layer_norm = _ChannelNorm(dim)
        self.relative_position_bias_table = nn.Parameter(torch.empty(1, 1, 1, self.taps**2, hidden))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H·scale, W·scale]."""
        normalised = self.layer_norm(x)
        size = (x.shape[-2] * self.scale, x.shape[-1] * self.scale)
        q = F.interpolate(self.proj_q(normalised), size, mode="bilinear", align_corners=True)
        grid = self._grid(q)
        k = self._sample(self.proj_k(normalised), grid) + self.relative_position_bias_table.squeeze(1)
        v = self._sample(x, grid)

        q = q.flatten(2).transpose(1, 2).unsqueeze(2)  # [B, C, H', W'] -> [B, H'·W', 1, C]
        weights = (self.temperature * q @ k.transpose(-2, -1)).softmax(dim=-1)
        return (weights @ v).squeeze(2).transpose(1, 2).unflatten(2, size)

    def _grid(self, q: Tensor) -> Tensor:
        """Where to look: q [B, C, H', W'] -> sampling grid [B·groups, taps·H', taps·W', 2] in grid_sample's units."""
        h, w = q.shape[-2:]
        # [B·groups, C/groups, H', W'] -> [B·groups, taps, taps, (y, x), H', W']
        offset = self.conv_offset(q.reshape(-1, q.shape[1] // self.groups, h, w)).tanh() * self.offset_range
        offset = offset.unflatten(1, (self.taps, self.taps, 2))
        tap = torch.arange(self.taps, device=q.device, dtype=q.dtype) - self.taps // 2
        rows = torch.arange(h, device=q.device, dtype=q.dtype)
        columns = torch.arange(w, device=q.device, dtype=q.dtype)
        y = offset[:, :, :, 0] + tap.view(-1, 1, 1, 1) + rows.view(-1, 1)
        x = offset[:, :, :, 1] + tap.view(-1, 1, 1) + columns
        grid = torch.stack((2 * x / (w - 1) - 1, 2 * y / (h - 1) - 1), dim=-1)
        # [B·groups, taps, taps, H', W', 2] -> [B·groups, taps·H', taps·W', 2]
        return grid.transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def _sample(self, x: Tensor, grid: Tensor) -> Tensor:
        """Look there: x [B, C, H, W] -> [B, H'·W', taps², C]."""
        b, c, h, w = x.shape
        samples = F.grid_sample(x.reshape(-1, c // self.groups, h, w), grid, align_corners=True)
        # [B·groups, C/groups, taps·H', taps·W'] -> [B, groups, C/groups, taps, H', taps, W']
        samples = samples.unflatten(3, (self.taps, -1)).unflatten(2, (self.taps, -1)).unflatten(0, (b, self.groups))
        return samples.permute(0, 4, 6, 3, 5, 1, 2).flatten(5, 6).flatten(3, 4).flatten(1, 2)
