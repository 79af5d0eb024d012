"""Whether a classifier can judge at all: its accuracy on the untouched test images beside that of guessing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.plan import Job
from harness.work.store import Store

PREDICTED = "predicted.npy"
"""A classifier's class for each untouched test image."""


@dataclass(frozen=True)
class Judge:
    """How a classifier does on the untouched test images.

    Attributes:
        accuracy: The share that it recognizes.
        lo: Lower end of the accuracy's 95 % interval.
        hi: Upper end.
        chance: The share of the commonest class: what naming one class for all images would recognize.
    """

    accuracy: float
    lo: float
    hi: float
    chance: float

    @property
    def guesses(self) -> bool:
        """Whether the interval touches chance, or lies below it."""
        return self.lo <= self.chance

    def __str__(self) -> str:
        """What it recognizes, what guessing does and what follows, after the classifier's name."""
        return (
            f"recognizes {100 * self.accuracy:.1f} % [{100 * self.lo:.1f}, {100 * self.hi:.1f}] of untouched images it "
            f"was not trained on, which is not told apart from guessing ({100 * self.chance:.1f} %, the share of the "
            "commonest class): it cannot judge any method. "
            + ("Judge on more images." if self.accuracy > 2 * self.chance else "Train it longer, or on more images.")
        )


def judge_of(predicted: NDArray[np.int64], labels: NDArray[np.int64], groups: NDArray[np.int64]) -> Judge:
    """Compares a classifier's answers with the labels.

    The interval is Wilson's (1927) where images are independent, else Student's t over groups (cluster-robust).

    Args:
        predicted: Its class for each untouched test image, ``int64 [N]``.
        labels: The right ones.
        groups: Equal where images share a source. Of a single source the interval is everything from 0 to 1.
    """
    from scipy import stats

    correct = predicted == labels
    images, accuracy, chance = len(correct), float(correct.mean()), float(np.bincount(labels).max() / len(labels))
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=correct - accuracy)
    sources = len(sums)
    if sources < 2:
        return Judge(accuracy, 0.0, 1.0, chance)
    if sources == images:
        interval = stats.binomtest(int(correct.sum()), images).proportion_ci(0.95, "wilson")
        return Judge(accuracy, float(interval.low), float(interval.high), chance)
    # At least what one image more to either side would make of it, so that images which all agree leave a doubt.
    variance = max(sources / (sources - 1) * float(np.square(sums).sum()) / images**2, 2 / (images + 2) ** 2)
    half = float(stats.t.ppf(0.975, sources - 1)) * math.sqrt(variance)
    return Judge(accuracy, max(0.0, accuracy - half), min(1.0, accuracy + half), chance)


def stored_judge(classifier: Job, store: Store) -> Judge | None:
    """The same of a stored classifier; None where its dataset is not stored any longer.

    Args:
        classifier: The job that trained it.
        store: Where it is.
    """
    stage, key = classifier.inputs["dataset"]
    if not store.has(stage, key):
        return None
    labels, groups = (np.load(store.path(stage, key) / f"test_{part}.npy") for part in ("labels", "groups"))
    return judge_of(np.load(store.path(classifier.stage, classifier.key) / PREDICTED), labels, groups)
