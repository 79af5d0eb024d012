"""The paper's classifiers in their small-image forms, for normalized ``float [B, 3, H, W]`` of any side.

At 10 classes and width 1: AlexNet 2.25 M, VGG16 14.73 M, ResNet18 11.17 M parameters. ``width`` scales the channels of
every layer. Weights start from PyTorch's own initialization, as in the reference code. Pooling rounds sides up, which
changes nothing at sides that it divides (32, 64, 96) and allows small and odd sides.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock
from torchvision.models.vgg import cfgs, make_layers


class MappedClassifier(nn.Module):
    """``head(dropout(mean of the last feature map))``: the form class activation maps need.

    features: ``[B, 3, H, W]`` -> ``[B, F, h, w]``. head: the final linear layer, ``[classes, F]`` weights.
    """

    def __init__(self, trunk: nn.Module, channels: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.trunk = trunk
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, classes)

    def features(self, images: Tensor) -> Tensor:
        maps: Tensor = self.trunk(images)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(self.features(images).mean((2, 3))))
        return logits


def alexnet(classes: int, width: float = 1.0) -> MappedClassifier:
    """Krizhevsky et al. 2012 for small images: a 3x3 stem of stride 2, five convolutions, no batch normalization."""
    a, b, c, d = (_scaled(channels, width) for channels in (64, 192, 384, 256))
    trunk = nn.Sequential(
        nn.Conv2d(3, a, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(a, b, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(b, c, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(c, d, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(d, d, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2, ceil_mode=True),
    )
    return MappedClassifier(trunk, d, classes, dropout=0.5)


def vgg16(classes: int, width: float = 1.0) -> MappedClassifier:
    """Simonyan & Zisserman 2015 with batch normalization; the last pooling and the hidden linear layers are gone."""
    plan = [layer if isinstance(layer, str) else _scaled(layer, width) for layer in cfgs["D"][:-1]]
    trunk = make_layers(plan, batch_norm=True)
    for module in trunk:
        if isinstance(module, nn.MaxPool2d):
            module.ceil_mode = True
    return MappedClassifier(trunk, _scaled(512, width), classes)


def resnet18(classes: int, width: float = 1.0) -> MappedClassifier:
    """He et al. 2016 with the CIFAR stem: a 3x3 convolution of stride 1, no max pooling."""
    channels = [_scaled(c, width) for c in (64, 128, 256, 512)]
    layers: list[nn.Module] = [
        nn.Conv2d(3, channels[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(channels[0]),
        nn.ReLU(inplace=True),
    ]
    for stage, (before, after) in enumerate(zip([channels[0], *channels], channels, strict=False)):
        layers += [_block(before, after, stride=2 if stage else 1), _block(after, after)]
    return MappedClassifier(nn.Sequential(*layers), channels[-1], classes)


def _block(before: int, after: int, stride: int = 1) -> BasicBlock:
    if stride == 1 and before == after:
        return BasicBlock(before, after)
    shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
    return BasicBlock(before, after, stride, shortcut)


def _scaled(channels: int, width: float) -> int:
    return max(1, round(width * channels))
