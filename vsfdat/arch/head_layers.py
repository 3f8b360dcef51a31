"""Layers that heads are built of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv3(in_dim: int, out_dim: int) -> nn.Conv2d:
    """Make a 3×3 convolution that keeps the size."""
    return nn.Conv2d(in_dim, out_dim, 3, padding=1)


def doubled(in_dim: int, out_dim: int) -> nn.ConvTranspose2d:
    """Make a transposed 4×4 convolution that doubles the size."""
    return nn.ConvTranspose2d(in_dim, out_dim, 4, stride=2, padding=1)


def leaky() -> nn.LeakyReLU:
    """Make the activation that most heads have."""
    return nn.LeakyReLU(0.2, inplace=True)


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
            nn.Conv2d(group, 2 * self.taps**2, 3, padding=1),
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
