"""All pairs of one task and level as a matrix, ordered by accuracy."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.contracts import Level, LevelKind
from reports.pairs import SHOWN
from reports.points import Task
from reports.significance import TESTS_IN_WORDS

MARKS = {"better": "▲", "worse": "▼", "same": "=", "not separated": "·"}
_KINDS: tuple[LevelKind, ...] = ("colors", "quality", "none")
_TURNED = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class Entry:
    """The variant of a row less that of a column, accuracies as fractions.

    heat: the difference's size as a share of the matrix's largest.
    """

    difference: float
    lo: float
    hi: float
    p_holm: float
    stars: str
    verdict: str
    heat: float

    @property
    def mark(self) -> str:
        """The verdict as a sign, nothing where nothing could be tested."""
        return MARKS.get(self.verdict, "")


@dataclass(frozen=True)
class PairMatrix:
    """One level. variants: with their accuracies, the most accurate first. rows: an entry a column, None where a
    variant would meet itself or two have no seed in common. pairs: how many Holm's adjustment counts. tested: how many
    of them were. of: how many variants there are, shown or not. trainings: the fewest of any pair. tests: of the pairs,
    in words."""

    level_kind: LevelKind
    level: Level
    variants: tuple[tuple[str, float], ...]
    rows: tuple[tuple[Entry | None, ...], ...]
    pairs: int
    tested: int
    of: int
    trainings: int
    tests: tuple[str, ...]


def pair_matrices(task: Task, pairs: pd.DataFrame) -> tuple[PairMatrix, ...]:
    """The task's matrices, the fewest colors first. pairs: ``pairs.csv``, of all tasks."""
    own = (pairs["dataset"] == task.dataset) & (pairs["classifier"] == task.classifier) & (pairs["judge"] == task.judge)
    mine: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()} for row in pairs[own].to_dict("records")
    ]
    accuracies: dict[tuple[LevelKind, Level], dict[str, float]] = {}
    for point in task.points:
        if point.ok:
            accuracies.setdefault((point.level_kind, point.level), {})[point.variant] = point.accuracy
    whole = accuracies.get(("none", None), {})
    found = []
    for place, same in itertools.groupby(sorted(mine, key=_order), key=_order):
        kind, level = _KINDS[place[0]], place[1] if place[0] < 2 else None
        known = whole | accuracies.get((kind, level), {})
        found.append(_matrix(kind, level, list(same), known))
    return tuple(found)


def _order(row: Mapping[str, Any]) -> tuple[int, int]:
    return _KINDS.index(row["level_kind"]), 0 if pd.isna(row["level_a"]) else int(row["level_a"])


def _matrix(kind: LevelKind, level: Level, rows: list[dict[str, Any]], accuracies: Mapping[str, float]) -> PairMatrix:
    names = {row[side] for row in rows for side in ("variant_a", "variant_b")}
    in_order = sorted(names, key=lambda name: (-accuracies[name], name))
    shown = in_order[:SHOWN]
    entries = _both_ways([row for row in rows if row["variant_a"] in shown and row["variant_b"] in shown])
    return PairMatrix(
        kind,
        level,
        tuple((name, accuracies[name]) for name in shown),
        tuple(tuple(entries.get((one, other)) for other in shown) for one in shown),
        rows[0]["alike"],
        len(rows),
        len(in_order),
        min(row["trainings"] for row in rows),
        tuple(sorted({TESTS_IN_WORDS[row["test"]] for row in rows})),
    )


def _both_ways(rows: list[dict[str, Any]]) -> dict[tuple[str, str], Entry]:
    largest = max((abs(row["difference"]) for row in rows), default=0.0) or 1.0
    found = {}
    for row in rows:
        a, b, difference, verdict = row["variant_a"], row["variant_b"], row["difference"], row["verdict"]
        tested = row["p_holm"], row["stars"]
        heat = abs(difference) / largest
        found[a, b] = Entry(difference, row["lo"], row["hi"], *tested, verdict, heat)
        found[b, a] = Entry(-difference, -row["hi"], -row["lo"], *tested, _TURNED.get(verdict, verdict), heat)
    return found
