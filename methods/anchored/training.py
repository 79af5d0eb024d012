"""How the anchored network is trained: ColorCNN's loss (Eq. 2), and two terms that can be added to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.learning import autocast
from methods.anchored.network import AnchoredNetwork
from methods.colorcnn import equations
from methods.colorcnn.network import ColorCNN
from methods.colorcnn.training import Recipe as ColorCNNRecipe
from methods.colorcnn.training import regularizer_of

TEMPERATURE = 2.0
"""Of both sides of the distillation (Hinton, Vinyals & Dean 2015)."""


@dataclass(frozen=True)
class Recipe(ColorCNNRecipe):
    """ColorCNN's, weights of distillation and noise, and whether the classifier is shown the image of Eq. 5."""

    distillation: float
    straight_through: bool
    gumbel: float


def objective(
    network: ColorCNN, classifiers: Sequence[nn.Module], device: str, recipe: Recipe
) -> Callable[[Tensor, Tensor], Tensor]:
    """Eq. 2 of the article, plus ``distillation`` times what the classifiers' answers differ from the original's.

    Args:
        network: What is trained.
        classifiers: What it is trained through, from ``colorcnn.training.frozen_classifiers``.
        device: ``cpu`` or ``cuda``.
        recipe: Weights of the loss's terms, and how jitter is drawn.

    Returns:
        A function of normalized images ``float32 [B, 3, H, W]`` and labels ``int64 [B]``; its value is a scalar, at one
        of the network's color counts, of which each call draws one, each as likely, from torch's global random state.
    """
    assert isinstance(network, AnchoredNetwork)
    regularizer, correction, counted = regularizer_of(recipe), network.correction, network.at_each()

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        drawn = int(torch.randint(len(counted), ())) if len(counted) > 1 else 0
        m = counted[drawn](images).float()
        n = equations.draw_jitter(recipe.jitter, images)
        with autocast(device, "fp32"):
            shown = noisy(m, recipe.gumbel) if recipe.gumbel else m
            if recipe.straight_through:
                shown = hardened(shown)
            t = equations.soft_palette(images, shown)
            if correction is not None:
                t = correction(t, shown.mean(dim=(2, 3)))
            quantized = equations.jittered_image(t / recipe.palette_norm, shown, recipe.xi * n)
        total = recipe.gamma * regularizer(m).mean()
        for classifier in classifiers:
            logits = classifier(quantized).float()
            total = total + F.cross_entropy(logits, labels) / len(classifiers)
            if recipe.distillation:
                with torch.no_grad():
                    original = classifier(images).float()
                total = total + recipe.distillation * divergence(logits, original) / len(classifiers)
        return total

    return loss


def noisy(m: Tensor, weight: float) -> Tensor:
    """The probabilities after Gumbel noise on their logits; with weight 1 the most probable is a draw from m.

    Args:
        m: m(x), ``float [B, C, H, W]``.
        weight: Of the noise, which is drawn for each pixel and color from torch's global random state.

    Returns:
        Probabilities ``float [B, C, H, W]`` (Jang, Gu & Poole 2017; Maddison, Mnih & Teh 2017, at temperature 1).
    """
    noise = -torch.empty_like(m).exponential_().log()
    return (m.clamp_min(torch.finfo(m.dtype).tiny).log() + weight * noise).softmax(dim=1)


def hardened(m: Tensor) -> Tensor:
    """Each pixel's most probable color alone, with the gradient of m (the straight-through estimator).

    With it Eq. 6 and 7 give what Eq. 4 and 5 give at test time (Bengio, Leonard & Courville 2013).

    Args:
        m: m(x), ``float [B, C, H, W]``.

    Returns:
        Zeros and ones, ``float [B, C, H, W]``.
    """
    hard = torch.zeros_like(m).scatter_(1, m.argmax(dim=1, keepdim=True), 1.0)
    return hard + m - m.detach()


def divergence(logits: Tensor, original: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of softened answers from those to the original images, mean over images.

    Both sides are softened by ``TEMPERATURE``, whose square keeps the gradient's size.

    Args:
        logits: Of the quantized images, ``float [B, classes]``.
        original: Of the originals, likewise.

    Returns:
        A scalar, at least 0.
    """
    answers, wanted = ((side / TEMPERATURE).log_softmax(dim=1) for side in (logits, original))
    return TEMPERATURE**2 * F.kl_div(answers, wanted, log_target=True, reduction="batchmean")
