"""How ColorCNN is trained: end to end through frozen classifiers (Section 4.3, Eq. 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.contracts import VALIDATION_ACCURACY, Lesson
from harness.learning import autocast, cosine_restarts, freeze, normalize, predict, tensor_of, train
from methods.colorcnn import equations
from methods.colorcnn.folding import fold
from methods.colorcnn.network import ColorCNN, palettize


@dataclass(frozen=True)
class Recipe:
    """The parameters of a training, as the plugin names and explains them. restart_period: in epochs."""

    gamma: float
    regularizer: Literal["color", "pixel"]
    xi: float
    jitter: equations.Jitter
    palette_norm: float
    epochs: int
    batch_size: int
    rate: float
    momentum: float
    weight_decay: float
    restart_period: int


def train_time_image(x: Tensor, m: Tensor, palette_norm: float, xi: float, n: float | Tensor) -> Tensor:
    """x~ as the classifier sees it in training, from the normalized x ``[B, 3, H, W]`` and m(x).

    Eq. 6 on the normalized x, its contrast taken over ``palette_norm`` (Section 6.1), Eq. 7, plus xi n (Section 4.3.3).
    n: as from ``equations.draw_jitter``.
    """
    return equations.jittered_image(equations.soft_palette(x, m) / palette_norm, m, xi * n)


def teach(network: ColorCNN, lesson: Lesson, recipe: Recipe) -> None:
    """Trains the network in place against all of the lesson's classifiers at once (the mean of their losses)."""
    classifiers = frozen_classifiers(lesson)

    def measure() -> Mapping[str, float]:
        return {VALIDATION_ACCURACY: decoded_accuracy(network, lesson, classifiers)} if len(lesson.validation) else {}

    train(
        network,
        objective(network, classifiers, lesson.device, recipe),
        lesson,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        schedule=lambda steps: cosine_restarts(recipe.restart_period * steps, recipe.rate, recipe.momentum),
        weight_decay=recipe.weight_decay,
        measure=measure,
    )


def frozen_classifiers(lesson: Lesson) -> list[nn.Module]:
    """The lesson's classifiers on its device, in the form that is cheapest to train through."""
    probe = normalize(tensor_of(lesson.train.images[:2]).to(lesson.device), lesson.normalization)
    frozen = (freeze(classifier.to(lesson.device)) for classifier in lesson.classifiers)
    return [fold(classifier, probe).to(memory_format=torch.channels_last) for classifier in frozen]


def objective(
    network: ColorCNN, classifiers: Sequence[nn.Module], device: str, recipe: Recipe
) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of Eq. 2 as a function of normalized images ``[B, 3, H, W]`` and labels ``[B]``."""
    regularizer = {"color": equations.regularizer, "pixel": equations.pixel_regularizer}[recipe.regularizer]

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        m = network(images).float()
        n = equations.draw_jitter(recipe.jitter, images)
        with autocast(device, "fp32"):
            seen = train_time_image(images, m, recipe.palette_norm, recipe.xi, n)
        wrong = torch.stack([F.cross_entropy(classify(seen).float(), labels) for classify in classifiers]).mean()
        return wrong + recipe.gamma * regularizer(m).mean()  # Eq. 2

    return loss


def decoded_accuracy(network: ColorCNN, lesson: Lesson, classifiers: list[nn.Module]) -> float:
    """How many of the validation images the classifiers recognize after Eq. 3, 4, 5, decoded to 8 bits; their mean."""
    decoded = palettize(network, lesson.validation.images).render()
    hits = [
        predict(classifier, decoded, lesson.normalization, lesson.device).argmax(1) == lesson.validation.labels
        for classifier in classifiers
    ]
    return float(sum(hit.mean() for hit in hits) / len(hits))
