"""How ColorCNN+ is trained: one network for all color counts, through frozen classifiers and towards MedianCut."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.contracts import VALIDATION_ACCURACY, Lesson
from harness.learning import autocast, cosine_restarts, train
from methods.colorcnn.training import decoded_accuracy, frozen_classifiers
from methods.colorcnn_plus import equations
from methods.colorcnn_plus.distortion import Shared, Unit, augmenter, train_time_image
from methods.colorcnn_plus.imitated import median_cut, pixels_of
from methods.colorcnn_plus.network import AtColors, ColorCNNPlus
from methods.colorcnn_plus.viewing import feature_distance, viewers_of


@dataclass(frozen=True)
class Recipe:
    """The parameters of a training, as the plugin names and explains them. redraw: in steps, restart_period: epochs."""

    palette_norm: float
    color_jitter: float
    tone_jitter: float
    augmentation: Shared
    feature_weight: float
    present_weight: float
    entropy_weight: float
    similarity_weight: float
    similarity_by_colors: bool
    similarity_share: float
    redraw: int
    epochs: int
    batch_size: int
    rate: float
    momentum: float
    weight_decay: float
    restart_period: int


class ColorCounts:
    """The color count of each step, drawn anew every few steps, from torch's global random state.

    Within an epoch that state comes from the lesson's seed and the epoch's number (``harness.learning.train``), and
    each epoch begins with a draw: so a training that goes on after an epoch draws what it would have drawn anyway.

    Args:
        counts: Among which to draw, each as likely.
        redraw: Steps from one draw to the next.
    """

    def __init__(self, counts: Sequence[int], redraw: int) -> None:
        self._counts, self._redraw = counts, redraw
        self.start_epoch()

    def start_epoch(self) -> None:
        """Lets the next step draw."""
        self._step = 0

    def next(self) -> int:
        """Gives the color count of one more step."""
        if self._step % self._redraw == 0:
            self._now = self._counts[int(torch.randint(len(self._counts), ()))]
        self._step += 1
        return self._now


def fit(network: ColorCNNPlus, lesson: Lesson, recipe: Recipe) -> None:
    """Trains a network in place for all of the lesson's color counts, through all of its classifiers.

    With augmentation after quantization, images are only flipped before it, as in the authors' code; without, they are
    flipped and cropped before it, as for ColorCNN.

    Args:
        network: A new network.
        lesson: Images, labels, frozen classifiers, color counts, device and precision.
        recipe: The training's parameters.

    Raises:
        FloatingPointError: The loss is no longer finite.
    """
    counts = ColorCounts(sorted(lesson.colors), recipe.redraw)
    classifiers = frozen_classifiers(lesson) if len(lesson.validation) else []

    def measure() -> Mapping[str, float]:
        counts.start_epoch()
        if not classifiers:
            return {}
        each = [decoded_accuracy(AtColors(network, colors), lesson, classifiers) for colors in lesson.colors]
        return {VALIDATION_ACCURACY: float(np.mean(each))}

    before = lesson.augmentation
    if recipe.augmentation != "none":
        before = dataclasses.replace(before, crop_padding=0)
    train(
        network,
        objective(network, viewers_of(lesson), counts, lesson, recipe),
        dataclasses.replace(lesson, augmentation=before),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        schedule=lambda steps: cosine_restarts(recipe.restart_period * steps, recipe.rate, recipe.momentum),
        weight_decay=recipe.weight_decay,
        measure=measure,
    )


def objective(
    network: ColorCNNPlus, viewers: Sequence[nn.Module], counts: ColorCounts, lesson: Lesson, recipe: Recipe
) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss: cross-entropy and feature distance, each the classifiers' mean, and what the probability map gives.

    Terms whose weight is 0 are not computed.

    Args:
        network: What is trained.
        viewers: What it is trained through, from ``viewers_of``.
        counts: Gives each step's color count.
        lesson: Its device, normalization and augmentation count.
        recipe: Weights of the loss's terms, and how quantized images are distorted.

    Returns:
        A function of normalized images ``float32 [B, 3, H, W]`` and labels ``int64 [B]``; its value is a scalar.
    """
    mean, std = (
        torch.tensor(constants, device=lesson.device).view(1, 3, 1, 1)
        for constants in (lesson.normalization.mean, lesson.normalization.std)
    )
    unit = Unit(mean, std)
    augment = augmenter(recipe.augmentation, lesson.augmentation, *lesson.train.images.shape[1:3])

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        colors = counts.next()
        m = network(images, colors)
        with autocast(lesson.device, "fp32"):
            quantized = train_time_image(images, m, unit, recipe.palette_norm, recipe.color_jitter, recipe.tone_jitter)
            quantized = augment(quantized)
            total = map_loss(m, images, unit, recipe)
        answers = [viewer(quantized) for viewer in viewers]
        total = total + torch.stack([F.cross_entropy(logits.float(), labels) for logits, _ in answers]).mean()
        if recipe.feature_weight:
            with torch.no_grad():
                wanted = [viewer(images)[1] for viewer in viewers]
            distances = [feature_distance(answer[1], w) for answer, w in zip(answers, wanted, strict=True)]
            total = total + recipe.feature_weight * torch.stack(distances).mean()
        return total

    return loss


def map_loss(m: Tensor, images: Tensor, unit: Unit, recipe: Recipe) -> Tensor:
    """The terms of the loss that need no classifier; a share of pixels is drawn from torch's global random state.

    Args:
        m: m(x), ``float [B, C, H, W]``.
        images: x, normalized, ``float [B, 3, H, W]``.
        unit: The normalization.
        recipe: Weights of the terms.

    Returns:
        A scalar: color present and usage entropy, and PixelSim against MedianCut on a share of each image's pixels.
    """
    total = m.new_zeros(())
    if recipe.present_weight:
        total = total + recipe.present_weight * equations.color_absence(m).mean()
    if recipe.entropy_weight:
        total = total - recipe.entropy_weight * equations.usage_entropy(m).mean()
    if recipe.similarity_weight:
        batch, colors, height, width = m.shape
        sample = equations.sample_pixels(batch, height * width, recipe.similarity_share, m.device)
        clusters = median_cut(pixels_of(images, unit), colors).to(m.device).flatten(1).gather(1, sample)
        sampled = m.flatten(2).gather(2, sample[:, None].expand(-1, colors, -1))
        factor = equations.similarity_factor(colors) if recipe.similarity_by_colors else 1
        total = total + recipe.similarity_weight * factor * equations.pixel_similarity(sampled, clusters).mean()
    return total
