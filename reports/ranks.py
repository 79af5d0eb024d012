"""Methods ranked over several tasks, as pure functions: Friedman, Nemenyi, and the Bayesian signed-rank test.

A table of accuracies is ``[tasks, variants]``. All of it describes the tasks that were measured: tasks that share a
dataset are not independent, and with few of them these tests have hardly any power.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reports.statistics import CONFIDENCE

FEWEST_VARIANTS = 3
"""Friedman's test is of three or more."""
DRAWS = 20_000
PRIOR = 0.5
"""Weight of the prior's one observation, which lies within the margin (Benavoli et al. 2017, their s)."""


def ranks_of(accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks within each task, 1 for the highest accuracy; equal ones share the mean of their places."""
    return np.asarray(stats.rankdata(-accuracies, axis=1), np.float64)


@dataclass(frozen=True)
class Friedman:
    """Friedman's test (1937) of "all variants are alike", corrected for ties. chi2: with variants - 1 degrees of
    freedom. p: NaN where all ranks are tied."""

    chi2: float
    p: float
    tasks: int
    variants: int


def friedman(accuracies: NDArray[np.float64]) -> Friedman | None:
    """None for fewer than three variants or two tasks."""
    tasks, variants = accuracies.shape
    if variants < FEWEST_VARIANTS or tasks < 2:
        return None
    if all(len(set(row)) == 1 for row in accuracies.tolist()):
        return Friedman(math.nan, math.nan, tasks, variants)
    chi2, p = stats.friedmanchisquare(*accuracies.T)
    return Friedman(float(chi2), float(p), tasks, variants)


def critical_difference(variants: int, tasks: int) -> float:
    """By how much two mean ranks must differ in Nemenyi's test (1963) at 5 %: q sqrt(k (k + 1) / (6 N)).

    q is the studentized range of k variants with infinite degrees of freedom, over sqrt(2) (Demšar 2006).
    """
    return _range(variants) / math.sqrt(2) * math.sqrt(variants * (variants + 1) / (6 * tasks))


@cache
def _range(variants: int) -> float:
    return float(stats.studentized_range.ppf(CONFIDENCE, variants, math.inf))


@dataclass(frozen=True)
class SignedRank:
    """Probabilities that, over tasks like these, a is worse, the same within the margin, or better than b."""

    worse: float
    same: float
    better: float


def signed_rank(differences: Sequence[float], margin: float, draws: int = DRAWS, seed: int = 0) -> SignedRank:
    """The Bayesian signed-rank test (Benavoli, Corani, Demšar & Zaffalon 2017).

    Tasks, and one more of difference 0 as the prior, get Dirichlet weights w. Of each draw, the sums of w_i w_j over
    pairs (i, j) whose mean difference lies below, within and above ± margin compete; the probabilities are the shares
    of draws that each of the three wins (of a tie, a part).

    Args:
        differences: Of a less b, one a task.
        margin: Region of practical equivalence, two-sided.
        draws: Of the weights, by Monte Carlo.
        seed: Of the draws.
    """
    z = np.array([0.0, *differences])
    means = (z[:, None] + z[None, :]) / 2
    weights = np.random.default_rng(seed).dirichlet([PRIOR, *[1.0] * len(differences)], draws)
    regions = [means < -margin, np.abs(means) <= margin, means > margin]
    shares = np.stack([np.einsum("di,ij,dj->d", weights, region.astype(float), weights) for region in regions])
    winners = np.isclose(shares, shares.max(axis=0), rtol=0, atol=1e-12)
    return SignedRank(*(float(part) for part in (winners / winners.sum(axis=0)).mean(axis=1)))


def cliques(mean_ranks: Sequence[float], apart: float) -> tuple[tuple[int, int], ...]:
    """Where bars go in a critical-difference diagram: first and last place of each largest run of variants, ordered by
    mean rank, whose ranks differ by less than ``apart``; runs of one are left out."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        last = max(place for place, other in enumerate(mean_ranks) if other - rank < apart)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)


def places(names: Sequence[str], separated: Callable[[str, str], bool]) -> tuple[int, ...]:
    """The place of each name, best first: names of which no test separates any two share one.

    A group takes in the next name as long as nothing separates it from any member; the next group's place counts all
    that stand before it (1, 1, 3).
    """
    found: list[int] = []
    start = 0
    for number, name in enumerate(names):
        if any(separated(name, member) for member in names[start:number]):
            start = number
        found.append(start + 1)
    return tuple(found)
