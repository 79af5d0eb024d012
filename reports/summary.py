"""From a run's cells and tables to the points and comparisons that the page shows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.contracts import Cell, Level, Results
from reports.points import MEASURED, Comparison, Point, Task
from reports.records import Records
from reports.statistics import FEWEST_GROUPS, accuracy_interval, count_of, estimate, singletons, wilson


def summarize(results: Results, cells: pd.DataFrame, tests: pd.DataFrame, records: Records) -> list[Task]:
    """All tasks of a run, sorted by name. ``cells`` and ``tests`` are the two tables of the same run."""
    numbers = cells.set_index("key")
    share = recognized_share(results.spec)
    tasks = []
    in_order = sorted(results.cells, key=lambda cell: cell.task)
    for (dataset, classifier, judge), found in itertools.groupby(in_order, key=lambda cell: cell.task):
        own = tuple(found)
        mine = tests[(tests["dataset"] == dataset) & (tests["classifier"] == classifier) & (tests["judge"] == judge)]
        by_place = _by_place(own)
        compared = tuple(_comparison(row, by_place, numbers) for row in mine.to_dict("records"))
        finished = [cell for cell in own if cell.status == "ok"]
        chance = _commonest(records.labels(finished[0])) if finished else math.nan
        guessing = _guessing(finished, records, chance)
        points = tuple(_point(group, numbers, share, records, bool(guessing)) for group in _levels(own))
        across = {(c.variant_a, c.level_kind, c.level) for c in compared if c.seed is None}
        is_single = [c.seed is not None and (c.variant_a, c.level_kind, c.level) in across for c in compared]
        images = len(records.labels(finished[0])) if finished else 0
        sources = count_of(records.groups(finished[0])) if finished else 0
        original, lo, hi = _original(finished, records)
        tasks.append(
            Task(
                dataset=dataset,
                classifier=classifier,
                judge=judge,
                cells=own,
                points=points,
                comparisons=tuple(c for c, single in zip(compared, is_single, strict=True) if not single),
                single_seeds=tuple(itertools.compress(compared, is_single)),
                original=original,
                original_lo=lo,
                original_hi=hi,
                chance=chance,
                guessing=guessing,
                images=images,
                sources=sources,
            )
        )
    return tasks


def recognized_share(spec: Mapping[str, Any]) -> float:
    """The fraction of the original accuracy from which an image set counts as still recognized."""
    return float(spec.get("recognized") or 0.9)


def _levels(cells: tuple[Cell, ...]) -> list[list[Cell]]:
    """Cells that differ in the seed only, together; level-less variants first, then by name and level."""

    def where(cell: Cell) -> tuple[Any, ...]:
        level = -1 if cell.level is None else cell.level
        return cell.level_kind != "none", cell.label, cell.level_kind, level, cell.split, cell.precision

    return [list(group) for _, group in itertools.groupby(sorted(cells, key=where), key=where)]


def _point(cells: list[Cell], numbers: pd.DataFrame, share: float, records: Records, guessing: bool) -> Point:
    """One variant at one level; guessing: its classifier does not tell whether anything is still recognized."""
    cells = sorted(cells, key=lambda c: c.seed)
    finished = [cell for cell in cells if cell.status == "ok"]
    lost = next((cell for cell in cells if cell.status != "ok"), None)
    first = cells[0]
    identity = (first.label, first, first.level_kind, first.level)
    error = lost.error if lost else ""
    if not finished:
        return Point(*identity, first.status, error, len(cells), 0)
    rows = numbers.loc[[cell.key for cell in finished]]
    if len(finished) == 1:
        lo, hi = (float(rows[end].iloc[0]) for end in ("accuracy_lo", "accuracy_hi"))
    else:
        lo, hi = accuracy_interval(records.correct(finished), records.groups(finished[0]))
    original = _mean(rows["original_accuracy"])
    return Point(
        *identity,
        lost.status if lost else "ok",
        error,
        len(cells),
        len(finished),
        accuracy=_mean(rows["accuracy"]),
        lo=lo,
        hi=hi,
        original=original,
        recognized=not guessing and _recognized(finished, share, records),
        devices=_devices(finished),
        measured=tuple((column, _mean(rows[column])) for column in MEASURED),
    )


def _recognized(finished: list[Cell], share: float, records: Records) -> bool:
    """Whether accuracy - share x the original's accuracy, image by image, is at least 0 with 95 % confidence.

    Too few sources cannot show it.
    """
    beyond = records.correct(finished) - share * records.original_correct(finished)
    found = estimate(beyond, records.groups(finished[0]))
    return found.groups >= FEWEST_GROUPS and found.interval()[0] >= 0


def _original(finished: list[Cell], records: Records) -> tuple[float, float, float]:
    """Accuracy on the untouched images, mean over seeds, and its interval."""
    cells = _one_of_each_seed(finished)
    if not cells:
        return math.nan, math.nan, math.nan
    correct = records.original_correct(cells)
    return float(correct.mean()), *accuracy_interval(correct, records.groups(cells[0]))


def _guessing(finished: list[Cell], records: Records, chance: float) -> tuple[int, ...]:
    """The seeds whose classifier's interval on the untouched images touches chance, or lies below it."""
    cells = _one_of_each_seed(finished)
    return tuple(sorted(cell.seed for cell in cells if not _least(cell, records) > chance))


def _least(cell: Cell, records: Records) -> float:
    """The lower end of the interval of a classifier's accuracy on the untouched images, however few sources these
    come from; NaN where they come from one."""
    correct, groups = records.original_correct([cell]), records.groups(cell)
    return (wilson(int(correct.sum()), correct.size) if singletons(groups) else estimate(correct, groups).interval())[0]


def _one_of_each_seed(cells: list[Cell]) -> list[Cell]:
    """The first cell of each seed: all of them were judged by the same classifier."""
    return list({cell.seed: cell for cell in reversed(cells)}.values())


def _commonest(labels: NDArray[np.int64]) -> float:
    """The share of the commonest class, which naming one class for all images recognizes."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def _by_place(cells: tuple[Cell, ...]) -> Mapping[tuple[str, Level], list[Cell]]:
    """The finished cells of one task by variant and level."""
    found: dict[tuple[str, Level], list[Cell]] = {}
    for cell in cells:
        if cell.status == "ok":
            found.setdefault((cell.label, cell.level), []).append(cell)
    return found


def _comparison(
    row: dict[str, Any], cells: Mapping[tuple[str, Level], list[Cell]], numbers: pd.DataFrame
) -> Comparison:
    seed = None if pd.isna(row["seed"]) else int(row["seed"])
    sides = []
    for side in ("a", "b"):
        level = None if pd.isna(row[f"level_{side}"]) else int(row[f"level_{side}"])
        sides.append(cells[row[f"variant_{side}"], level])
    seeds = {seed} if seed is not None else {c.seed for c in sides[0]} & {c.seed for c in sides[1]}
    a, b = ([c for c in side if c.seed in seeds] for side in sides)
    names = (
        "variant_a variant_b test n discordant_a discordant_b difference lo hi p p_holm stars trainings trained groups "
        "lo_simultaneous hi_simultaneous alike margin p_same_holm verdict"
    )
    return Comparison(
        **{name: row[name] for name in names.split(" ")},
        learned=bool(a[0].fitted_on),
        level_kind=a[0].level_kind,
        level=a[0].level,
        seed=seed,
        accuracy_a=_mean(numbers.loc[[c.key for c in a], "accuracy"]),
        accuracy_b=_mean(numbers.loc[[c.key for c in b], "accuracy"]),
        devices=_devices(a + b),
    )


def _devices(cells: list[Cell]) -> tuple[str, ...]:
    return tuple(sorted({str(cell.notes["device"]) for cell in cells if cell.notes.get("device")}))


def _mean(column: pd.Series) -> float:
    """The mean of all seeds, NaN where even one has no such number."""
    return float(column.mean(skipna=False)) if len(column) else math.nan
