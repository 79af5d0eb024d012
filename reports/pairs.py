"""Every variant against every other at the same level, on the same test images: ``pairs.csv``."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.contracts import Cell, Level, LevelKind, Results
from reports.points import Task
from reports.records import Records, level_words
from reports.significance import (
    ACROSS_SEEDS,
    COLUMNS,
    INDEPENDENT,
    ONE_TRAINING,
    Compared,
    Found,
    Pair,
    judged,
    margin_of,
    row_of,
)
from reports.statistics import (
    FEWEST_GROUPS,
    Discordant,
    Estimate,
    covariance_of,
    estimate_of,
    numbered,
    reaches_beyond,
)

PAIR_COLUMNS = [*COLUMNS, "level_kind"]
SHOWN = 20
"""The page's matrix of a level has so many variants, the most accurate ones."""
MOST_VARIANTS = 100
"""Of more variants at a level not all pairs are tested: those of the ``SHOWN`` most accurate ones and the baseline, and
each other variant against the most accurate one and the baseline."""
_AT_ONCE = 64
Apart = frozenset[tuple[Any, ...]]
"""A place, as ``place_of`` has it, and two variants, both ways, of every pair that a test separates there."""


def pair_table(results: Results, records: Records) -> pd.DataFrame:
    """One row for each two variants of a task and level, over the seeds that both have; columns as ``COLUMNS``.

    Tested as in ``significance_table``. Holm adjusts over all pairs of one task and level, and the simultaneous
    intervals hold for all of them together. Of more than ``MOST_VARIANTS`` variants not all pairs are tested; as
    accuracies decide which, all of them are counted nevertheless.
    """
    rows: list[dict[str, Any]] = []
    found: list[Found] = []
    kinds: list[LevelKind] = []
    sizes: Counter[str] = Counter()
    baseline = results.spec.get("baseline")
    for cells in _levels(results):
        first = cells[0]
        level = level_words(first.level_kind, first.level) or "no level"
        family = f"{first.dataset} x {first.judged_by}, {level}, all pairs"
        variants = len({cell.label for cell in cells})
        tests = list(_compared(cells, records, baseline))
        tested = sum(compared.found is not None for _, compared in tests)
        sizes[family] += math.comb(variants, 2) if variants > MOST_VARIANTS else tested
        rows += [row_of(seeds, compared, family) for seeds, compared in tests]
        found += [compared.found for _, compared in tests]
        kinds += [first.level_kind] * len(tests)
    table = judged(rows, found, margin_of(results), sizes)
    table["level_kind"] = pd.Series(kinds, dtype=object)
    return table[PAIR_COLUMNS]


def separated(pairs: pd.DataFrame) -> Apart:
    """The pairs of ``pairs.csv`` at a level that are better or worse."""
    told = pairs[pairs["verdict"].isin(["better", "worse"]) & pairs["level_a"].notna()]
    columns = ["dataset", "classifier", "judge", "level_kind", "level_a", "variant_a", "variant_b"]
    found: set[tuple[Any, ...]] = set()
    for row in told[columns].to_dict("records"):
        *place, level, a, b = row.values()
        found |= {(*place, int(level), a, b), (*place, int(level), b, a)}
    return frozenset(found)


def place_of(task: Task, kind: LevelKind, level: Level) -> tuple[Any, ...]:
    """A level of a task."""
    return task.dataset, task.classifier, task.judge, kind, level


def _levels(results: Results) -> Iterator[list[Cell]]:
    """The finished cells of one task, split and level, with a baseline that has no level; by variant, by seed."""
    ok = [cell for cell in results.cells if cell.status == "ok"]

    def where(cell: Cell) -> tuple[Any, ...]:
        return *cell.task, cell.split, cell.level_kind, -1 if cell.level is None else cell.level

    whole: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in ok:
        if cell.label == results.spec.get("baseline") and cell.level is None:
            whole.setdefault((*cell.task, cell.split), []).append(cell)
    for place, found in itertools.groupby(sorted(ok, key=where), key=where):
        here = list(found)
        here += whole.get(place[:-2], []) if here[0].level is not None else []
        yield sorted(here, key=lambda cell: (cell.level is None, cell.label, cell.seed))


Same = list[Cell]
"""The cells of one variant at one level, by seed."""


def _compared(cells: Sequence[Cell], records: Records, baseline: str | None) -> Iterator[tuple[list[Pair], Compared]]:
    """The pairs to be tested of the variants among cells of one task and level, if they have a seed in common."""
    variants = [list(same) for _, same in itertools.groupby(cells, key=lambda cell: cell.label)]
    if len(variants) <= MOST_VARIANTS:
        yield from _pairs_of(variants, list(itertools.combinations(range(len(variants)), 2)), records)
        return
    best_first = sorted(variants, key=lambda same: -records.correct(same).mean())
    shown, others = best_first[:SHOWN], best_first[SHOWN:]
    base = [same for same in variants if same[0].label == baseline]
    top = shown + [same for same in base if same not in shown]
    yield from _pairs_of(top, list(itertools.combinations(range(len(top)), 2)), records)
    known = shown[:1] + [same for same in base if same is not shown[0]]
    rest = [same for same in others if same not in base]
    for few in (rest[start : start + _AT_ONCE] for start in range(0, len(rest), _AT_ONCE)):
        against = range(len(few), len(few) + len(known))
        yield from _pairs_of([*few, *known], list(itertools.product(range(len(few)), against)), records)


def _pairs_of(
    variants: Sequence[Same], pairs: Sequence[tuple[int, int]], records: Records
) -> Iterator[tuple[list[Pair], Compared]]:
    """These pairs of variants, by their places among them."""
    if not pairs:
        return
    cells = [cell for same in variants for cell in same]
    starts = itertools.accumulate(map(len, variants), initial=0)
    rows = [
        {cell.seed: row for row, cell in enumerate(same, start)} for same, start in zip(variants, starts, strict=False)
    ]
    sums = _sums(cells, records)
    for first, second in pairs:
        seeds = sorted(rows[first].keys() & rows[second].keys())
        if seeds:
            a, b = (tuple(rows[side][seed] for seed in seeds) for side in (first, second))
            yield [(cells[i], cells[j]) for i, j in zip(a, b, strict=True)], sums.compare(a, b)


Rows = tuple[int, ...]
"""Of one variant, by seed."""


@dataclass(frozen=True, eq=False)
class _Sums:
    """What all pairs of R cells are tested by: it is linear or bilinear in them, so images are read once a cell.

    Attributes:
        images: N.
        sources: G.
        own: ``float64 [R]``, accuracies.
        covariance: ``float64 [R, R]``, C of ``estimate`` over sources.
        both: ``float64 [R, R]``, how many images two of them got right.
        answers: What each got right, to tell trainings apart.
    """

    images: int
    sources: int
    own: NDArray[np.float64]
    covariance: NDArray[np.float64]
    both: NDArray[np.float64]
    answers: tuple[bytes, ...]

    def compare(self, a: Rows, b: Rows) -> Compared:
        """As ``significance`` compares the cells a and b, seed by seed."""
        only_a, only_b = self._only(a, b), self._only(b, a)
        n = self.images * len(a)
        found: Found = None
        if len(a) == 1 and self.sources == self.images:
            test, found = INDEPENDENT, Discordant(only_a, only_b, n)
        else:
            test = ACROSS_SEEDS if len(a) > 1 else ONE_TRAINING
            found = self._difference(a, b) if self._testable(a) and self._testable(b) else None
        trainings = len({(self.answers[i], self.answers[j]) for i, j in zip(a, b, strict=True)})
        return Compared(only_a, only_b, n, (only_a - only_b) / n, trainings, self.sources, test, found)

    def _only(self, a: Rows, b: Rows) -> int:
        return int(sum(self.both[i, i] - self.both[i, j] for i, j in zip(a, b, strict=True)))

    def _testable(self, rows: Rows) -> bool:
        accuracy = estimate_of(self.own[list(rows)], self.covariance[np.ix_(rows, rows)], self.images, self.sources)
        return self.sources >= FEWEST_GROUPS and not reaches_beyond(accuracy)

    def _difference(self, a: Rows, b: Rows) -> Estimate:
        """Of a less b; C of the differences is that of both sides less what they share."""
        shared = self.covariance[np.ix_(a, b)]
        covariance = self.covariance[np.ix_(a, a)] + self.covariance[np.ix_(b, b)] - shared - shared.T
        return estimate_of(self.own[list(a)] - self.own[list(b)], covariance, self.images, self.sources)


def _sums(cells: Sequence[Cell], records: Records) -> _Sums:
    correct = records.correct(cells).astype(np.float64)
    number, sources = numbered(records.groups(cells[0]))
    own = correct.mean(axis=1)
    sums = np.array([np.bincount(number, weights=row) for row in correct - own[:, None]], np.float64)
    images = correct.shape[1]
    answers = tuple(row.tobytes() for row in correct)
    return _Sums(images, sources, own, covariance_of(sums, images), correct @ correct.T, answers)
