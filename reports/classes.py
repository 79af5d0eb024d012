"""Accuracy class by class, and which confusions grew, against the untouched images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Cell, Level, LevelKind
from reports.gallery import class_name
from reports.points import Task
from reports.records import Records

MOST_CLASSES = 20
"""So many are shown at once, the rest is folded."""
MOST_CONFUSIONS = 5


@dataclass(frozen=True)
class Recognized:
    """One class. images: of the test set. original: accuracy on them untouched. after: accuracy after each variant."""

    name: str
    images: int
    original: float
    after: tuple[float, ...]


@dataclass(frozen=True)
class Confusion:
    """How often images of a class are taken for another one: shares of the class's images, after a variant and
    untouched."""

    truth: str
    taken_for: str
    share: float
    original: float

    @property
    def grown(self) -> float:
        return self.share - self.original


@dataclass(frozen=True)
class ByClass:
    """Variants at one level of one task, over the seeds that all of them have.

    Attributes:
        level_kind: Of the first variant.
        level: Of the first variant.
        seeds: How many.
        variants: Their names.
        rows: Classes, those first that the first variant loses most of.
        confusions: For each variant the confusions that grew most, largest first.
    """

    level_kind: LevelKind
    level: Level
    seeds: int
    variants: tuple[str, ...]
    rows: tuple[Recognized, ...]
    confusions: tuple[tuple[str, tuple[Confusion, ...]], ...]


def by_class(
    task: Task, variants: Sequence[str], place: tuple[LevelKind, Level], classes: tuple[str, ...], records: Records
) -> ByClass | None:
    """None where the variants have no seed in common.

    Args:
        task: Of the run.
        variants: To show, one that has no level among them.
        place: Kind and value of the level.
        classes: Names of the dataset's classes.
        records: Of the run's cells.
    """
    cells = [task.finished(name, *place) or task.finished(name, "none", None) for name in variants]
    seeds = sorted(set.intersection(*(set(found) for found in cells))) if cells else []
    if not seeds:
        return None
    original = _confusions([cells[0][seed] for seed in seeds], records, "original_predicted")
    after = [_confusions([found[seed] for seed in seeds], records, "predicted") for found in cells]
    size = max(len(matrix) for matrix in (original, *after))
    original, *after = (_square(matrix, size) for matrix in (original, *after))
    there = [int(c) for c in np.flatnonzero(original.sum(axis=1))]
    in_order = sorted(there, key=lambda c: (_share(after[0], c, c) - _share(original, c, c), c))
    return ByClass(
        *place,
        len(seeds),
        tuple(variants),
        tuple(
            Recognized(
                class_name(c, classes),
                int(original[c].sum()) // len(seeds),
                _share(original, c, c),
                tuple(_share(matrix, c, c) for matrix in after),
            )
            for c in in_order
        ),
        tuple((name, _grown(matrix, original, classes)) for name, matrix in zip(variants, after, strict=True)),
    )


def _confusions(cells: Sequence[Cell], records: Records, column: str) -> NDArray[np.int64]:
    """``int64 [K, K]``: how often images of a class (row) are taken for one (column), over all cells."""
    labels = np.concatenate([records.labels(cell) for cell in cells])
    taken_for = np.concatenate([records.column(cell, column) for cell in cells]).astype(np.int64)
    size = int(max(labels.max(), taken_for.max())) + 1
    return np.bincount(labels * size + taken_for, minlength=size * size).reshape(size, size)


def _square(matrix: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.pad(matrix, (0, size - len(matrix)))


def _share(matrix: NDArray[np.int64], truth: int, predicted: int) -> float:
    return float(matrix[truth, predicted] / matrix[truth].sum())


def _grown(after: NDArray[np.int64], original: NDArray[np.int64], classes: tuple[str, ...]) -> tuple[Confusion, ...]:
    images = np.maximum(original.sum(axis=1, keepdims=True), 1)
    grown = (after - original) / images
    np.fill_diagonal(grown, 0)
    largest = [divmod(int(i), len(grown)) for i in np.argsort(-grown, axis=None, kind="stable")[:MOST_CONFUSIONS]]
    return tuple(
        Confusion(class_name(t, classes), class_name(p, classes), _share(after, t, p), _share(original, t, p))
        for t, p in largest
        if grown[t, p] > 0
    )
