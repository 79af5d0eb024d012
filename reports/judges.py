"""What a classifier wins back when it is retrained on a method's own images: both judges side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.contracts import Cell
from reports.points import Point, Task
from reports.records import Records
from reports.statistics import FEWEST_GROUPS, NO_INTERVAL, Interval, estimate, singletons

COLUMNS = [
    "dataset",
    "classifier",
    "variant",
    "level_kind",
    "level",
    "seeds",
    "accuracy_frozen",
    "accuracy_retrained",
    "difference",
    "lo",
    "hi",
    "original_accuracy",
    "recovered",
]
"""Of ``judges.csv``."""


@dataclass(frozen=True)
class Recovery:
    """One variant at one level under both judges, over the seeds that both have.

    frozen, retrained: its points. original: the frozen classifier's accuracy on untouched images. difference, interval:
    retrained - frozen, image by image. loses: original - frozen lies above 0 with 95 % confidence. seeds: how many.
    """

    frozen: Point
    retrained: Point
    accuracy_frozen: float
    accuracy_retrained: float
    original: float
    difference: float
    interval: Interval
    loses: bool
    seeds: int

    @property
    def share(self) -> float:
        """The share of the frozen judge's loss that retraining wins back; NaN where no loss is shown.

        What is won back was shift of distribution; what is not, this classifier does not find in the images.
        """
        return self.difference / (self.original - self.accuracy_frozen) if self.loses else math.nan


def recoveries(task: Task, tasks: Iterable[Task], records: Records) -> tuple[Recovery, ...]:
    """The points of a frozen judge's task that its retrained judge has too.

    Args:
        task: Of a frozen judge.
        tasks: All of the run.
        records: Of the run's cells.
    """
    other = next((t for t in tasks if (*_place(t), t.judge) == (*_place(task), "retrained")), None)
    if task.judge != "frozen" or other is None:
        return ()
    retrained = {_identity(point): point for point in other.points}
    pairs = ((point, retrained.get(_identity(point))) for point in task.points)
    found = (_recovery((a, b), (task, other), records) for a, b in pairs if b is not None)
    return tuple(recovery for recovery in found if recovery is not None)


def recovery_table(tasks: Sequence[Task], records: Records) -> pd.DataFrame:
    """``judges.csv``: accuracies, their difference and the share recovered, as fractions."""
    rows = [_row(task, recovery) for task in tasks for recovery in recoveries(task, tasks, records)]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"level": "Int64", "seeds": "Int64"})


def _row(task: Task, found: Recovery) -> dict[str, Any]:
    lo, hi = found.interval
    return {
        "dataset": task.dataset,
        "classifier": task.classifier,
        "variant": found.frozen.variant,
        "level_kind": found.frozen.level_kind,
        "level": found.frozen.level,
        "seeds": found.seeds,
        "accuracy_frozen": found.accuracy_frozen,
        "accuracy_retrained": found.accuracy_retrained,
        "difference": found.difference,
        "lo": lo,
        "hi": hi,
        "original_accuracy": found.original,
        "recovered": found.share,
    }


def _place(task: Task) -> tuple[str, str]:
    return task.dataset, task.classifier


def _identity(point: Point) -> tuple[Any, ...]:
    return point.variant, point.level_kind, point.level


def _recovery(points: tuple[Point, Point], tasks: tuple[Task, Task], records: Records) -> Recovery | None:
    """points, tasks: of the frozen judge, of the retrained one."""
    sides = [_by_seed(point, task.cells) for point, task in zip(points, tasks, strict=True)]
    seeds = sorted(sides[0].keys() & sides[1].keys())
    if not seeds:
        return None
    a, b = ([side[seed] for seed in seeds] for side in sides)
    correct = [records.correct(cells) for cells in (a, b)]
    original, groups = records.original_correct(a), records.groups(a[0])
    found, lost = estimate(correct[1] - correct[0], groups), estimate(original - correct[0], groups)
    enough = found.groups >= FEWEST_GROUPS or singletons(groups)
    return Recovery(
        *points,
        accuracy_frozen=float(correct[0].mean()),
        accuracy_retrained=float(correct[1].mean()),
        original=float(original.mean()),
        difference=found.mean,
        interval=found.interval() if enough else NO_INTERVAL,
        loses=enough and not tasks[0].guessing and lost.interval()[0] > 0,
        seeds=len(seeds),
    )


def _by_seed(point: Point, cells: Iterable[Cell]) -> dict[int, Cell]:
    wanted = _identity(point)
    return {c.seed: c for c in cells if c.status == "ok" and (c.label, c.level_kind, c.level) == wanted}
