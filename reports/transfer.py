"""Quantizers trained through one classifier and judged by another, as a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.contracts import Level, LevelKind
from reports.points import Point, Task


@dataclass(frozen=True)
class Matrix:
    """One learned variant at one level of one dataset.

    judges: the columns, classifiers by name. rows: what the quantizer was trained through, and its point with each
    judge, None where a run has no such cell.
    """

    dataset: str
    variant: str
    level_kind: LevelKind
    level: Level
    judges: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Point | None, ...]], ...]


def matrices(tasks: Sequence[Task]) -> tuple[Matrix, ...]:
    """One for each learned variant and level that several classifiers judge and that was trained through others too."""
    found: dict[tuple[str, str, LevelKind, Level], dict[tuple[str, str], Point]] = {}
    for task in tasks:
        for point in task.points if task.judge == "frozen" else ():
            cell = point.cell
            if cell.fitted_on and point.ok:
                entries = found.setdefault((task.dataset, cell.variant, cell.level_kind, cell.level), {})
                entries[cell.fitted_on, task.classifier] = point
    drawn = []
    for place, entries in found.items():
        judges = tuple(dict.fromkeys(judge for _, judge in entries))
        teachers = sorted({teacher for teacher, _ in entries}, key=lambda name: (name.count("+"), name))
        if len(judges) > 1 and any(teacher != judge for teacher, judge in entries):
            rows = tuple((teacher, tuple(entries.get((teacher, judge)) for judge in judges)) for teacher in teachers)
            drawn.append(Matrix(*place, judges, rows))
    return tuple(sorted(drawn, key=lambda matrix: (matrix.dataset, matrix.variant, matrix.level or 0)))
