"""Classifiers over datasets: the share of the original images that each recognizes, as in the article's Table 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.points import Task
from reports.published import Published, original_published


@dataclass(frozen=True)
class Table:
    """rows: a classifier and its tasks, one a dataset, each with what the article states, if it does."""

    datasets: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[Task, Published | None] | None, ...]], ...]


def originals(tasks: Sequence[Task], recipes: Sequence[Mapping[str, Any]]) -> Table | None:
    """The table, or None where a run has one task only. An entry is None where a run does not have that task.

    recipes: as in Results.
    """
    tasks = [task for task in tasks if task.judge == "frozen"]
    if len(tasks) < 2:
        return None
    datasets = tuple(dict.fromkeys(task.dataset for task in tasks))
    entries = {(task.classifier, task.dataset): (task, original_published(task, recipes)) for task in tasks}
    classifiers = dict.fromkeys(task.classifier for task in tasks)
    return Table(datasets, tuple((c, tuple(entries.get((c, d)) for d in datasets)) for c in classifiers))
