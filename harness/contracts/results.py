"""What a run leaves behind, as reports read it: cells, failures, pictures, and the report that is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from harness.contracts.images import Level, LevelKind, Precision
from harness.contracts.searches import SearchResult

CellStatus = Literal["ok", "failed", "blocked"]


@dataclass(frozen=True)
class PlannedCell:
    """A cell's place in the tables, task x variant x level x seed, and the key of its artifact.

    dataset, classifier, variant: short names as in tables; method: the plugin's name; params: all parameters, defaults
    written out. fitted_on: the classifier a quantizer was trained against, or empty.
    """

    dataset: str
    classifier: str
    method: str
    variant: str
    params: Mapping[str, Any]
    level_kind: LevelKind
    level: Level
    seed: int
    fitted_on: str
    precision: Precision
    key: str


@dataclass(frozen=True)
class Pictures:
    """One test image in one cell, as PNG files of the image's size.

    maps: what there is to see besides, by name. ``cam`` and ``cam-original``, 8-bit gray: the class activation map of
    the true class (Zhou et al. 2016) on the decoded and on the original image, 0..255 from the map's least to its
    greatest value. The others are the method's own (``explain``). original_p_true: the probability of the true class on
    the original image.
    """

    original: Path
    decoded: Path
    maps: Mapping[str, Path] = field(default_factory=dict)
    original_p_true: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Cell(PlannedCell):
    """One cell of a run, as reports see it.

    records: its ``records.parquet`` (None unless ok). gallery: pictures of a few test images, by their number. notes:
    what the artifact says of itself (``original_accuracy``, ``seconds``, ``device``, ...).
    """

    split: str
    status: CellStatus
    error: str = ""
    records: Path | None = None
    gallery: Mapping[int, Pictures] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A job that failed: what it was, its one-line message, the whole traceback, and how many cells it cost."""

    job: str
    message: str
    traceback: str
    cells: int


@dataclass(frozen=True, eq=False)
class Results:
    """All of a run that a report may use.

    spec: as run, defaults written out. classes: class names per dataset short name. recipes: one entry a dataset and a
    trained thing (``what``, ``name``, ``params``, ``differs``: where it is not the paper's, as sentences; ``credit`` of
    a dataset). environment: library versions, device, host facts. searches: those that chose parameters of this run's
    variants.
    """

    name: str
    spec: Mapping[str, Any]
    cells: tuple[Cell, ...]
    failures: tuple[Failure, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recipes: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    searches: tuple[SearchResult, ...] = ()


@runtime_checkable
class Report(Protocol):
    """Writes files into ``folder``; returns the one to open first."""

    def write(self, results: Results, folder: Path) -> Path: ...
