"""The statistics, as pure functions: Wilson, McNemar's mid-p, the group and the crossed bootstrap, Holm.

A group is a set of images that share a source and are therefore not independent. Whatever is resampled here is a group.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

REPLICATES = 10_000
CONFIDENCE = 0.95
SMALLEST_BOOTSTRAP_P = 2 / (REPLICATES + 1)
_DRAWS_AT_ONCE = 1 << 23

Interval = tuple[float, float]


def wilson(right: int, n: int) -> Interval:
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


def singletons(groups: NDArray[np.int64]) -> bool:
    """Whether every image is its own group, so that images count as independent."""
    return len(np.unique(groups)) == len(groups)


def random_seed(*keys: str) -> int:
    """A seed for a bootstrap that follows from what is compared: the content keys of its cells."""
    return int.from_bytes(hashlib.sha256("\0".join(keys).encode()).digest()[:8], "big")


def bootstrap_means(
    values: NDArray[np.int64], groups: NDArray[np.int64], seed: int, replicates: int = REPLICATES
) -> NDArray[np.float64]:
    """Means of ``values`` under resampling: ``float64 [replicates]``.

    values: ``int64 [S, N]``, one row a seed, one column a test image, the same images in every row. groups: ``[N]``.
    Each replicate draws S seeds and G groups with replacement, and the drawn groups hold for all drawn seeds: the
    crossed bootstrap (Owen 2007). With one row it is the group bootstrap; with singleton groups the ordinary one.

    Groups of equal size and equal sums cannot be told apart, so their counts are drawn together (one multinomial over
    the distinct kinds of groups, which has the same distribution); the order of images does not matter.
    """
    members, number = np.unique(groups, return_inverse=True)
    sums = [np.bincount(number, weights=row).astype(np.int64) for row in values]
    table = np.column_stack([np.bincount(number), *sums])
    kinds, count = np.unique(table, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    means = np.empty(replicates)
    step = max(1, _DRAWS_AT_ONCE // len(kinds))
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        drawn = rng.multinomial(len(members), count / len(members), size=size) @ kinds
        seeds = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=size)
        means[start : start + size] = (drawn[:, 1:] * seeds).sum(1) / (len(values) * drawn[:, 0])
    return means


def percentile_interval(replicates: NDArray[np.float64]) -> Interval:
    """The middle 95 % of bootstrap replicates."""
    lo, hi = np.quantile(replicates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(lo), float(hi)


def bootstrap_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p of "no difference" from replicated differences: twice the smaller share on one side of zero.

    The observed sample counts as one more replicate, so each share is at least 1 / (B + 1) and p at least twice that;
    p < 0.05 agrees with a percentile interval that leaves zero out.
    """
    shares = (1 + np.array([(differences <= 0).sum(), (differences >= 0).sum()])) / (len(differences) + 1)
    return float(min(1.0, 2 * shares.min()))


def accuracy_interval(correct: NDArray[np.int64], groups: NDArray[np.int64], seed: int) -> Interval:
    """95 % interval of the mean of ``correct [S, N]``, S trainings judged on the same N images.

    Wilson for one training and independent images; else the bootstrap above. Where everything is right (or wrong) a
    bootstrap has no width, so Wilson over the number of groups stands in. NaN where a single group leaves nothing to
    resample.
    """
    n, sources = correct.shape[1], len(np.unique(groups))
    if len(correct) == 1 and sources == n:
        return wilson(int(correct.sum()), n)
    if correct.min() == correct.max():
        return wilson(sources * int(correct.min()), sources)
    if sources == 1:
        return math.nan, math.nan
    return percentile_interval(bootstrap_means(correct, groups, seed))


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's (1979) step-down adjustment of one family of p-values; NaN stays NaN and is not counted."""
    values = np.asarray(p, np.float64)
    adjusted = np.full(values.shape, np.nan)
    order = np.argsort(values, kind="stable")[: np.isfinite(values).sum()]
    scaled = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted


def stars(p: float) -> str:
    """``***`` below 0.001, ``**`` below 0.01, ``*`` below 0.05, else nothing."""
    return "*" * sum(p < limit for limit in (0.05, 0.01, 0.001))
