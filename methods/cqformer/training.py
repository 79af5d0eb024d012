"""How CQFormer is trained here: both branches at once, through frozen classifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.contracts import VALIDATION_ACCURACY, Lesson
from harness.learning import autocast, cosine_restarts, train
from methods.colorcnn.equations import regularizer, soft_image
from methods.colorcnn.training import frozen_classifiers, mean_accuracy
from methods.cqformer import equations
from methods.cqformer.network import CQFormer, palettize


@dataclass(frozen=True)
class Recipe:
    """The parameters of a training, as the plugin names and explains them. restart_period: in epochs. means: whether
    validation images get the palette of means."""

    temperature: float
    alpha: float
    beta: float
    gamma: float
    epochs: int
    batch_size: int
    rate: float
    momentum: float
    weight_decay: float
    restart_period: int
    means: bool


def fit(network: CQFormer, lesson: Lesson, recipe: Recipe) -> None:
    """Trains a network in place through all of the lesson's classifiers at once, by the mean of their losses.

    Args:
        network: A new network.
        lesson: Images, labels, frozen classifiers, device and precision.
        recipe: The training's parameters.

    Raises:
        FloatingPointError: The loss is no longer finite.
    """
    classifiers = frozen_classifiers(lesson)

    def measure() -> Mapping[str, float]:
        if not len(lesson.validation):
            return {}
        return {VALIDATION_ACCURACY: decoded_accuracy(network, lesson, classifiers, means=recipe.means)}

    train(
        network,
        objective(network, classifiers, lesson, recipe),
        lesson,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        schedule=lambda steps: cosine_restarts(recipe.restart_period * steps, recipe.rate, recipe.momentum),
        weight_decay=recipe.weight_decay,
        measure=measure,
    )


def objective(
    network: CQFormer, classifiers: Sequence[nn.Module], lesson: Lesson, recipe: Recipe
) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss: cross-entropy + alpha R_Colour + beta R_Diversity + gamma L_Perceptual.

    Args:
        network: What is trained.
        classifiers: What it is trained through, from ``frozen_classifiers``.
        lesson: Its normalization and device count.
        recipe: The temperature and the terms' weights; a term of weight 0 is not computed.

    Returns:
        A function of normalized images ``float32 [B, 3, H, W]`` and labels ``int64 [B]``; its value is a scalar.
    """
    mean, std = (
        torch.tensor(constants, device=lesson.device)[:, None, None]
        for constants in (lesson.normalization.mean, lesson.normalization.std)
    )

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        x = images * std + mean
        probabilities, palette = network(x)
        with autocast(lesson.device, "fp32"):
            m = equations.sharpened(probabilities, recipe.temperature)
            quantized = soft_image(palette, m)
            terms = _weighted_terms(x, m, quantized, recipe)
            shown = (quantized - mean) / std
        losses = [F.cross_entropy(classifier(shown).float(), labels) for classifier in classifiers]
        return torch.stack([torch.stack(losses).mean(), *terms]).sum()

    return loss


def _weighted_terms(x: Tensor, m: Tensor, quantized: Tensor, recipe: Recipe) -> list[Tensor]:
    terms = []
    if recipe.alpha:
        terms.append(recipe.alpha * equations.color_regularizer(x, m).mean())
    if recipe.beta:
        terms.append(recipe.beta * regularizer(m).mean())
    if recipe.gamma:
        terms.append(recipe.gamma * equations.perceptual_loss(x, quantized).mean())
    return terms


def decoded_accuracy(network: CQFormer, lesson: Lesson, classifiers: Sequence[nn.Module], *, means: bool) -> float:
    """The classifiers' mean accuracy on the validation images after the test-time pass, decoded to 8 bits.

    Args:
        network: In eval mode.
        lesson: Whose validation images are not empty.
        classifiers: From ``frozen_classifiers``.
        means: As in ``palettize``.

    Returns:
        A fraction, 0 to 1.
    """
    return mean_accuracy(palettize(network, lesson.validation.images, means=means).render(), lesson, classifiers)
