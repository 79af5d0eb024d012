"""Frozen classifiers that also tell their features, by which a quantized image is compared with the original."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.contracts import Lesson
from harness.learning import freeze, normalize, tensor_of
from methods.colorcnn.folding import fold


class Viewer(nn.Module):
    """``[B, 3, H, W]``, normalized -> logits ``[B, classes]`` and features.

    Features are the classifier's last maps ``[B, F, h, w]``, of whose means its ``head`` makes the logits. A classifier
    without ``features`` and ``head`` has no more to tell than its logits, which then stand for features.
    """

    def __init__(self, classifier: nn.Module, probe: Tensor) -> None:
        super().__init__()
        self.classifier: Any = classifier
        self.form = _form(self.classifier, probe)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.form == "logits":
            logits = self.classifier(x)
            return logits, logits
        features = self.classifier.features(x)
        if self.form == "pooled":
            return self.classifier.head(features.mean((2, 3))), features
        return self.classifier(x), features


def _form(classifier: Any, probe: Tensor) -> str:
    """``logits``: there are no maps; ``pooled``: their means go through the head; ``maps``: logits come otherwise."""
    if not callable(getattr(classifier, "features", None)) or not isinstance(
        getattr(classifier, "head", None), nn.Linear
    ):
        return "logits"
    with torch.no_grad():
        features, logits = classifier.features(probe), classifier(probe)
        if features.ndim != 4 or features.shape[1] != classifier.head.in_features:
            return "maps"
        pooled = classifier.head(features.mean((2, 3)))
    return "pooled" if torch.allclose(pooled, logits, rtol=1e-3, atol=1e-4) else "maps"


def viewers_of(lesson: Lesson) -> list[nn.Module]:
    """The lesson's classifiers on its device as viewers, frozen, folded and in channels-last memory.

    Args:
        lesson: Its training images are what folding is checked on.

    Returns:
        One for each of the lesson's classifiers, from normalized images to logits and features.
    """
    probe = normalize(tensor_of(lesson.train.images[:2]).to(lesson.device), lesson.normalization)
    frozen = (freeze(Viewer(freeze(classifier.to(lesson.device)), probe)) for classifier in lesson.classifiers)
    return [fold(viewer, probe).to(memory_format=torch.channels_last) for viewer in frozen]


def feature_distance(found: Tensor, wanted: Tensor) -> Tensor:
    """The mean squared difference of a batch's features, each batch ``float [B, ...]``, over all their numbers."""
    return F.mse_loss(found.float(), wanted.float())
