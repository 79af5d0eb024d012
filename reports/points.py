"""What the page describes: tasks, their points (mean over seeds) and their comparisons with the baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.contracts import Cell, CellStatus, Level, LevelKind
from reports.records import task_name

MEASURED = (
    "colors_per_image",
    "bpp_file",
    "bpp_payload",
    "bpp_entropy",
    "bpp_nominal",
    "paper_bytes_per_pixel",
    "psnr",
)
"""Columns of ``cells.csv`` that a point averages over its seeds."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Point:
    """One variant at one level of one task, over all of its seeds that finished.

    cell: the first of its cells; method, parameters and level are the same in all. lo, hi: 95 % interval of the
    accuracy; for several seeds the crossed bootstrap's. recognized: even ``lo`` reaches the spec's share of the
    original accuracy. measured: the columns ``MEASURED``.
    """

    variant: str
    cell: Cell
    level_kind: LevelKind
    level: Level
    status: CellStatus
    error: str
    seeds: int
    finished: int
    accuracy: float = math.nan
    lo: float = math.nan
    hi: float = math.nan
    original: float = math.nan
    recognized: bool = False
    devices: tuple[str, ...] = ()
    measured: tuple[tuple[str, float], ...] = ()

    @property
    def ok(self) -> bool:
        return self.finished > 0

    @property
    def drop(self) -> float:
        """Accuracy less the original's, as a fraction."""
        return self.accuracy - self.original

    def mean(self, column: str) -> float:
        """One of the columns ``MEASURED``, NaN where it is not known."""
        return dict(self.measured).get(column, math.nan)


@dataclass(frozen=True)
class Comparison:
    """A row of ``significance.csv``; ``at_floor``: the bootstrap can give no smaller p."""

    variant_a: str
    learned: bool
    level_kind: LevelKind
    level: Level
    seed: int | None
    variant_b: str
    accuracy_a: float
    accuracy_b: float
    test: str
    n: int
    discordant_a: int
    discordant_b: int
    difference: float
    lo: float
    hi: float
    p: float
    p_holm: float
    stars: str
    at_floor: bool
    devices: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``tie`` (the test does not separate them) or ``not tested``."""
        if math.isnan(self.p_holm):
            return "not tested"
        if self.p_holm >= SIGNIFICANT:
            return "tie"
        return "better" if self.difference > 0 else "worse"


@dataclass(frozen=True)
class Task:
    """A dataset with a classifier.

    comparisons: the telling ones, across seeds where there are several. original: accuracy on the untouched images,
    mean over seeds, with its 95 % interval (NaN where no cell tells which images were recognized).
    """

    dataset: str
    classifier: str
    cells: tuple[Cell, ...]
    points: tuple[Point, ...]
    comparisons: tuple[Comparison, ...]
    single_seeds: tuple[Comparison, ...]
    original: float
    original_lo: float
    original_hi: float
    chance: float
    images: int
    sources: int

    @property
    def name(self) -> str:
        return task_name(self.dataset, self.classifier)
