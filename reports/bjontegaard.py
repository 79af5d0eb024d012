"""Bjøntegaard's deltas: by how much two curves of accuracy against bits differ, over the range they have in common.

Sources: G. Bjøntegaard, Calculation of average PSNR differences between RD-curves, ITU-T VCEG-M33, 2001; interpolated
piecewise instead of by one cubic, as in the common test conditions of JCT-VC and JVET: F. N. Fritsch & J. Butland, A
method for constructing local monotone piecewise cubic interpolants, 1984 (PCHIP).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import PchipInterpolator

from reports.pareto import front

FEWEST_POINTS = 2
"""Of each curve: fewer are no curve."""
USUAL_POINTS = 4
"""Of each curve, in VCEG-M33 and in common test conditions."""
SHORT = 0.5
"""A common range below this share of the shorter curve's range is called short."""
_DIGITS = 12
"""Of an accuracy: means that differ by less are equal but for rounding."""

Curve = Sequence[tuple[float, float]]
"""Bits and accuracy of each point, in any order."""


@dataclass(frozen=True)
class Delta:
    """A mean difference of two curves.

    Attributes:
        value: The difference, a fraction; NaN where the curves have no range in common.
        lo: Where the common range begins: an accuracy (BD-rate) or bits (BD-accuracy).
        hi: Where it ends.
        share: The common range as a share of the shorter curve's range (of bits: of their logarithms).
    """

    value: float
    lo: float
    hi: float
    share: float

    @property
    def short(self) -> bool:
        """Whether the common range is a small part of both curves."""
        return self.share < SHORT


NOTHING = Delta(math.nan, math.nan, math.nan, math.nan)
"""Of curves with nothing in common."""


def bd_rate(curve: Curve, baseline: Curve) -> Delta:
    """Computes how many more bits a curve needs than the baseline for the same accuracy.

    exp(mean over the common accuracies of ln r(a) - ln r_baseline(a)) - 1, where ln r is interpolated as a function of
    the accuracy a. For that to be a function, a curve's points count only as far as fewer bits never give as high an
    accuracy: its own Pareto front.

    Args:
        curve: Its points, bits above 0.
        baseline: Those of the baseline.

    Returns:
        The share of further bits: 1.0 is twice as many, -0.5 half as many.

    Examples:
        >>> round(bd_rate([(2, 0.5), (4, 0.7)], [(1, 0.5), (2, 0.7)]).value, 9)
        1.0
    """
    found = _mean_difference(*(_turned(rising(line)) for line in (curve, baseline)))
    return replace(found, value=math.expm1(found.value))


def bd_accuracy(curve: Curve, baseline: Curve) -> Delta:
    """Computes by how much a curve's accuracy is higher than the baseline's at the same bits.

    The mean over the common range of ln r of a(ln r) - a_baseline(ln r). All points count; of several with the same
    bits, the most accurate.

    Args:
        curve: Its points, bits above 0.
        baseline: Those of the baseline.

    Returns:
        A difference of accuracies: 0.03 is 3 points.
    """
    found = _mean_difference(*(one_at_each_rate(line) for line in (curve, baseline)))
    return replace(found, lo=math.exp(found.lo), hi=math.exp(found.hi))


def rising(curve: Curve) -> list[tuple[float, float]]:
    """The points of ln bits and accuracy that a curve's own Pareto front has: both rise from each to the next."""
    points = one_at_each_rate(curve)
    return [points[i] for i in front(points)]


def one_at_each_rate(curve: Curve) -> list[tuple[float, float]]:
    """The points as ln bits and accuracy, by bits; of several with the same bits, the most accurate."""
    best: dict[float, float] = {}
    for bits, accuracy in curve:
        best[bits] = max(round(accuracy, _DIGITS), best.get(bits, -math.inf))
    return sorted((math.log(bits), accuracy) for bits, accuracy in best.items())


def _turned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(accuracy, rate) for rate, accuracy in points]


def _mean_difference(curve: list[tuple[float, float]], baseline: list[tuple[float, float]]) -> Delta:
    """The mean of curve - baseline over the x that both have, as they are given."""
    if min(len(curve), len(baseline)) < FEWEST_POINTS:
        return NOTHING
    ends = [(line[0][0], line[-1][0]) for line in (curve, baseline)]
    lo, hi = max(start for start, _ in ends), min(end for _, end in ends)
    if not lo < hi:
        return NOTHING
    means = [float(PchipInterpolator(*np.transpose(line)).integrate(lo, hi)) / (hi - lo) for line in (curve, baseline)]
    return Delta(means[0] - means[1], lo, hi, (hi - lo) / min(end - start for start, end in ends))
