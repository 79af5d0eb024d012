"""The Pareto front: which points no other point beats, at fewer bits or a higher accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Finds the points that no other point beats.

    One point beats another if it has at most as many bits and at least the same accuracy, and is better in one of the
    two. Points that are equal in both do not beat each other. It is a front of means: a point that is beaten may be no
    worse in truth.

    Args:
        points: Bits and accuracy of each; one with a NaN is neither on the front nor does it beat any.

    Returns:
        Their numbers, by bits, of equal points in the order given.
    """
    known = [i for i, point in enumerate(points) if not any(map(math.isnan, point))]
    found: list[int] = []
    for i in sorted(known, key=lambda i: (points[i][0], -points[i][1])):
        if not found or points[i][1] > points[found[-1]][1] or points[i] == points[found[-1]]:
            found.append(i)
    return found


def near_front(points: Sequence[tuple[float, float]], intervals: Sequence[tuple[float, float]]) -> list[int]:
    """Finds the points that others beat, but none of these with an interval that lies above theirs.

    Args:
        points: Bits and accuracy of each.
        intervals: Lower and upper end of each accuracy's interval; a point without one (NaN) is not near.

    Returns:
        Their numbers, in the order given.
    """
    on_front = set(front(points))
    return [
        i
        for i, (bits, _) in enumerate(points)
        if i not in on_front
        and not math.isnan(bits)
        and not math.isnan(intervals[i][1])
        and not any(
            other <= bits and low > intervals[i][1] for (other, _), (low, _) in zip(points, intervals, strict=True)
        )
    ]
