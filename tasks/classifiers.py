"""The paper's three classifiers as plugins; their networks are in ``tasks.networks``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from harness.registry import classifier
from tasks.training import PaperRecipe

if TYPE_CHECKING:
    from tasks.networks import MappedClassifier


@dataclass(kw_only=True, eq=False)
class SmallImageClassifier(PaperRecipe):
    """A network of the paper, in its form for small images.

    Args:
        width: The channels of every layer are scaled by it; 1 is the paper's network.
    """

    width: Annotated[float, Field(gt=0)] = 1.0

    paper: ClassVar[Mapping[str, object]] = {**PaperRecipe.paper, "width": 1.0}
    scales: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "small": {"width": 0.25, "epochs": 6, "batch_size": 32, "rate": 0.03}
    }


@classifier("alexnet", summary="AlexNet for small images, 2.25 M parameters")
class AlexNet(SmallImageClassifier):
    # Without batch normalization it needs more epochs, each of which takes a seventh of VGG16's time.
    scales: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "small": {**SmallImageClassifier.scales["small"], "epochs": 30}
    }

    def least_memory(self) -> float:
        return 4 * 2.24e6 * self.width**2  # its weights, in fp32

    def build(self, classes: int) -> MappedClassifier:
        from tasks.networks import alexnet

        return alexnet(classes, self.width)


@classifier("vgg16", summary="VGG16 with batch normalization for small images, 14.73 M parameters")
class VGG16(SmallImageClassifier):
    def least_memory(self) -> float:
        return 4 * 14.7e6 * self.width**2  # its weights, in fp32

    def build(self, classes: int) -> MappedClassifier:
        from tasks.networks import vgg16

        return vgg16(classes, self.width)


@classifier("resnet18", summary="ResNet18 with the CIFAR stem, 11.17 M parameters")
class ResNet18(SmallImageClassifier):
    def least_memory(self) -> float:
        return 4 * 11.1e6 * self.width**2  # its weights, in fp32

    def build(self, classes: int) -> MappedClassifier:
        from tasks.networks import resnet18

        return resnet18(classes, self.width)
