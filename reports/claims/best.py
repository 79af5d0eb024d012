"""Multiple comparisons with the best (Hsu 1981, 1984): which of K could be the best, and by how much."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from harness.contracts import Evidence
from reports.statistics import SIGNIFICANT, Interval


def with_best(differences: Callable[[int, int], Evidence], count: int, alpha: float = SIGNIFICANT) -> list[Interval]:
    """For each i the interval of its mean less the best of the others'; all of them hold together at 1 - alpha.

    Hsu's constrained intervals: with one-sided simultaneous bounds on the difference from the truly best one,

        lo_i = min(0, min over j of lower bound of i - j),   hi_i = max(0, min over j of upper bound of i - j)

    hi_i = 0 shows that i is not the best, lo_i = 0 that it is. Each bound is taken at alpha / (count - 1) (Bonferroni)
    and not at Dunnett's level, which supposes equal variances of all means: extreme parameters vary more.

    Args:
        differences: Of the means i and j, i < j.
        count: How many means there are, two at least.
        alpha: The error of all intervals together.
    """
    both_sides = 2 * alpha / (count - 1)
    bounds: dict[tuple[int, int], Interval] = {}
    for i, j in itertools.combinations(range(count), 2):
        lo, hi = differences(i, j).interval(both_sides)
        bounds[i, j], bounds[j, i] = (lo, hi), (-hi, -lo)
    found = []
    for i in range(count):
        own = [bounds[i, j] for j in range(count) if j != i]
        found.append((min(0.0, min(lo for lo, _ in own)), max(0.0, min(hi for _, hi in own))))
    return found
