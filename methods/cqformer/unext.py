"""UNeXt (Valanarasu & Patel, MICCAI 2022): convolutions at the fine levels, shifted MLPs at the two coarse ones."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHIFTS = (-2, -1, 0, 1, 2)
"""How far the groups of channels are shifted, in pixels of their map."""
SCALE = 32
"""How many times smaller the coarsest map's sides are than the image's."""


def shifted(maps: Tensor, dim: int) -> Tensor:
    """Five groups of consecutive channels, each moved along one axis; zeros come in from outside.

    A group has a fifth of the channels, rounded up; the last groups may have fewer or none.

    Args:
        maps: ``[B, K, H, W]``.
        dim: 2, the groups move down by ``SHIFTS``; 3, to the right.

    Returns:
        ``[B, K, H, W]``.
    """
    reach, length = SHIFTS[-1], maps.shape[dim]
    groups = F.pad(maps, (0, 0, reach, reach) if dim == 2 else (reach, reach)).chunk(len(SHIFTS), dim=1)
    moved = [group.narrow(dim, reach - shift, length) for shift, group in zip(SHIFTS, groups, strict=False)]
    return torch.cat(moved, dim=1)


class ChannelNorm(nn.LayerNorm):
    """Layer normalization of each pixel's channels, ``[B, K, H, W]`` -> the same."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TokenizedMlp(nn.Module):
    """The tokenized MLP block, ``[B, K, H, W]`` -> the same: each pixel of a map is a token.

    Normalization; tokens shifted vertically and mixed; 3x3 depth-wise convolution, which tells positions, and GELU;
    shifted horizontally and mixed; added to the input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.first = nn.Conv2d(channels, channels, 1)
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.second = nn.Conv2d(channels, channels, 1)
        for linear in (self.first, self.second):
            nn.init.trunc_normal_(linear.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=math.sqrt(2 / 9))
        for layer in (self.first, self.position, self.second):
            _without_bias(layer)

    def forward(self, maps: Tensor) -> Tensor:
        mixed = self.first(shifted(self.norm(maps), 2))
        return maps + self.second(shifted(F.gelu(self.position(mixed)), 3))


def _without_bias(layer: nn.Conv2d) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs))


def _tokens(channels: int) -> nn.Sequential:
    return nn.Sequential(TokenizedMlp(channels), ChannelNorm(channels))


def _patches(inputs: int, outputs: int) -> nn.Sequential:
    """Overlapping patches of 3x3 pixels, two pixels apart, as tokens."""
    embed = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
    nn.init.normal_(embed.weight, std=math.sqrt(2 / (9 * outputs)))
    _without_bias(embed)
    return nn.Sequential(embed, ChannelNorm(outputs), *_tokens(outputs))


class UNeXt(nn.Module):
    """``[B, 3, H, W]``, sides multiples of 32 -> features ``[B, width, H, W]``, not negative.

    Channels ``width`` x (1, 2, 8, 10, 16) from top to bottom, where a level's maps have half the sides of those above;
    16 gives the published network without its last 1x1 convolution.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * factor for factor in (1, 2, 8, 10, 16)]
        levels = list(itertools.pairwise(widths))
        self.convolve = nn.ModuleList(_convolution(*pair) for pair in [(3, width), *levels[:2]])
        self.embed = nn.ModuleList(_patches(*pair) for pair in levels[2:])
        self.up = nn.ModuleList(_convolution(below, above) for above, below in reversed(levels))
        self.refine = nn.ModuleList([_tokens(widths[3]), _tokens(widths[2]), nn.Identity(), nn.Identity()])
        self.last = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for convolve in self.convolve:
            x = F.relu(F.max_pool2d(convolve(x), 2))
            skips.append(x)
        for embed in self.embed:
            x = embed(x)
            skips.append(x)
        skips.pop()
        for convolve, refine in zip(self.up, self.refine, strict=True):
            x = refine(_enlarged(convolve(x)) + skips.pop())
        return _enlarged(self.last(x))


def _enlarged(maps: Tensor) -> Tensor:
    return F.relu(F.interpolate(maps, scale_factor=2, mode="bilinear"))
