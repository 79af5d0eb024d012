"""The stored records of a run's cells: one row per test image."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from harness.contracts import Cell, ContractError, Level, LevelKind


@dataclass(frozen=True, eq=False)
class _Judged:
    """What all comparisons need of one cell, kept small: whose images, and which were recognized, before and after."""

    images: _Images
    right: NDArray[np.bool_]
    original_right: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Images:
    """Test images in their order: ``int64 [N]`` each. One object for all cells of the same images."""

    numbers: NDArray[np.int64]
    groups: NDArray[np.int64]
    labels: NDArray[np.int64]


class Records:
    """Reads each ``records.parquet`` once for what cells are compared by; of whole records it keeps the newest only.

    A run of 1,000 cells of 10,000 images thus takes 20 MB, not the gigabytes of all its columns.
    """

    def __init__(self) -> None:
        self._newest: tuple[Path, pd.DataFrame] | None = None
        self._judged: dict[Path, _Judged] = {}
        self._images: dict[bytes, _Images] = {}
        self._pictured: dict[Path, dict[int, dict[str, Any]]] = {}

    def of(self, cell: Cell) -> pd.DataFrame:
        """The records of an ok cell, in the order they were stored, without the images' names."""
        path = _path(cell)
        if self._newest is None or self._newest[0] != path:
            table = pq.ParquetFile(path).read()
            frame = table.select([name for name in table.column_names if name != "name"]).to_pandas()
            self._newest = path, frame
            if path not in self._judged:
                self._judged[path] = self._keep(frame)
            if path not in self._pictured:
                rows = table.take(np.flatnonzero(frame["image"].isin(list(cell.gallery)))).to_pylist()
                self._pictured[path] = {row["image"]: row for row in rows}
        return self._newest[1]

    def column(self, cell: Cell, name: str) -> NDArray[np.float64]:
        """``float64 [N]``: one column of an ok cell's records, NaN where an image has no such number."""
        path = _path(cell)
        if name == "correct":
            return self._of(cell).right.astype(np.float64)
        newest = self._newest is not None and self._newest[0] == path
        frame = self.of(cell) if newest else pq.ParquetFile(path).read([name]).to_pandas()
        return frame[name].to_numpy(np.float64, na_value=np.nan)

    def pictured(self, cell: Cell, number: int) -> Mapping[str, Any]:
        """The record of an image that an ok cell has pictures of."""
        if _path(cell) not in self._pictured:
            self.of(cell)
        return self._pictured[_path(cell)][number]

    def names(self, cell: Cell) -> list[str]:
        """What each image is called, empty where it has no name; read anew each time."""
        file = pq.ParquetFile(_path(cell))
        if "name" not in file.schema_arrow.names:
            return [""] * file.metadata.num_rows
        return [name or "" for name in file.read(["name"])["name"].to_pylist()]

    def correct(self, cells: Sequence[Cell]) -> NDArray[np.int64]:
        """``int64 [S, N]``: 1 where the classifier of cell s was right about image n, else 0.

        Raises ContractError unless all cells hold the same images in the same order.
        """
        first = self._of(cells[0])
        for cell in cells[1:]:
            if self._of(cell).images is not first.images:
                raise ContractError(
                    f"{describe(cells[0])} and {describe(cell)} do not hold the same images in the same order, "
                    "so they cannot be compared image by image."
                )
        return np.stack([self._of(cell).right for cell in cells]).astype(np.int64)

    def original_correct(self, cells: Sequence[Cell]) -> NDArray[np.int64]:
        """``int64 [S, N]``: 1 where the classifier of cell s was right about the untouched image n, else 0."""
        return np.stack([self._of(cell).original_right for cell in cells]).astype(np.int64)

    def groups(self, cell: Cell) -> NDArray[np.int64]:
        """``int64 [N]``: equal where images share a source."""
        return self._of(cell).images.groups

    def numbers(self, cell: Cell) -> NDArray[np.int64]:
        """``int64 [N]``: which of the dataset's test images they are."""
        return self._of(cell).images.numbers

    def labels(self, cell: Cell) -> NDArray[np.int64]:
        """``int64 [N]``: the true classes."""
        return self._of(cell).images.labels

    def _of(self, cell: Cell) -> _Judged:
        path = _path(cell)
        if path not in self._judged:
            self._judged[path] = self._keep(pq.ParquetFile(path).read(_COMPARED).to_pandas())
        return self._judged[path]

    def _keep(self, frame: pd.DataFrame) -> _Judged:
        own = _Images(*(frame[name].to_numpy(np.int64) for name in ("image", "group", "label")))
        digest = hashlib.sha256()
        for values in (own.numbers, own.groups, own.labels):
            digest.update(np.ascontiguousarray(values).tobytes())
        images = self._images.setdefault(digest.digest(), own)
        original_right = (frame["original_predicted"] == frame["label"]).to_numpy(bool)
        return _Judged(images, frame["correct"].to_numpy(bool), original_right)


_COMPARED = ["image", "group", "label", "correct", "original_predicted"]


def _path(cell: Cell) -> Path:
    if cell.records is None:
        raise ContractError(f"{describe(cell)} is {cell.status} and has no records.")
    return cell.records


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
