"""What a claim sees of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import ACCURACY, Cell, JudgedTask, Level, Pair, Part, Results, Term, Verdict, Which
from reports.claims import verdicts
from reports.claims.cells import levels_of, nowhere, planned
from reports.points import Task
from reports.published import plugin_of
from reports.records import Records, level_words
from reports.significance import DEFAULT_MARGIN
from reports.statistics import FEWEST_GROUPS, FEWEST_TRAININGS, Estimate, count_of, estimate, leaves_range

RECOGNIZED = ("correct", "original")
"""Columns of which a mean is an accuracy."""


class View:
    """All of a run that a claim may ask for: a ``RunView``."""

    def __init__(self, results: Results, tasks: Sequence[Task], records: Records) -> None:
        self._results, self._records = results, records
        frozen = [task for task in tasks if task.judge == "frozen"]
        self._guessing = tuple(
            f"{task.name}: the classifier is not told apart from guessing" for task in frozen if task.guessing
        )
        place = {id(cell): number for number, cell in enumerate(results.cells)}
        self._tasks = tuple(
            JudgedTask(
                task.dataset,
                task.classifier,
                plugin_of("dataset", task.dataset, results.recipes),
                plugin_of("classifier", task.classifier, results.recipes),
                task.name,
                tuple(
                    sorted(
                        (cell for cell in task.cells if cell.fitted_on in ("", task.classifier)),
                        key=lambda cell: place[id(cell)],
                    )
                ),
            )
            for task in frozen
            if not task.guessing
        )

    @property
    def spec(self) -> Mapping[str, Any]:
        return self._results.spec

    @property
    def recipes(self) -> tuple[Mapping[str, Any], ...]:
        """As in Results."""
        return self._results.recipes

    @property
    def margin(self) -> float:
        return float(self.spec.get("margin") or DEFAULT_MARGIN)

    @property
    def tasks(self) -> tuple[JudgedTask, ...]:
        return self._tasks

    def cells(self, task: JudgedTask, which: Which, level: Level = None) -> tuple[Cell, ...]:
        finished = (cell for cell in planned(task, which, level) if cell.status == "ok")
        return tuple({cell.seed: cell for cell in sorted(finished, key=lambda cell: cell.seed)}.values())

    def pairs(self, a: Which, b: Which, level: Level = None) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
        found, lost = [], []
        for task in self.tasks:
            for each in levels_of(task, a, b) if level is None else [level]:
                sides = [planned(task, which, each) for which in (a, b)]
                if not all(sides):
                    continue
                names = [side[0].label for side in sides]
                at = next((level_words(c.level_kind, c.level) for side in sides for c in side if c.level), "")
                where = ", ".join(filter(None, [task.name, at]))
                by_seed = [{cell.seed: cell for cell in self.cells(task, which, each)} for which in (a, b)]
                seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
                if seeds:
                    own, others = (tuple(side[seed] for seed in seeds) for side in by_seed)
                    found.append(Pair(task, where, " − ".join(names), each, own, others))
                else:
                    unfinished = [name for name, side in zip(names, by_seed, strict=True) if not side] or names
                    lost.append(f"{where}: {' and '.join(dict.fromkeys(unfinished))} not finished")
        return tuple(found), tuple(lost)

    def values(self, cells: Sequence[Cell], column: str = "correct") -> NDArray[np.float64]:
        if column == "original":
            return self._records.original_correct(cells).astype(np.float64)
        return np.stack([self._records.column(cell, column) for cell in cells])

    def part(
        self, where: str, what: str, terms: Sequence[Term], bound: float = 0.0, unit: str = ACCURACY, note: str = ""
    ) -> Part:
        cells = list({cell.key: cell for _, side, _ in terms for cell in side}.values())
        self._records.correct(cells)  # raises unless all hold the same images
        values = np.sum([weight * self.values(side, column) for weight, side, column in terms], axis=0)
        keys = tuple(cell.key for cell in cells)
        groups = self._records.groups(cells[0])
        why = self._too_little(terms, values, groups)
        found: Estimate | None = None if why else estimate(values, groups)
        return Part(where, what, float(values.mean()), bound, unit, found, why, keys, note)

    def _too_little(self, terms: Sequence[Term], values: NDArray[np.float64], groups: NDArray[np.int64]) -> str:
        """Why nothing may be said; empty where something may."""
        if np.isnan(values).any():
            return "not measured of every image"
        outcomes = [self.values(side, column if column in RECOGNIZED else "correct") for _, side, column in terms]
        trainings = len({row.tobytes() for row in np.concatenate(outcomes, axis=1)})
        if trainings < FEWEST_TRAININGS:
            given = "one training" if trainings == 1 else f"{trainings} trainings"
            return f"{given}, at least {FEWEST_TRAININGS} are needed"
        sources = count_of(groups)
        if sources < FEWEST_GROUPS:
            return f"{sources} sources, at least {FEWEST_GROUPS} are needed"
        shares = (side for side, (_, _, column) in zip(outcomes, terms, strict=True) if column in RECOGNIZED)
        if any(leaves_range(side.astype(np.int64), groups) for side in shares):
            return "an accuracy so near 0 or 100\u202f% leaves too few errors"
        return ""

    def every(self, parts: Sequence[Part], missing: Iterable[str] = (), against: Sequence[Part] = ()) -> Verdict:
        return verdicts.every(parts, (*missing, *self._guessing), against)

    def ahead(self, a: Which, b: Which, level: Level = None, margin: float = 0.0) -> Verdict:
        pairs, lost = self.pairs(a, b, level)
        parts = [
            self.part(pair.where, pair.what, [(1, pair.a, "correct"), (-1, pair.b, "correct")], -margin)
            for pair in pairs
        ]
        return self.every(parts, lost if parts or lost else [nowhere(self, level, a, b)])
