"""The front, against its definition: every pair of points looked at."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reports.pareto import front, near_front

NAN = math.nan


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


def slowly(points: list[tuple[float, float]]) -> set[int]:
    whole = {i for i, point in enumerate(points) if not np.isnan(point).any()}
    return {i for i in whole if not any(beats(points[j], points[i]) for j in whole)}


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], []),
        ([(1.0, 0.5)], [0]),
        ([(NAN, 0.5)], []),
        ([(1.0, NAN), (2.0, 0.5)], [1]),
        ([(2.0, 0.5), (1.0, 0.4)], [1, 0]),
        ([(2.0, 0.5), (1.0, 0.5)], [1]),
        ([(1.0, 0.5), (1.0, 0.6)], [1]),
        ([(1.0, 0.5), (1.0, 0.5)], [0, 1]),
        ([(1.0, 0.5), (2.0, 0.7), (2.0, 0.7), (3.0, 0.6), (4.0, 0.7)], [0, 1, 2]),
        ([(1.0, 0.9), (2.0, 0.8), (3.0, 0.7)], [0]),
    ],
)
def test_the_front_of_a_few_points(points: list[tuple[float, float]], expected: list[int]) -> None:
    assert front(points) == expected


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_no_point_beats(seed: int) -> None:
    draw = np.random.default_rng(seed)
    points = [(float(a), float(b) if b else NAN) for a, b in draw.integers(0, 9, (30, 2))]
    found = front(points)
    assert set(found) == slowly(points)
    assert [points[i] for i in found] == sorted(points[i] for i in found)


def test_near_the_front_is_what_is_beaten_within_its_interval_only() -> None:
    points = [(1.0, 0.50), (2.0, 0.49), (3.0, 0.40), (0.5, 0.30), (4.0, 0.45), (NAN, 0.1)]
    intervals = [(0.48, 0.52), (0.47, 0.51), (0.38, 0.42), (0.28, 0.32), (NAN, NAN), (0.0, 0.2)]
    assert front(points) == [3, 0]
    assert near_front(points, intervals) == [1], "0.38 to 0.42 lies below, and without an interval nothing is said"
