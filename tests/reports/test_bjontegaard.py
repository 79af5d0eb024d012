"""Bjøntegaard's deltas, against a slow integration of an interpolation written out, and against what must hold."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from reports.bjontegaard import Curve, bd_accuracy, bd_rate, rising

BASE = [(0.6, 0.31), (1.1, 0.52), (2.3, 0.74), (4.0, 0.80), (6.5, 0.83)]
OTHER = [(0.5, 0.20), (0.9, 0.50), (1.7, 0.66), (3.9, 0.81)]


def slopes(x: list[float], y: list[float]) -> list[float]:
    """Of Fritsch and Butland's monotone cubics: weighted harmonic means inside, one-sided parabolas at the ends."""
    steps = [b - a for a, b in itertools.pairwise(x)]
    rises = [(b - a) / h for (a, b), h in zip(itertools.pairwise(y), steps, strict=True)]
    if len(x) == 2:
        return [rises[0]] * 2
    inside = []
    for i in range(1, len(x) - 1):
        before, after = rises[i - 1], rises[i]
        one, two = 2 * steps[i] + steps[i - 1], steps[i] + 2 * steps[i - 1]
        inside.append(0.0 if before * after <= 0 else (one + two) / (one / before + two / after))
    ends = []
    for h, k, first, second in (
        (steps[0], steps[1], rises[0], rises[1]),
        (steps[-1], steps[-2], rises[-1], rises[-2]),
    ):
        slope = ((2 * h + k) * first - h * second) / (h + k)
        if slope * first <= 0:
            slope = 0.0
        elif first * second <= 0 and abs(slope) > 3 * abs(first):
            slope = 3 * first
        ends.append(slope)
    return [ends[0], *inside, ends[1]]


def interpolated(x: list[float], y: list[float], at: np.ndarray) -> np.ndarray:
    m = slopes(x, y)
    found = np.empty_like(at)
    for n, value in enumerate(at):
        i = max(j for j in range(len(x) - 1) if x[j] <= value or j == 0)
        h = x[i + 1] - x[i]
        t = (value - x[i]) / h
        found[n] = (
            (2 * t**3 - 3 * t**2 + 1) * y[i]
            + (t**3 - 2 * t**2 + t) * h * m[i]
            + (3 * t**2 - 2 * t**3) * y[i + 1]
            + (t**3 - t**2) * h * m[i + 1]
        )
    return found


def slowly(x: tuple[list[float], list[float]], y: tuple[list[float], list[float]]) -> float:
    lo, hi = max(x[0][0], x[1][0]), min(x[0][-1], x[1][-1])
    grid = np.linspace(lo, hi, 20001)
    difference = interpolated(x[0], y[0], grid) - interpolated(x[1], y[1], grid)
    return float(((difference[1:] + difference[:-1]) / 2).mean())


@pytest.mark.parametrize(
    ("curve", "baseline"),
    [(OTHER, BASE), (BASE, OTHER), (OTHER[:2], BASE), (OTHER[1:], BASE[:3]), ([(0.7, 0.4), (5.0, 0.79)], OTHER[:2])],
)
def test_both_deltas_are_mean_differences_of_monotone_cubics(curve: Curve, baseline: Curve) -> None:
    accuracies = [[a for _, a in line] for line in (curve, baseline)]
    rates = [[math.log(r) for r, _ in line] for line in (curve, baseline)]
    a, r = (accuracies[0], accuracies[1]), (rates[0], rates[1])
    assert bd_rate(curve, baseline).value == pytest.approx(math.exp(slowly(a, r)) - 1, rel=1e-6)
    assert bd_accuracy(curve, baseline).value == pytest.approx(slowly(r, a), rel=1e-6)


@pytest.mark.parametrize("factor", [2.0, 0.5, 1.0, 1.37])
def test_a_factor_in_bits_is_the_bd_rate(factor: float) -> None:
    found = bd_rate([(factor * bits, accuracy) for bits, accuracy in BASE], BASE)
    assert found.value == pytest.approx(factor - 1, abs=1e-12)
    assert (found.lo, found.hi, found.share) == pytest.approx((0.31, 0.83, 1.0))
    assert not found.short


def test_points_more_at_the_same_bits_are_the_bd_accuracy() -> None:
    found = bd_accuracy([(bits, accuracy + 0.03) for bits, accuracy in BASE], BASE)
    assert found.value == pytest.approx(0.03)
    assert (found.lo, found.hi, found.share) == pytest.approx((0.6, 6.5, 1.0))


def test_the_two_curves_changed_for_each_other_turn_the_sign() -> None:
    there, back = bd_rate(OTHER, BASE).value, bd_rate(BASE, OTHER).value
    assert (1 + there) * (1 + back) == pytest.approx(1)
    assert bd_accuracy(OTHER, BASE).value == pytest.approx(-bd_accuracy(BASE, OTHER).value)


def test_the_order_of_points_means_nothing() -> None:
    assert bd_rate(OTHER[::-1], BASE[::-1]) == bd_rate(OTHER, BASE)
    assert bd_accuracy(OTHER[::-1], BASE[::-1]) == bd_accuracy(OTHER, BASE)


@pytest.mark.parametrize(
    "curve",
    [
        [(10.0, 0.9), (20.0, 0.95)],  # nothing in common
        [(6.5, 0.83), (20.0, 0.95)],  # a single place in common
        [(1.0, 0.5)],
        [(1.0, 0.5), (1.0, 0.6)],
        [],
    ],
)
def test_without_a_common_range_there_is_no_number(curve: Curve) -> None:
    for delta in (bd_rate, bd_accuracy):
        for found in (delta(curve, BASE), delta(BASE, curve)):
            assert np.isnan([found.value, found.lo, found.hi, found.share]).all()
            assert not found.short


def test_a_level_that_costs_more_and_keeps_less_is_left_out_of_the_bd_rate_alone() -> None:
    bumpy = [*BASE, (3.0, 0.60), (9.0, 0.83)]
    assert [round(math.exp(rate), 9) for rate, _ in rising(bumpy)] == [bits for bits, _ in BASE]
    assert bd_rate(bumpy, OTHER) == bd_rate(BASE, OTHER)
    assert bd_accuracy(bumpy, OTHER).value < bd_accuracy(BASE, OTHER).value
    falling = [(bits, 1 - accuracy) for bits, accuracy in BASE]
    assert math.isnan(bd_rate(falling, BASE).value)
    assert bd_accuracy(falling, BASE).value < 0


def test_accuracies_that_differ_by_rounding_only_are_equal() -> None:
    plateau = [*BASE, (7.0, np.nextafter(0.83, 1))]
    assert bd_rate(plateau, OTHER) == bd_rate(BASE, OTHER)


def test_a_short_common_range_is_one_below_half_of_the_shorter_curve() -> None:
    line = [(1.0, 0.2), (2.0, 0.4), (4.0, 0.6)]
    for start, short in ((0.39, False), (0.41, True)):
        found = bd_rate([(1.0, start), (2.0, start + 0.2), (4.0, start + 0.4)], line)
        assert found.short is short
        assert found.share == pytest.approx((0.6 - start) / 0.4)
    far = bd_accuracy([(2.5, 0.2), (10.0, 0.6)], line)
    assert far.short
    assert far.share == pytest.approx(math.log(4 / 2.5) / math.log(4))
