"""Which variants are the most accurate at a level, and which of the others no test separates from them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from harness.contracts import Level, LevelKind, Results
from reports.points import Point, Task
from reports.records import Records
from reports.significance import significance_table
from reports.statistics import SIGNIFICANT, holm

Place = tuple[LevelKind, Level]


@dataclass(frozen=True)
class Leaders:
    """At one level. best: of the highest accuracy, several where it is equal. alike: no test separates them from it."""

    best: tuple[str, ...]
    alike: tuple[str, ...]


def leaders(task: Task, results: Results, records: Records) -> dict[Place, Leaders]:
    """The leaders at every level of a task.

    The best is known only by its result, so all pairs at a level are tested, and Holm adjusts over these. What cannot
    be tested (too few sources, no seed in common) is not separated.
    """
    found: dict[Place, list[Point]] = defaultdict(list)
    for point in task.points:
        if point.ok and point.level_kind != "none":
            found[point.level_kind, point.level].append(point)
    separated = _separated(task, results, records)
    return {place: _leaders(points, separated.get(place, set())) for place, points in found.items()}


def _leaders(points: list[Point], separated: set[frozenset[str]]) -> Leaders:
    highest = max(point.accuracy for point in points)
    best = tuple(point.variant for point in points if point.accuracy == highest)
    others = [point.variant for point in points if point.variant not in best]
    return Leaders(best, tuple(v for v in others if any(frozenset((v, first)) not in separated for first in best)))


def _separated(task: Task, results: Results, records: Records) -> dict[Place, set[frozenset[str]]]:
    """The pairs of variants that differ at a level, by Holm over all pairs tested there."""
    tested: dict[Place, list[tuple[frozenset[str], float]]] = defaultdict(list)
    cells = [cell for cell in task.cells if cell.status == "ok" and cell.level_kind != "none"]
    kinds = {cell.label: cell.level_kind for cell in cells}
    for number, variant in enumerate(kinds):
        later = set(list(kinds)[number:])
        part = tuple(cell for cell in cells if cell.label in later)
        table = significance_table(replace(results, cells=part, spec={**results.spec, "baseline": variant}), records)
        for _, rows in table.groupby(["variant_a", "level_a"], sort=False):
            across = rows[rows["seed"].isna()]
            row = (across if len(across) else rows).iloc[0]
            tested[kinds[variant], int(row["level_a"])].append(
                (frozenset((variant, row["variant_a"])), float(row["p"]))
            )
    return {place: _small(pairs) for place, pairs in tested.items()}


def _small(pairs: list[tuple[frozenset[str], float]]) -> set[frozenset[str]]:
    adjusted = holm([p for _, p in pairs])
    return {pair for (pair, _), p in zip(pairs, adjusted, strict=True) if p < SIGNIFICANT}
