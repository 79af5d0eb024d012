"""``cells.csv`` and the other tables: columns, rows and their order are a pure function of the cells."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from harness.contracts import Cell, Results
from harness.spreadsheets import csv_text
from reports.claims.judged import Judged, claims_table, judge_claims
from reports.judges import recovery_table
from reports.pairs import pair_table
from reports.points import Task
from reports.records import Records
from reports.significance import significance_table
from reports.statistics import accuracy_interval
from reports.summary import summarize
from reports.trade_offs import trade_off_table

CELL_COLUMNS = [
    "dataset",
    "classifier",
    "method",
    "variant",
    "params",
    "level_kind",
    "level",
    "seed",
    "fitted_on",
    "split",
    "precision",
    "status",
    "error",
    "n",
    "accuracy",
    "accuracy_lo",
    "accuracy_hi",
    "original_accuracy",
    "colors_per_image",
    "bpp_file",
    "bpp_payload",
    "bpp_entropy",
    "bpp_nominal",
    "paper_bytes_per_pixel",
    "psnr",
    "seconds",
    "key",
    "mse",
    "psnr_image_mean",
    "lossless_share",
    "ssim",
    "ciede2000",
    "judge",
]
"""Behind them: the other metrics that were measured, by name."""

PEAK = 255.0
_SIGNIFICANT_DIGITS = "%.8g"


def write_tables(results: Results, folder: Path) -> Path:
    """Writes the tables into ``folder``; returns the path of ``cells.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    files = tabulate(results).csv_files()
    for name in {"judges.csv", "claims.csv"} - set(files):
        (folder / name).unlink(missing_ok=True)
    for name, text in files.items():
        _write(text, folder / name)
    return folder / "cells.csv"


@dataclasses.dataclass(frozen=True)
class Tabulated:
    """A run's tables by name, the tasks made of them, what came of each claim, and the records of its cells.

    ``judges`` is there only where a classifier was retrained, ``claims`` where a claim has data.
    """

    tables: Mapping[str, pd.DataFrame]
    tasks: list[Task]
    judged: tuple[Judged, ...]
    records: Records

    def csv_files(self) -> dict[str, str]:
        """Every table as the text of its file, by the file's name."""
        return {f"{name}.csv": csv_text(table, _SIGNIFICANT_DIGITS) for name, table in self.tables.items()}


_TABULATED: WeakKeyDictionary[Results, Tabulated] = WeakKeyDictionary()


def tabulate(results: Results) -> Tabulated:
    """All that reports of a run are made of; made once for all reports of the same results."""
    if results not in _TABULATED:
        _TABULATED[results] = _tabulated(results, Records())
    return _TABULATED[results]


def _tabulated(results: Results, records: Records) -> Tabulated:
    cells, tests = cells_table(results, records), significance_table(results, records)
    tasks = summarize(results, cells, tests, records)
    judged = judge_claims(results, tasks, records)
    tables = {
        "cells": cells,
        "significance": tests,
        "pairs": pair_table(results, records),
        "bits": trade_off_table(tasks, results.spec.get("baseline")),
    }
    if any(cell.judge == "retrained" for cell in results.cells):
        tables["judges"] = recovery_table(tasks, records)
    if any(one.measured for one in judged):
        tables["claims"] = claims_table(judged)
    return Tabulated(tables, tasks, judged, records)


def _write(text: str, path: Path) -> None:
    partial = path.with_suffix(".part")
    partial.write_text(text, encoding="utf-8", newline="")
    partial.replace(path)


def cells_table(results: Results, records: Records) -> pd.DataFrame:
    """One row a cell, sorted. A cell that is not ok keeps its row, with its error and without numbers."""
    rows = [_identity(cell) | _numbers(cell, records) for cell in sorted(results.cells, key=_order)]
    further = sorted({name for cell in results.cells for name in measured(cell)} - set(CELL_COLUMNS))
    table = pd.DataFrame(rows, columns=[*CELL_COLUMNS, *further])
    return table.astype({"level": "Int64", "seed": "Int64", "n": "Int64"})


def measured(cell: Cell) -> tuple[str, ...]:
    """The metrics that the cell's images were measured with: names of columns of its records."""
    return tuple(cell.notes.get("metrics", ()))


def _order(cell: Cell) -> tuple[Any, ...]:
    level = -1 if cell.level is None else cell.level
    where = (*cell.task, cell.method, cell.variant, cell.level_kind, level, cell.seed)
    return *where, cell.fitted_on, cell.split, cell.precision, cell.key


def _identity(cell: Cell) -> dict[str, Any]:
    names = [f.name for f in dataclasses.fields(cell) if f.name in CELL_COLUMNS and f.name != "params"]
    return {name: getattr(cell, name) for name in names} | {"params": json.dumps(dict(cell.params), sort_keys=True)}


def _numbers(cell: Cell, records: Records) -> dict[str, Any]:
    """What was measured in one cell. Accuracies are fractions, bpp are bits a pixel, psnr is in dB."""
    if cell.status != "ok":
        return {}
    frame = records.of(cell)
    correct = records.correct([cell])
    lo, hi = accuracy_interval(correct, records.groups(cell))
    pixels = cell.notes.get("pixels", math.nan)
    return {
        "n": len(frame),
        "accuracy": correct.mean(),
        "accuracy_lo": lo,
        "accuracy_hi": hi,
        "original_accuracy": cell.notes.get("original_accuracy", math.nan),
        "colors_per_image": _mean(frame["colors"]),
        "bpp_file": 8 * _mean(frame["file_bytes"]) / pixels,
        "bpp_payload": 8 * _mean(frame["payload_bytes"]) / pixels,
        "bpp_entropy": _mean(frame["entropy_bits"]) / pixels,
        "bpp_nominal": math.ceil(math.log2(cell.level)) if cell.level_kind == "colors" and cell.level else math.nan,
        "paper_bytes_per_pixel": _mean(frame["paper_bytes"]) / pixels,
        "psnr": mean_psnr(frame["psnr"]),
        "seconds": cell.notes.get("seconds", math.nan),
        "psnr_image_mean": psnr_image_mean(frame["psnr"]),
        "lossless_share": _mean(frame["psnr"] == math.inf) if frame["psnr"].notna().all() else math.nan,
        **{name: _mean(frame[name]) for name in measured(cell)},
    }


def _mean(column: pd.Series) -> float:
    """Mean over all images; NaN where even one has no such number."""
    return float(np.mean(column.to_numpy(np.float64, na_value=np.nan)))


def mean_psnr(column: pd.Series) -> float:
    """PSNR in dB of the mean squared error over all images, from each image's PSNR.

    It rises whenever every image gets better; infinite where all are lossless, NaN where one is not known.
    """
    error = PEAK**2 / 10 ** (column.to_numpy(np.float64, na_value=np.nan) / 10)
    mean = float(error.mean()) if len(error) else math.nan
    return math.inf if mean == 0 else 10 * math.log10(PEAK**2 / mean)


def psnr_image_mean(column: pd.Series) -> float:
    """Mean PSNR in dB of the images that lost something; infinite where no image did, NaN where it is not known.

    It may fall although every image gets better: an image that becomes lossless counts no more.
    """
    values = column.to_numpy(np.float64, na_value=np.nan)
    if not len(values) or np.isnan(values).any():
        return math.nan
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.inf
