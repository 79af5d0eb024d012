"""What a run leaves behind, as reports read it: cells, failures, pictures, and the report that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from harness.contracts.images import Level, LevelKind, Precision
from harness.contracts.searches import SearchResult

if TYPE_CHECKING:
    from harness.contracts.claims import StatedClaim

CellStatus = Literal["ok", "failed", "blocked"]
JudgeKind = Literal["frozen", "retrained"]
"""A classifier that never saw a reduced image, or one that was trained further on the method's own."""
BitsKind = Literal["file", "payload", "entropy"]
"""What bits are counted of: whole files, coded pixels alone, or the entropy of an index map with its palette."""

RECORD_COLUMNS = frozenset(
    {
        "image",
        "group",
        "label",
        "predicted",
        "correct",
        "confidence",
        "p_true",
        "colors",
        "file_bytes",
        "payload_bytes",
        "entropy_bits",
        "paper_bytes",
        "psnr",
        "original_predicted",
        "name",
    }
)
"""What ``records.parquet`` of every cell has, beside the metrics."""

TAKEN_COLUMNS = RECORD_COLUMNS | frozenset(
    {
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
        "seconds",
        "key",
        "psnr_image_mean",
        "lossless_share",
        "judge",
    }
)
"""Columns of ``records.parquet`` and ``cells.csv`` that are no metric's: what no metric may be called."""


@dataclass(frozen=True)
class PlannedCell:
    """A cell's place in the tables, task x variant x level x seed, and the key of its artifact.

    Attributes:
        dataset: Its short name, as in tables.
        classifier: Likewise.
        method: The plugin's name.
        variant: The method's short name: with those parameters that tell it from its siblings.
        params: All of the method's parameters, defaults written out.
        level_kind: What the level is: ``colors``, ``quality``, or ``none``.
        level: The level, None where there is none.
        seed: Of everything that was trained.
        fitted_on: The classifier that a quantizer was trained against, or several with ``+`` between them, or empty.
        precision: Of the method's training; of one that learns nothing, of the classifier's.
        key: Of the cell's artifact in the store.
        judge: ``frozen``, or ``retrained``: the classifier was trained further on training images after the method.
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
    judge: JudgeKind = "frozen"

    @property
    def task(self) -> tuple[str, str, JudgeKind]:
        """Its dataset, and who judges: what cells that can be compared share."""
        return self.dataset, self.classifier, self.judge

    @property
    def label(self) -> str:
        """The variant's name; a quantizer that was trained against other classifiers than its judge says so."""
        elsewhere = self.fitted_on not in ("", self.classifier)
        return f"{self.variant} fitted on {self.fitted_on}" if elsewhere else self.variant

    @property
    def judged_by(self) -> str:
        """The classifier's short name, and whether it was retrained."""
        return self.classifier if self.judge == "frozen" else f"{self.classifier} {self.judge}"


@dataclass(frozen=True)
class Pictures:
    """One test image in one cell, as PNG files of the image's size.

    Attributes:
        original: The image.
        decoded: What a decoder shows after the method.
        maps: What there is to see besides, by name. ``cam`` and ``cam-original``, 8-bit gray: the class activation map
            of the true class (Zhou et al. 2016) on the decoded and on the original image, 0..255 from the map's least
            to its greatest value. The others are the method's own (``explain``).
        original_p_true: The probability of the true class on the original image.
    """

    original: Path
    decoded: Path
    maps: Mapping[str, Path] = field(default_factory=dict)
    original_p_true: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Cell(PlannedCell):
    """One cell of a run, as reports see it.

    Attributes:
        split: Which images were judged: ``test``.
        status: ``ok``; ``failed``: the method or its judging did; ``blocked``: what it rests on is missing.
        error: Why, in one line.
        records: Its ``records.parquet``, one row an image; None unless ok.
        gallery: Pictures of a few test images, by their number.
        picture: From any test image's number to two PNG files' bytes, the image's and what a decoder shows after the
            method, or to None where the store no longer has them. None where there is no store to look in.
        notes: What the artifact says of itself (``original_accuracy``, ``seconds``, ``device``, ...), and ``stages``:
            ``fit``, ``apply`` and ``judge``, each with its artifact's ``key``, ``seconds``, ``device`` and ``share``
            of that (CPU cores, or a part of a GPU), where the store still has what the cell was made from.
    """

    split: str
    status: CellStatus
    error: str = ""
    records: Path | None = None
    gallery: Mapping[int, Pictures] = field(default_factory=dict)
    picture: Callable[[int], tuple[bytes, bytes] | None] | None = field(default=None, repr=False)
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A job that failed.

    Attributes:
        job: Its stage and name.
        message: Why, in one line.
        traceback: The whole traceback.
        cells: How many cells it cost.
        key: The job's, as in the store; empty where it is not known.
    """

    job: str
    message: str
    traceback: str
    cells: int
    key: str = ""


@dataclass(frozen=True)
class Difference:
    """Cells of a run that stand where another run has cells too, and are not the same.

    Attributes:
        what: Whose cells, as they are called here: a dataset, a classifier on it, or a variant of a task.
        instead: What they are called in their own run; the same where only the numbers of equal keys differ.
        run: Whose they are.
        other: The run before it that has the name.
        cells: How many.
        reasons: What differs, as far as the runs' plans tell, in words.
    """

    what: str
    instead: str
    run: str
    other: str
    cells: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Origin:
    """One of the runs that results of several are made of.

    Attributes:
        name: Its name; the end of its folder's path where another has the same.
        folder: The run's.
        began: When it was last started, in UTC (ISO 8601); empty where that is not known.
        results: Of this run alone.
        unused: What its spec says otherwise than the first run's, which holds for all, in words.
    """

    name: str
    folder: Path
    began: str
    results: Results
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Results:
    """All of a run that a report may use.

    Attributes:
        name: Of the run.
        spec: As run, defaults written out.
        cells: All of them, in the spec's order, whatever their status.
        failures: The jobs that failed.
        classes: Class names by a dataset's short name.
        recipes: One entry a dataset and a trained thing: ``what``, ``name``, ``plugin``, ``params``, ``differs`` (where
            it is not the paper's, as sentences), and of a dataset ``credit``, ``sources`` (what its plugin says of
            them) and, where not all are judged, ``test_of``: of how many test images those that are were chosen; of a
            classifier that was retrained too ``retraining``: ``datasets``, ``epochs``, ``rate``, ``batch_size`` (None:
            the dataset's) and ``weight_decay``, an entry for each recipe that there was.
        environment: ``devices`` and ``versions`` of libraries that the cells were computed with; ``run``, where it was
            recorded: ``date``, ``command``, ``code`` and ``plugins`` with ``commit`` and ``dirty``.
        searches: Those that chose parameters of this run's variants.
        claims: What a report is to judge by this run's numbers.
        origins: The runs that these are the results of, where they are several.
        differences: Between cells of these, where they stand at the same place.
    """

    name: str
    spec: Mapping[str, Any]
    cells: tuple[Cell, ...]
    failures: tuple[Failure, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recipes: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    searches: tuple[SearchResult, ...] = ()
    claims: tuple[StatedClaim, ...] = ()
    origins: tuple[Origin, ...] = ()
    differences: tuple[Difference, ...] = ()


@runtime_checkable
class Report(Protocol):
    """Makes something to read of a run."""

    def write(self, results: Results, folder: Path) -> Path:
        """Writes the report's files.

        Args:
            results: All of the run that a report may use.
            folder: Where to write.

        Returns:
            The file to open first.
        """
