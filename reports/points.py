"""What the page describes: tasks, their points (mean over seeds) and their comparisons with the baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.contracts import Cell, CellStatus, JudgeKind, Level, LevelKind
from reports.records import task_name
from reports.statistics import FEWEST_TRAININGS

MEASURED = (
    "colors_per_image",
    "bpp_file",
    "bpp_payload",
    "bpp_entropy",
    "bpp_nominal",
    "paper_bytes_per_pixel",
    "psnr",
    "ssim",
    "ciede2000",
)
"""Columns of ``cells.csv`` that a point averages over its seeds."""


FIDELITY = (
    ("psnr", "PSNR", "dB", 1),
    ("ssim", "SSIM", "mean", 3),
    ("ciede2000", "CIEDE2000", "mean ΔE", 2),
)
"""How near images stayed to the originals: column, its heading, its unit, decimals."""


@dataclass(frozen=True)
class Point:
    """One variant at one level of one task, over all of its seeds that finished.

    cell: the first of its cells; method, parameters and level are the same in all. lo, hi: 95 % interval of the
    accuracy, over seeds and images. recognized: the spec's share of the original's accuracy is reached, image by image
    and with 95 % confidence. measured: the columns ``MEASURED``.
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
    """A row of ``significance.csv``."""

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
    trainings: int
    trained: str
    groups: int
    lo_simultaneous: float
    hi_simultaneous: float
    alike: int
    margin: float
    p_same_holm: float
    verdict: str
    devices: tuple[str, ...]

    @property
    def of_methods(self) -> bool:
        """Whether enough was trained to speak of the methods, not only of the networks that were trained."""
        return self.trainings >= FEWEST_TRAININGS


@dataclass(frozen=True)
class Task:
    """A dataset with a classifier, frozen or retrained on what each method makes of the training images.

    comparisons: the telling ones, across seeds where there are several. original: accuracy on the untouched images,
    mean over seeds, with its 95 % interval (NaN where no cell tells which images were recognized). chance: the share of
    the commonest class. guessing: the seeds whose classifier, on the untouched images, is not told apart from chance.
    """

    dataset: str
    classifier: str
    judge: JudgeKind
    cells: tuple[Cell, ...]
    points: tuple[Point, ...]
    comparisons: tuple[Comparison, ...]
    single_seeds: tuple[Comparison, ...]
    original: float
    original_lo: float
    original_hi: float
    chance: float
    guessing: tuple[int, ...]
    images: int
    sources: int

    @property
    def name(self) -> str:
        return task_name(self.dataset, self.cells[0].judged_by)

    def finished(self, variant: str, level_kind: LevelKind, level: Level) -> dict[int, Cell]:
        """The finished cells of a variant at a level, by seed."""
        found = [c for c in self.cells if c.status == "ok" and (c.label, c.level_kind) == (variant, level_kind)]
        return {c.seed: c for c in sorted(found, key=lambda c: c.seed) if c.level == level}

    @property
    def fidelity(self) -> tuple[tuple[str, str, str, int], ...]:
        """Of ``FIDELITY`` what was measured anywhere in this task."""
        return tuple(row for row in FIDELITY if any(not math.isnan(point.mean(row[0])) for point in self.points))
