"""The U-Net backbone (Ronneberger, Fischer & Brox 2015) in ColorCNN's form."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.colorcnn.convolving import Convolutions


def double_convolution(inputs: int, outputs: int) -> Convolutions:
    """Twice 3x3 convolution, batch normalization, ReLU."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return Convolutions(layers)


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

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.top(x)]
        for convolve in self.down:
            skips.append(convolve(skips[-1], prepare=_halve))
        features = skips.pop()
        for convolve in self.up:
            features = convolve(skips.pop(), features, prepare=_join)
        return features


def _halve(maps: Tensor, **_: bool) -> Tensor:
    return F.max_pool2d(maps, 2, ceil_mode=True)


def _join(skip: Tensor, below: Tensor, again: bool = False) -> Tensor:
    """The skip's maps and, interpolated to its size, those from below."""
    risen = F.interpolate(below, skip.shape[2:], mode="bilinear", align_corners=True)
    if again:
        for part in (skip, risen):
            if part.requires_grad:
                part.register_hook(_dense)
    return torch.cat((skip, risen), dim=1)


def _dense(gradient: Tensor) -> Tensor:
    """A slice of the joined maps' gradient in memory of its own: interpolation's backward pass is ten times as fast."""
    return gradient.contiguous(memory_format=torch.channels_last)
