"""The U-Net backbone (Ronneberger, Fischer & Brox 2015) in ColorCNN's form."""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from methods.colorcnn.convolving import Convolutions, convolve
from methods.colorcnn.joining import convolve_joined


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
        for stack in self.down:
            skips.append(stack(skips[-1], first=_convolve_halved))
        features = skips.pop()
        for stack in self.up:
            features = stack(skips.pop(), features, first=convolve_joined)
        return features


def _convolve_halved(convolution: nn.Conv2d, maps: Tensor) -> Tensor:
    return convolve(convolution, _halve, maps)


def _halve(maps: Tensor, **_: bool) -> Tensor:
    return F.max_pool2d(maps, 2, ceil_mode=True)
