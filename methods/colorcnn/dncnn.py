"""The DnCNN backbone (Zhang, Zuo, Chen, Meng & Zhang 2017): a plain stack without ways around it."""

from __future__ import annotations

from torch import nn

from methods.colorcnn.convolving import Convolutions

LAYERS = 17


def dncnn(width: int) -> Convolutions:
    """``[B, 3, H, W]`` -> features ``[B, width, H, W]``: 17 layers of 3x3 convolutions, all but the ends normalized."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU(inplace=True)]
    for _ in range(LAYERS - 2):
        layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return Convolutions([*layers, nn.Conv2d(width, width, 3, padding=1)])
