"""Networks in their form for ImageNet, which are shown images as they were trained with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision import models

from harness.contracts import IMAGENET_NORMALIZATION, Normalization

Maps = Callable[[nn.Module, Tensor], Tensor]
"""From a network and its input to what its last linear layer is given the mean of: ``[B, F, h, w]``."""


@dataclass(frozen=True)
class Form:
    """What has to be known of a network.

    Attributes:
        head: The name of its last layer, which is linear.
        normalization: What its published weights were trained with.
        least_side: Of the images that it takes, in pixels.
        only_side: The one side that it takes; None: any.
    """

    head: str
    normalization: Normalization = IMAGENET_NORMALIZATION
    least_side: int = 1
    only_side: int | None = None


class OwnNormalization(nn.Module):
    """A network that sees images by its own mean and standard deviation, whatever those of the dataset are.

    Of the dataset's ``(x - m) / s`` it makes the network's ``(x - M) / S``: times ``scale = s / S``, plus
    ``shift = (m - M) / S``. Both are kept beside the weights; a new network takes images as they come.

    Args:
        network: From normalized ``float32 [B, 3, H, W]`` to logits ``[B, classes]``.
        head: The name of its last layer.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, head: str) -> None:
        super().__init__()
        self.network = network
        self.head_name = head
        self.only_head_learns = False
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1))

    @property
    def head(self) -> nn.Module:
        return self.network.get_submodule(self.head_name)

    def renormalize(self, own: Normalization, dataset: Normalization) -> None:
        """Sets what is done to images.

        Args:
            own: What the network was trained with.
            dataset: What images come with.
        """
        (mean, std), (m, s) = (
            (torch.tensor(n.mean, dtype=torch.float64), torch.tensor(n.std, dtype=torch.float64))
            for n in (own, dataset)
        )
        self.scale.copy_((s / std).view(1, 3, 1, 1))
        self.shift.copy_(((m - mean) / std).view(1, 3, 1, 1))

    def learn_only_head(self) -> None:
        """Takes the gradients of all layers but the last away, and keeps these in eval mode while it is trained."""
        self.only_head_learns = True
        self.requires_grad_(False)
        self.head.requires_grad_(True)

    def train(self, mode: bool = True) -> OwnNormalization:
        super().train(mode and not self.only_head_learns)
        return self

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images * self.scale + self.shift)
        return logits


class Mapped(OwnNormalization):
    """The same with what class activation maps need: ``head`` of the mean of ``features`` is the logits.

    Args:
        network: As above.
        head: The name of its last layer.
        maps: Its last feature maps.
    """

    def __init__(self, network: nn.Module, head: str, maps: Maps) -> None:
        super().__init__(network, head)
        self.maps = maps

    def features(self, images: Tensor) -> Tensor:
        return self.maps(self.network, images * self.scale + self.shift)


def wrapped(network: nn.Module, head: str, maps: Maps | None) -> OwnNormalization:
    """A network as a classifier.

    Args:
        network: From normalized ``float32 [B, 3, H, W]`` to logits ``[B, classes]``.
        head: The name of its last layer.
        maps: Its last feature maps, if it has such.

    Returns:
        The network in a module that has ``features`` only where there are maps.
    """
    return OwnNormalization(network, head) if maps is None else Mapped(network, head, maps)


def torchvision_network(name: str, classes: int) -> OwnNormalization:
    """Makes an untrained network.

    Args:
        name: Torchvision's name, one of ``FORMS``.
        classes: How many classes it tells apart.

    Returns:
        The network, which takes images as they come.
    """
    return wrapped(models.get_model(name, weights=None, num_classes=classes), FORMS[name].head, _MAPS.get(name))


def resnet_maps(network: nn.Module, images: Tensor) -> Tensor:
    """What torchvision's ResNets pool before their last layer.

    Args:
        network: A ``torchvision.models.ResNet``.
        images: Its input ``[B, 3, H, W]``.

    Returns:
        ``[B, F, h, w]``.
    """
    for name, layer in network.named_children():
        if name == "avgpool":
            break
        images = layer(images)
    return images


def convnext_maps(network: nn.Module, images: Tensor) -> Tensor:
    """What torchvision's ConvNeXt pools before its last layer, with the layer normalization between both applied.

    It normalizes the pooled map, by that vector's mean and standard deviation over channels. The mean of an image's
    channels is linear in the map, and its standard deviation is one number, so the normalization can be done at each
    position with that number instead: the mean over positions is what the last layer is given.

    Args:
        network: A ``torchvision.models.ConvNeXt``.
        images: Its input ``[B, 3, H, W]``.

    Returns:
        ``[B, F, h, w]``.
    """
    maps = network.get_submodule("features")(images)
    norm = network.get_submodule("classifier.0")
    assert isinstance(norm, nn.LayerNorm)
    variance = maps.mean((2, 3), keepdim=True).var(1, correction=0, keepdim=True)
    standard = (maps - maps.mean(1, keepdim=True)) / torch.sqrt(variance + norm.eps)
    return standard * norm.weight[:, None, None] + norm.bias[:, None, None]


FORMS = {
    "resnet18": Form("fc"),
    "resnet50": Form("fc"),
    "convnext_tiny": Form("classifier.2", least_side=32),
    "vit_b_16": Form("heads.head", only_side=224),
}
_MAPS = {"resnet18": resnet_maps, "resnet50": resnet_maps, "convnext_tiny": convnext_maps}
"""ViT-B/16 has none: its last layer is given a class token, not the mean of a map."""


def categories() -> list[str]:
    """The 1,000 classes of ImageNet in the order of the outputs of networks, as torchvision calls them.

    Returns:
        English names, in the order of their WordNet ids.
    """
    names: list[str] = models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    return names
