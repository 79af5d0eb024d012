"""The U-Net backbone (Ronneberger, Fischer & Brox 2015) in ColorCNN's form."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Enlarge = Callable[[Tensor, Sequence[int], int], Tensor]
"""(maps ``[B, K, h, w]``, height and width of the level above, that level from 0 at the top) -> ``[B, K, H, W]``."""


def double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Twice 3x3 convolution, batch normalization, ReLU.

    Args:
        inputs: Channels of the maps it is given.
        outputs: Channels of both convolutions.

    Returns:
        The layers, ``[B, inputs, H, W]`` -> ``[B, outputs, H, W]``.
    """
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def enlarge_bilinearly(maps: Tensor, size: Sequence[int], _level: int) -> Tensor:
    """Bilinear interpolation with aligned corners, what a U-Net does with a whole image."""
    return F.interpolate(maps, tuple(size), mode="bilinear", align_corners=True)


class UNet(nn.Module):
    """``[B, 3, H, W]`` -> features ``[B, width, H, W]``; channels ``width`` x (1, 2, 4, 8, 8) from top to bottom.

    Takes any side: an odd side's half is rounded up on the way down, and on the way up maps are interpolated to the
    size of the skip they are joined with. Where sides are multiples of 16 that is the plain U-Net.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * factor for factor in (1, 2, 4, 8, 8)]
        self.top = double_convolution(3, width)
        self.down = nn.ModuleList(double_convolution(above, here) for above, here in itertools.pairwise(widths))
        self.up = nn.ModuleList(
            double_convolution(2 * widths[level], widths[max(level - 1, 0)]) for level in (3, 2, 1, 0)
        )

    def forward(self, x: Tensor, enlarge: Enlarge = enlarge_bilinearly) -> Tensor:
        skips = [self.top(x)]
        for convolve in self.down:
            skips.append(convolve(F.max_pool2d(skips[-1], 2, ceil_mode=True)))
        features = skips.pop()
        for level, convolve in zip((3, 2, 1, 0), self.up, strict=True):
            size = skips[level].shape[2:]
            features = convolve(torch.cat((skips.pop(), enlarge(features, size, level)), dim=1))
        return features
