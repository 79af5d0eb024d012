"""A classifier trained further on reduced images, so that it has met what a method makes of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.contracts import Lesson

if TYPE_CHECKING:
    from torch import nn


def retrain(
    network: nn.Module, lesson: Lesson, *, epochs: int, rate: float, batch_size: int | None, weight_decay: float
) -> None:
    """Trains a network further, in place: SGD with cross-entropy on the 1cycle policy, momentum 0.95 - 0.85 - 0.95.

    All of its weights are trained, with the dataset's augmentation.

    Args:
        network: From normalized ``float32 [B, 3, H, W]`` to logits ``[B, classes]``; it ends in eval mode.
        lesson: The reduced training images with their labels.
        epochs: Passes over them.
        rate: The learning rate's peak.
        batch_size: Images a step; None: the dataset's.
        weight_decay: Of stochastic gradient descent.

    Raises:
        FloatingPointError: An epoch's mean loss is not finite.
    """
    from torch.nn.functional import cross_entropy

    from harness import learning

    learning.train(
        network.requires_grad_(True),
        lambda images, labels: cross_entropy(network(images), labels),
        lesson,
        epochs=epochs,
        batch_size=batch_size or lesson.batch_size,
        schedule=lambda batches: learning.one_cycle(epochs * batches, rate),
        weight_decay=weight_decay,
    )
