"""The stored records of a run's cells: one row per test image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.contracts import Cell, ContractError, Level, LevelKind


class Records:
    """Reads each ``records.parquet`` once."""

    def __init__(self) -> None:
        self._frames: dict[Path, pd.DataFrame] = {}

    def of(self, cell: Cell) -> pd.DataFrame:
        """The records of an ok cell, in the order they were stored."""
        if cell.records is None:
            raise ContractError(f"{describe(cell)} is {cell.status} and has no records.")
        if cell.records not in self._frames:
            self._frames[cell.records] = pd.read_parquet(cell.records)
        return self._frames[cell.records]

    def correct(self, cells: Sequence[Cell]) -> NDArray[np.int64]:
        """``int64 [S, N]``: 1 where the classifier of cell s was right about image n, else 0.

        Raises ContractError unless all cells hold the same images in the same order.
        """
        first = self.of(cells[0])
        for cell in cells[1:]:
            frame = self.of(cell)
            if not all(np.array_equal(frame[c], first[c]) for c in ("image", "group", "label")):
                raise ContractError(
                    f"{describe(cells[0])} and {describe(cell)} do not hold the same images in the same order, "
                    "so they cannot be compared image by image."
                )
        return np.stack([self.of(cell)["correct"].to_numpy(np.int64) for cell in cells])

    def original_correct(self, cells: Sequence[Cell]) -> NDArray[np.int64]:
        """``int64 [S, N]``: 1 where the classifier of cell s was right about the untouched image n, else 0."""
        return np.stack([(self.of(c)["original_predicted"] == self.of(c)["label"]).to_numpy(np.int64) for c in cells])

    def groups(self, cell: Cell) -> NDArray[np.int64]:
        """``int64 [N]``: equal where images share a source."""
        return self.of(cell)["group"].to_numpy(np.int64)


def describe(cell: Cell) -> str:
    """A cell in words, for messages."""
    level = "" if cell.level is None else f" at {level_words(cell.level_kind, cell.level)}"
    return f"{cell.label}{level} on {cell.dataset} x {cell.judged_by}, seed {cell.seed}"


def level_words(kind: LevelKind, level: Level) -> str:
    """``2 colors``, ``quality 30``, or nothing where a method has no level."""
    if level is None:
        return ""
    return f"{level} colors" if kind == "colors" else f"{kind} {level}"


def task_name(dataset: str, classifier: str) -> str:
    """What a dataset with a classifier is called."""
    return f"{dataset} × {classifier}"
