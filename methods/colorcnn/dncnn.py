"""The DnCNN backbone (Zhang, Zuo, Chen, Meng & Zhang 2017): a plain stack without ways around it."""

from __future__ import annotations

from torch import nn

LAYERS = 17


def dncnn(width: int) -> nn.Sequential:
    """17 layers of 3x3 convolutions, all but the first and the last with batch normalization.

    Args:
        width: Channels of every layer.

    Returns:
        The layers, ``[B, 3, H, W]`` -> features ``[B, width, H, W]``.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU(inplace=True)]
    for _ in range(LAYERS - 2):
        layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(width, width, 3, padding=1))
