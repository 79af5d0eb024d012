"""The statistics of the comparison, as pure functions.

S trainings are judged on the same N test images, which come from G groups. A group is a set of images that share a
source and are therefore not independent; by default each image is its own. Values are ``[S, N]``: 0 and 1 where an
accuracy is estimated, differences of such where two are compared, image by image.

Every estimate has a variance of two parts: how much trainings differ, with S - 1 degrees of freedom, and how much
groups differ, with G - 1. Interval and p come from the same two parts, so that they never contradict each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

CONFIDENCE = 0.95
SIGNIFICANT = 1 - CONFIDENCE
FEWEST_GROUPS = 40
"""With fewer groups of several images each, a t interval of one training no longer holds its level."""
FEWEST_TRAININGS = 3
"""With fewer, nothing is said of a method, only of the networks that were trained."""

Interval = tuple[float, float]
NO_INTERVAL: Interval = (math.nan, math.nan)
_SMALLEST_P = 1e-300


@dataclass(frozen=True)
class Estimate:
    """A mean over trainings and images with the two parts of its variance.

    Attributes:
        mean: The estimate.
        trainings: S.
        groups: G.
        of_trainings: Estimated variance of the mean that comes from the trainings; 0 for one training.
        of_groups: Estimated variance of the mean that comes from the groups.
    """

    mean: float
    trainings: int
    groups: int
    of_trainings: float
    of_groups: float

    def half_width(self, alpha: float) -> float:
        """Half the width of the interval at confidence 1 - alpha: the root of t(S-1)^2 A + t(G-1)^2 V."""
        return math.hypot(*(math.sqrt(part) * _t(alpha, df) for part, df in self._parts()))

    def interval(self, alpha: float = SIGNIFICANT) -> Interval:
        """The interval at confidence 1 - alpha; NaN for one training on images of one source."""
        if not self._parts():
            return NO_INTERVAL
        half = self.half_width(alpha)
        return self.mean - half, self.mean + half

    def p(self, null: float = 0.0) -> float:
        """Two-sided p of a mean of ``null``: the alpha at which the interval just reaches it; NaN if there is none."""
        if not self._parts():
            return math.nan
        distance = abs(self.mean - null)
        if distance == 0:
            return 1.0
        if self.half_width(_SMALLEST_P) <= distance:
            return _SMALLEST_P
        beyond = optimize.brentq(
            lambda log: self.half_width(math.exp(log)) - distance, math.log(_SMALLEST_P), 0.0, xtol=1e-12
        )
        return float(math.exp(beyond))

    def p_within(self, margin: float) -> float:
        """p of "the mean lies beyond ± margin" (two one-sided tests, Schuirmann 1987): small where it lies within."""
        if not self._parts():
            return math.nan
        one_sided = self.p(math.copysign(margin, self.mean)) / 2
        return one_sided if abs(self.mean) < margin else 1 - one_sided

    def _parts(self) -> list[tuple[float, int]]:
        parts = [(self.of_trainings, self.trainings - 1), (self.of_groups, self.groups - 1)]
        return [(variance, df) for variance, df in parts if variance > 0 and df > 0]


def _t(alpha: float, df: int) -> float:
    """Student's t at two-sided alpha, precise in the far tail."""
    return float(-special.stdtrit(df, alpha / 2))


def estimate(values: NDArray[np.float64] | NDArray[np.int64], groups: NDArray[np.int64]) -> Estimate:
    """The mean of ``values [S, N]`` and its variance, apart for trainings and for groups.

    The part of the trainings is A, their variance over S. With u_sg = (G / N) sum over i in g of (d_si - mean of s) and
    C the covariance of u over groups, divided by G, the part of the groups is B = 1'C1 / S^2 less what of it is already
    in A, I = (tr C - 1'C1 / S) / (S (S - 1)). Of one training that is the cluster-robust variance.
    It is at least what one image more to either side would make of it, so that images which all agree leave a doubt.

    Args:
        values: What is averaged, one row a training, one column a test image.
        groups: ``int64 [N]``, equal where images share a source.
    """
    values = np.asarray(values, np.float64)
    number, sources = numbered(groups)
    own = values.mean(axis=1)
    sums = np.array([np.bincount(number, weights=row) for row in values - own[:, None]], np.float64)
    return estimate_of(own, covariance_of(sums, values.shape[1]), values.shape[1], sources)


def covariance_of(sums: NDArray[np.float64], images: int) -> NDArray[np.float64]:
    """C of ``estimate``: ``float64 [S, S]``, from ``sums [S, G]``, the sums over each group of what is centered.

    It is bilinear: the covariance of differences of rows is that of the rows, added and subtracted.
    """
    count = sums.shape[1]
    return np.atleast_2d(np.cov(sums * (count / images))) / count if count > 1 else np.zeros((len(sums),) * 2)


def estimate_of(own: NDArray[np.float64], covariance: NDArray[np.float64], images: int, groups: int) -> Estimate:
    """``estimate`` from the mean of each training ``[S]`` and C ``[S, S]``."""
    trainings = len(own)
    whole = float(covariance.sum())
    of_groups, of_trainings = whole / trainings**2, 0.0
    if trainings > 1:
        of_trainings = float(own.var(ddof=1)) / trainings
        shared = (float(np.trace(covariance)) - whole / trainings) / (trainings * (trainings - 1))
        of_groups -= shared
    of_groups = max(of_groups, 2 / (images + 2) ** 2)
    return Estimate(float(own.mean()), trainings, groups, of_trainings, of_groups)


def numbered(groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Groups counted from 0, ``int64 [N]``, and how many there are."""
    if (np.diff(groups) > 0).all():  # most datasets: every image is its own, and nothing has to be sorted
        return np.arange(len(groups)), len(groups)
    members, number = np.unique(groups, return_inverse=True)
    return number, len(members)


def count_of(groups: NDArray[np.int64]) -> int:
    """How many different groups there are."""
    return numbered(groups)[1]


def singletons(groups: NDArray[np.int64]) -> bool:
    """Whether every image is its own group, so that images count as independent."""
    return count_of(groups) == len(groups)


def wilson(right: float, n: float) -> Interval:
    """Wilson's score interval (1927) of a share of independent trials, at 95 %."""
    z = float(special.ndtri((1 + CONFIDENCE) / 2))
    share = right / n
    center = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return min(share, max(0.0, center - half)), max(share, min(1.0, center + half))


def mcnemar_midp(only_a: int, only_b: int) -> float:
    """Two-sided exact mid-p of McNemar's test on the discordant counts (Fagerland, Lydersen, Laake 2013).

    p = 2 P(X <= k) - P(X = k) = P(X <= k) + P(X < k) for X ~ Binomial(n, 1/2), where k = min(only_a, only_b) and
    n = only_a + only_b.
    """
    n, k = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    below = special.bdtr(k - 1, n, 0.5) if k else 0.0
    return float(min(1.0, special.bdtr(k, n, 0.5) + below))


@dataclass(frozen=True)
class Discordant:
    """One training of each of two methods on n independent images: what only one of them got right.

    The interval of the difference is Bonett and Price's adjusted Wald interval for paired shares (2012); p is McNemar's
    mid-p. Where the two would contradict each other the more cautious one holds, for both.
    """

    only_a: int
    only_b: int
    n: int

    @property
    def mean(self) -> float:
        """The difference of the two accuracies."""
        return (self.only_a - self.only_b) / self.n

    def interval(self, alpha: float = SIGNIFICANT) -> Interval:
        """The interval of the difference at confidence 1 - alpha; it holds 0 just where p is alpha or more."""
        center, error = self._adjusted()
        half = float(-special.ndtri(alpha / 2)) * error
        lo, hi = max(-1.0, center - half), min(1.0, center + half)
        return (min(lo, 0.0), max(hi, 0.0)) if self.p() >= alpha else (lo, hi)

    def p(self) -> float:
        """Two-sided p of no difference."""
        return max(mcnemar_midp(self.only_a, self.only_b), self._p_at(0.0))

    def p_within(self, margin: float) -> float:
        """As ``Estimate.p_within``."""
        center, error = self._adjusted()
        return float(special.ndtr(-(margin - abs(center)) / error))

    def _p_at(self, null: float) -> float:
        center, error = self._adjusted()
        return float(2 * special.ndtr(-abs(center - null) / error))

    def _adjusted(self) -> tuple[float, float]:
        """The difference and its standard error with one image more to either side."""
        a, b = (self.only_a + 1) / (self.n + 2), (self.only_b + 1) / (self.n + 2)
        return a - b, math.sqrt((a + b - (a - b) ** 2) / (self.n + 2))


def accuracy_interval(correct: NDArray[np.int64], groups: NDArray[np.int64]) -> Interval:
    """95 % interval of the mean of ``correct [S, N]``, 0 or 1.

    One training on independent images: Wilson's. Else that of ``estimate``; where that of one training would leave
    [0, 1], Wilson's for as many independent images as would have its variance. NaN below ``FEWEST_GROUPS`` groups.
    """
    n, sources = correct.shape[1], count_of(groups)
    if len(correct) == 1 and sources == n:
        return wilson(int(correct.sum()), n)
    if sources < FEWEST_GROUPS:
        return NO_INTERVAL
    found = estimate(correct, groups)
    lo, hi = found.interval()
    if len(correct) == 1 and (lo < 0 or hi > 1):
        share = found.mean
        like = min(float(sources), share * (1 - share) / found.of_groups) or float(sources)
        return wilson(share * like, like)
    return max(lo, 0.0), min(hi, 1.0)


def leaves_range(correct: NDArray[np.int64], groups: NDArray[np.int64]) -> bool:
    """Whether an accuracy is so near 0 or 1, for so few groups, that a normal approximation fails."""
    return reaches_beyond(estimate(correct, groups))


def reaches_beyond(accuracy: Estimate) -> bool:
    """``leaves_range`` of an accuracy that is estimated already."""
    reach = float(special.ndtri((1 + CONFIDENCE) / 2)) * math.sqrt(accuracy.of_groups)
    return accuracy.mean - reach < 0 or accuracy.mean + reach > 1


def holm(p: ArrayLike, of: int = 0) -> NDArray[np.float64]:
    """Holm's (1979) step-down adjustment of one family of p-values; NaN stays NaN and is not counted.

    Args:
        p: The values.
        of: How many the family has, if more than those given. The others count as larger than all of these, which
            adjusts by no less than if they were known.
    """
    values = np.asarray(p, np.float64)
    adjusted = np.full(values.shape, np.nan)
    order = np.argsort(values, kind="stable")[: np.isfinite(values).sum()]
    scaled = values[order] * (max(of, len(order)) - np.arange(len(order)))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted


def stars(p: float) -> str:
    """``***`` below 0.001, ``**`` below 0.01, ``*`` below 0.05, else nothing."""
    return "*" * sum(p < limit for limit in (0.05, 0.01, 0.001))
