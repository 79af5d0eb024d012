"""Which variants do best over all tasks, level by level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.contracts import Level, LevelKind
from reports.pairs import Apart, place_of, separated
from reports.points import Point, Task
from reports.ranks import Friedman, SignedRank, critical_difference, friedman, places, ranks_of, signed_rank

USUAL_TASKS = 5
"""With fewer tasks the page says that tests over them tell hardly anything."""


@dataclass(frozen=True)
class Standing:
    """One variant at one level over all tasks.

    Attributes:
        place: Shared by variants that no test of any task separates.
        shared: Whether another variant has the same place.
        variant: Its name.
        accuracy: Mean over tasks.
        rank: Mean over tasks, 1 for the highest accuracy.
        in_tasks: Accuracy and place in each task; places are shared by variants that its test does not separate.
        against: Over tasks, against the baseline; None for the baseline, or where there is none.
    """

    place: int
    shared: bool
    variant: str
    accuracy: float
    rank: float
    in_tasks: tuple[tuple[float, int], ...]
    against: SignedRank | None


@dataclass(frozen=True)
class Board:
    """One level. standings: best first. left_out: variants that have not finished in every task."""

    level_kind: LevelKind
    level: Level
    standings: tuple[Standing, ...]
    left_out: tuple[str, ...]
    friedman: Friedman | None
    critical: float


@dataclass(frozen=True)
class Leaderboard:
    """tasks: by name, those whose frozen classifier can judge. guessing: the others. datasets: how many they have."""

    tasks: tuple[str, ...]
    datasets: int
    guessing: tuple[str, ...]
    baseline: str | None
    boards: tuple[Board, ...]


def leaderboard(tasks: Sequence[Task], pairs: pd.DataFrame, baseline: str | None, margin: float) -> Leaderboard | None:
    """None for fewer than two tasks, or where no two variants have finished in all of them.

    Args:
        tasks: Of the run; frozen judges count.
        pairs: ``pairs.csv``: what separates two variants within a task.
        baseline: The spec's.
        margin: Within which two variants count as the same, as a fraction.
    """
    frozen = [task for task in tasks if task.judge == "frozen" and task.images]
    fit = [task for task in frozen if not task.guessing]
    if len(fit) < 2:
        return None
    apart = separated(pairs)
    found = [_board(fit, place, apart, baseline, margin) for place in _levels(fit)]
    boards = tuple(board for board in found if len(board.standings) > 1)
    if not boards:
        return None
    return Leaderboard(
        tuple(task.name for task in fit),
        len({task.dataset for task in fit}),
        tuple(task.name for task in frozen if task.guessing),
        baseline,
        boards,
    )


Place = tuple[LevelKind, Level]


def _levels(tasks: Sequence[Task]) -> list[Place]:
    found = {(p.level_kind, p.level) for task in tasks for p in task.points if p.ok and p.level is not None}
    return sorted(found, key=lambda place: (place[0] != "colors", place[0], place[1] or 0))


def _board(tasks: Sequence[Task], place: Place, apart: Apart, baseline: str | None, margin: float) -> Board:
    kind, level = place
    at = [{p.variant: p for p in task.points if p.ok and (p.level_kind, p.level) == place} for task in tasks]
    everywhere = sorted(set.intersection(*(set(points) for points in at)))
    anywhere = set[str]().union(*at)
    accuracies = np.array([[points[variant].accuracy for variant in everywhere] for points in at])

    def apart_in(task: Task) -> Callable[[str, str], bool]:
        where = place_of(task, kind, level)
        return lambda a, b: (*where, a, b) in apart

    within = [apart_in(task) for task in tasks]
    tested = friedman(accuracies) if len(everywhere) > 1 else None
    return Board(
        kind,
        level,
        _standings(everywhere, accuracies, at, within, baseline, margin) if len(everywhere) > 1 else (),
        tuple(sorted(anywhere - set(everywhere))),
        tested,
        critical_difference(len(everywhere), len(tasks)) if tested else float("nan"),
    )


def _standings(
    variants: Sequence[str],
    accuracies: NDArray[np.float64],
    at: Sequence[Mapping[str, Point]],
    apart: Sequence[Callable[[str, str], bool]],
    baseline: str | None,
    margin: float,
) -> tuple[Standing, ...]:
    ranks, means = ranks_of(accuracies).mean(axis=0), accuracies.mean(axis=0)
    order = sorted(range(len(variants)), key=lambda i: (ranks[i], -means[i], variants[i]))
    names = [variants[i] for i in order]
    overall = places(names, lambda a, b: any(told(a, b) for told in apart))
    within = []
    for points, told in zip(at, apart, strict=True):
        best = sorted(variants, key=lambda name: (-points[name].accuracy, name))
        within.append(dict(zip(best, places(best, told), strict=True)))
    own = accuracies[:, variants.index(baseline)] if baseline in variants else None
    return tuple(
        Standing(
            place,
            overall.count(place) > 1,
            variants[i],
            float(means[i]),
            float(ranks[i]),
            tuple((points[variants[i]].accuracy, task[variants[i]]) for points, task in zip(at, within, strict=True)),
            None if own is None or variants[i] == baseline else signed_rank(list(accuracies[:, i] - own), margin),
        )
        for place, i in zip(overall, order, strict=True)
    )
