"""How classifiers are trained: the paper's recipe as a base class, so that a classifier only has to build its network.

@classifier("tiny-net", summary="two convolutions")
class TinyNet(PaperRecipe):
    def build(self, classes):
        from torch import nn

        return nn.Sequential(...)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from harness.contracts import VALIDATION_ACCURACY, Lesson
from tasks.weights import check_weights, digest_of_weights, load_weights

if TYPE_CHECKING:
    from torch import nn


@dataclass(kw_only=True, eq=False)
class PaperRecipe(ABC):
    """SGD with cross-entropy on the 1cycle policy (paper Section 6.1), with the dataset's augmentation.

    Args:
        epochs: How often training goes through the training images.
        batch_size: Images in a step of training; null: the dataset's, 128 and on STL10 32 as in the paper.
        rate: The peak of the learning rate's one cycle.
        momentum: Of stochastic gradient descent, if ``cycle_momentum`` is false.
        cycle_momentum: Momentum mirrors the rate, 0.95 - 0.85 - 0.95, as in the reference code, where OneCycleLR
            overrides the 0.5 that the paper states. If false, momentum stays at ``momentum``.
        weight_decay: Of stochastic gradient descent.
        weights: A safetensors file with trained weights; with it nothing is trained. The weights must expect the
            dataset's normalization.
    """

    epochs: Annotated[int, Field(ge=1)] = 60
    batch_size: Annotated[int, Field(ge=2)] | None = None
    rate: Annotated[float, Field(gt=0)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    cycle_momentum: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    weights: str | None = None

    paper: ClassVar[Mapping[str, object]] = {
        "epochs": 60,
        "batch_size": 128,
        "rate": 0.1,
        "momentum": 0.5,
        "cycle_momentum": True,
        "weight_decay": 5e-4,
        "weights": None,
    }
    departures_of: ClassVar[tuple[str, ...]] = ("batch_size",)

    fingerprinted: ClassVar[tuple[str, ...]] = ("weights",)

    def departures(self, dataset: str, classifiers: tuple[str, ...]) -> list[str]:  # noqa: ARG002
        """Says what departs from the paper on this dataset, also where it is the reference code's.

        Args:
            dataset: The dataset plugin's name.
            classifiers: The names of the classifiers' plugins; the recipe depends on none.

        Returns:
            One sentence each.
        """
        sentences = []
        if self.cycle_momentum and self.weights is None:
            sentences.append("momentum cycles from 0.95 to 0.85 and back as in the authors' code, the paper has 0.5")
        batch = 32 if dataset.startswith("stl10") else 128
        if self.batch_size not in (None, batch):
            sentences.append(f"batch_size is {self.batch_size} for {dataset}, the paper has {batch}")
        return sentences

    @abstractmethod
    def build(self, classes: int) -> nn.Module:
        """Makes the untrained network; the one method that a classifier adds to the recipe.

        Args:
            classes: How many classes it tells apart.

        Returns:
            A network from normalized ``float32 [B, 3, H, W]`` to logits ``[B, classes]``.
        """

    def check(self) -> None:
        """Looks whether ``weights`` can be read, where they are stated.

        Raises:
            BadInput: The file is missing or no safetensors file.
        """
        if self.weights is not None:
            check_weights(self.weights)

    def fingerprint(self) -> str:
        """Names the content of ``weights``.

        Returns:
            Its hash; empty where no weights are stated.
        """
        return digest_of_weights(self.weights) if self.weights is not None else ""

    def fit(self, lesson: Lesson) -> nn.Module:
        """Trains a network on the lesson, or takes the one in ``weights``.

        After each epoch it reports the mean training loss and, where there is a validation split, its accuracy.

        Args:
            lesson: Images, labels, augmentation and seed.

        Returns:
            The network in eval mode on the lesson's device.

        Raises:
            BadInput: ``weights`` are not of this network.
            FloatingPointError: An epoch's mean loss is not finite.
        """
        from harness import learning

        with learning.seeded(lesson.seed, "weights"):
            network = self.build(len(lesson.classes))
        if self.weights is not None:
            load_weights(network, self.weights)
            return network.to(lesson.device).eval()
        self.train_network(network, lesson)
        return network

    def train_network(self, network: nn.Module, lesson: Lesson, at_once: int = 256) -> None:
        """Trains a network by this recipe, from the weights that it has.

        Args:
            network: From normalized ``float32 [B, 3, H, W]`` to logits ``[B, classes]``.
            lesson: Images, labels, augmentation and seed.
            at_once: Validation images that it is shown at a time.

        Raises:
            FloatingPointError: An epoch's mean loss is not finite.
        """
        from torch.nn.functional import cross_entropy

        from harness import learning

        def measure() -> Mapping[str, float]:
            if not len(lesson.validation):
                return {}
            images = lesson.validation.images
            logits = learning.predict(network, images, lesson.normalization, lesson.device, at_once)
            return {VALIDATION_ACCURACY: float((logits.argmax(1) == lesson.validation.labels).mean())}

        momenta = (0.85, 0.95) if self.cycle_momentum else (self.momentum, self.momentum)
        learning.train(
            network,
            lambda images, labels: cross_entropy(network(images), labels),
            lesson,
            epochs=self.epochs,
            batch_size=self.batch_size or lesson.batch_size,
            schedule=lambda batches: learning.one_cycle(self.epochs * batches, self.rate, momenta),
            weight_decay=self.weight_decay,
            measure=measure,
        )
