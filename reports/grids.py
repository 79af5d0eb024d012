"""Accuracies as papers print them: a row a variant, a column a level."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from harness.contracts import Level, LevelKind
from reports.leaders import Leaders, Place, leaders
from reports.pairs import Apart
from reports.points import Point, Task


@dataclass(frozen=True)
class Entry:
    """best: of the highest accuracy at its level. alike: not the best, but no test separates it from the best."""

    point: Point
    best: bool
    alike: bool


@dataclass(frozen=True)
class Grid:
    """One task's accuracies over levels of one kind.

    rows: each variant's entries, one a level, None where there is no such cell. flat: variants without a level.
    """

    task: Task
    kind: LevelKind
    levels: tuple[Level, ...]
    rows: tuple[tuple[str, tuple[Entry | None, ...]], ...]
    flat: tuple[Point, ...]

    @property
    def seeds(self) -> int:
        """Over how many seeds the accuracies are means, at most."""
        return max((point.finished for point in self._points), default=0)

    @property
    def reach(self) -> float:
        """How far the 95 % intervals reach from the accuracies, at most; NaN where there is none."""
        ends = [max(p.accuracy - p.lo, p.hi - p.accuracy) for p in self._points if p.ok]
        return max((end for end in ends if not math.isnan(end)), default=math.nan)

    @property
    def _points(self) -> list[Point]:
        return [*(entry.point for _, entries in self.rows for entry in entries if entry is not None), *self.flat]


def grids(task: Task, apart: Apart) -> tuple[Grid, ...]:
    """A grid for each kind of level in a task; one with variants without a level alone where there is no other.

    apart: what ``pairs.separated`` finds.
    """
    first = leaders(task, apart)
    flat = tuple(point for point in task.points if point.level_kind == "none")
    kinds = sorted({point.level_kind for point in task.points if point.level_kind != "none"})
    found = []
    for kind in kinds:
        points = [point for point in task.points if point.level_kind == kind]
        levels = sorted({point.level for point in points if point.level is not None})
        entries = {(point.variant, point.level): _entry(point, first) for point in points}
        variants = dict.fromkeys(point.variant for point in points)
        rows = tuple((variant, tuple(entries.get((variant, level)) for level in levels)) for variant in variants)
        found.append(Grid(task, kind, tuple(levels), rows, flat))
    return tuple(found) or (Grid(task, "none", (), (), flat),)


def _entry(point: Point, first: Mapping[Place, Leaders]) -> Entry:
    there = first.get((point.level_kind, point.level))
    if there is None:
        return Entry(point, best=False, alike=False)
    return Entry(point, point.variant in there.best, point.variant in there.alike)
