"""Which variants are the most accurate at a level, and which of the others no test separates from them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from harness.contracts import Level, LevelKind
from reports.pairs import Apart, place_of
from reports.points import Point, Task

Place = tuple[LevelKind, Level]


@dataclass(frozen=True)
class Leaders:
    """At one level. best: of the highest accuracy, several where it is equal. alike: no test separates them from it."""

    best: tuple[str, ...]
    alike: tuple[str, ...]


def leaders(task: Task, apart: Apart) -> dict[Place, Leaders]:
    """The leaders at every level of a task.

    The best is known only by its result, so the tests are those of all pairs at a level, and Holm adjusts over these.
    What cannot be tested (too few sources, no seed in common) is not separated.

    Args:
        task: The task.
        apart: What ``pairs.separated`` finds.
    """
    found: dict[Place, list[Point]] = defaultdict(list)
    for point in task.points:
        if point.ok and point.level_kind != "none":
            found[point.level_kind, point.level].append(point)
    return {place: _leaders(points, apart, place_of(task, *place)) for place, points in found.items()}


def _leaders(points: list[Point], apart: Apart, place: tuple[object, ...]) -> Leaders:
    highest = max(point.accuracy for point in points)
    best = tuple(point.variant for point in points if point.accuracy == highest)
    others = [point.variant for point in points if point.variant not in best]
    return Leaders(best, tuple(v for v in others if any((*place, v, first) not in apart for first in best)))
