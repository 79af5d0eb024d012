"""How ColorCNN is trained: end to end through frozen classifiers (Section 4.3, Eq. 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.contracts import VALIDATION_ACCURACY, Images, Lesson
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


R = TypeVar("R", bound=Recipe)


def train_time_image(x: Tensor, m: Tensor, palette_norm: float, xi: float, n: float | Tensor) -> Tensor:
    """x~ as the classifier is given it in training.

    Eq. 6 on the normalized x, divided by ``palette_norm`` (Section 6.1), Eq. 7, plus xi n (Section 4.3.3).

    Args:
        x: Normalized images, ``float [B, 3, H, W]``.
        m: Probability maps m(x), ``float [B, C, H, W]``.
        palette_norm: What the palette's contrast is divided by.
        xi: Weight of the color jitter.
        n: The jitter, as from ``equations.draw_jitter``.

    Returns:
        Images ``float [B, 3, H, W]``.
    """
    return equations.jittered_image(equations.soft_palette(x, m) / palette_norm, m, xi * n)


def fit(
    network: ColorCNN,
    lesson: Lesson,
    recipe: R,
    loss: Callable[[ColorCNN, Sequence[nn.Module], str, R], Callable[[Tensor, Tensor], Tensor]] | None = None,
) -> None:
    """Trains a network in place through all of the lesson's classifiers at once, by the mean of their losses.

    Args:
        network: A new network.
        lesson: Images, labels, frozen classifiers, device and precision.
        recipe: The training's parameters.
        loss: Makes the loss, of the same arguments as ``objective``, which is the default.

    Raises:
        FloatingPointError: The loss is no longer finite.
    """
    classifiers = frozen_classifiers(lesson)

    def measure() -> Mapping[str, float]:
        if not len(lesson.validation):
            return {}
        each = [decoded_accuracy(counted, lesson, classifiers) for counted in network.at_each()]
        return {VALIDATION_ACCURACY: sum(each) / len(each)}

    train(
        network,
        (loss or objective)(network, classifiers, lesson.device, recipe),
        lesson,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        schedule=lambda steps: cosine_restarts(recipe.restart_period * steps, recipe.rate, recipe.momentum),
        weight_decay=recipe.weight_decay,
        measure=measure,
    )


def frozen_classifiers(lesson: Lesson) -> list[nn.Module]:
    """The lesson's classifiers on its device, frozen, folded and in channels-last memory.

    Args:
        lesson: Its training images are what folding is checked on.

    Returns:
        One network for each of the lesson's classifiers.
    """
    probe = normalize(tensor_of(lesson.train.images[:2]).to(lesson.device), lesson.normalization)
    frozen = (freeze(classifier.to(lesson.device)) for classifier in lesson.classifiers)
    return [fold(classifier, probe).to(memory_format=torch.channels_last) for classifier in frozen]


def regularizer_of(recipe: Recipe) -> Callable[[Tensor], Tensor]:
    """R as the recipe has it, of m(x)."""
    return {"color": equations.regularizer, "pixel": equations.pixel_regularizer}[recipe.regularizer]


def objective(
    network: ColorCNN, classifiers: Sequence[nn.Module], device: str, recipe: Recipe
) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of Eq. 2.

    Args:
        network: What is trained.
        classifiers: What it is trained through, from ``frozen_classifiers``.
        device: ``cpu`` or ``cuda``.
        recipe: Weights of the loss's terms, and how jitter is drawn.

    Returns:
        A function of normalized images ``float32 [B, 3, H, W]`` and labels ``int64 [B]``; its value is a scalar.
    """
    regularizer = regularizer_of(recipe)

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        m = network(images).float()
        n = equations.draw_jitter(recipe.jitter, images)
        with autocast(device, "fp32"):
            quantized = train_time_image(images, m, recipe.palette_norm, recipe.xi, n)
        losses = [F.cross_entropy(classifier(quantized).float(), labels) for classifier in classifiers]
        return torch.stack(losses).mean() + recipe.gamma * regularizer(m).mean()  # Eq. 2

    return loss


def decoded_accuracy(network: ColorCNN, lesson: Lesson, classifiers: list[nn.Module]) -> float:
    """The classifiers' mean accuracy on the validation images after Eq. 3, 4 and 5, decoded to 8 bits.

    Args:
        network: In eval mode.
        lesson: Whose validation images are not empty.
        classifiers: From ``frozen_classifiers``.

    Returns:
        A fraction, 0 to 1.
    """
    return mean_accuracy(palettize(network, lesson.validation.images).render(), lesson, classifiers)


def mean_accuracy(decoded: Images, lesson: Lesson, classifiers: Sequence[nn.Module]) -> float:
    """The classifiers' mean accuracy on validation images as they are decoded.

    Args:
        decoded: The lesson's validation images after a method, ``uint8 [N, H, W, 3]``.
        lesson: Whose validation images are not empty.
        classifiers: From ``frozen_classifiers``.

    Returns:
        A fraction, 0 to 1.
    """
    hits = [
        predict(classifier, decoded, lesson.normalization, lesson.device).argmax(1) == lesson.validation.labels
        for classifier in classifiers
    ]
    return float(sum(hit.mean() for hit in hits) / len(hits))
