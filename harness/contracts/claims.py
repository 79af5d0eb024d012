"""Claims: statements that a run's numbers support, contradict, or say too little about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.contracts.images import Level
from harness.contracts.results import Cell

VerdictWord = Literal["supported", "contradicted", "not enough data"]
"""A claim is contradicted where its opposite is shown; what is merely not significant is not enough data."""
ACCURACY = "accuracy"
"""The unit of what is measured in shares of images; pages say it in points."""
NAN = float("nan")

Which = str | Callable[[Cell], bool]
"""Which variant: its name in tables, or what says of a cell whether it is one of it."""
Term = tuple[float, Sequence[Cell], str]
"""A weight, cells, and a column of their records, as ``RunView.values`` knows it."""


class Evidence(Protocol):
    """A mean with its uncertainty over trainings and images, as ``docs/statistics.md`` describes it."""

    @property
    def mean(self) -> float:
        """The mean."""

    def interval(self, alpha: float = ...) -> tuple[float, float]:
        """Its interval at confidence 1 - alpha; 95 % if alpha is left out."""

    def p(self, null: float = ...) -> float:
        """Two-sided p of a mean of ``null``, 0 if left out."""


@dataclass(frozen=True)
class Part:
    """One of the comparisons that a claim consists of: a mean that lies above a bound, if the claim is right.

    Attributes:
        where: The task, and the level if there are several.
        what: What the mean is of, such as ``wu − median-cut``.
        mean: The mean over trainings and test images.
        bound: What the claim says it lies above.
        unit: ``accuracy``, or another such as ``bits per pixel``.
        evidence: What says how certain the mean is; None where nothing may be said.
        why: Why not, in a sentence.
        cells: The keys of the cells it rests on.
        note: What else there is to know.
    """

    where: str
    what: str
    mean: float
    bound: float
    unit: str
    evidence: Evidence | None
    why: str
    cells: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class ClaimRow:
    """A part of a claim as tables and pages show it.

    Attributes:
        where: The task, and the level if there are several.
        what: What the effect is of.
        verdict: Of this part.
        effect: In ``unit``.
        unit: ``accuracy`` (a share, that pages say in points), or another.
        lo: Lower end of its own 95 % interval; NaN where there is none.
        hi: Upper end.
        p: Two-sided, of the bound; NaN where there is none.
        cells: The keys of the cells it rests on.
        note: What else there is to know.
    """

    where: str
    what: str
    verdict: VerdictWord
    effect: float
    unit: str
    lo: float
    hi: float
    p: float
    cells: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a run says of a claim.

    Attributes:
        verdict: ``supported``, ``contradicted``, or ``not enough data``.
        effect: Of the part that supports it least, in ``unit``; NaN where nothing was measured.
        unit: ``accuracy`` (a share, that pages say in points), or another.
        lo: Lower end of the effect's 95 % interval; NaN where there is none.
        hi: Upper end.
        p: Of the claim, or where it is contradicted of its opposite.
        rows: Its parts.
        missing: What would be needed to say more, sentences without a period.
        what: What the effect is of, where the statement does not say it.
    """

    verdict: VerdictWord
    effect: float = NAN
    unit: str = ACCURACY
    lo: float = NAN
    hi: float = NAN
    p: float = NAN
    rows: tuple[ClaimRow, ...] = ()
    missing: tuple[str, ...] = ()
    what: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The keys of all cells it rests on."""
        return tuple(dict.fromkeys(key for row in self.rows for key in row.cells))


@dataclass(frozen=True, eq=False)
class JudgedTask:
    """A task as claims see it.

    Attributes:
        dataset: Its short name, as in tables.
        classifier: Likewise.
        dataset_plugin: The name of the plugin behind it.
        classifier_plugin: Likewise.
        name: Both, in words.
        cells: Those its frozen classifier judges, finished or not, in the spec's order. Of methods that learn, only
            those that learned from this classifier.
    """

    dataset: str
    classifier: str
    dataset_plugin: str
    classifier_plugin: str
    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two variants in one task at one level, training by training.

    Attributes:
        task: The task.
        where: The task and the level, in words.
        what: The difference a - b, in words.
        level: The number of colors or the quality, None where neither has any.
        a: The cells of the first, by seed.
        b: Those of the second, of the same seeds.
    """

    task: JudgedTask
    where: str
    what: str
    level: Level
    a: tuple[Cell, ...]
    b: tuple[Cell, ...]


class RunView(Protocol):
    """All of a run that a claim may ask for; nothing can be changed through it."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec as run, defaults written out."""

    @property
    def recipes(self) -> tuple[Mapping[str, Any], ...]:
        """How everything was trained, as in Results."""

    @property
    def margin(self) -> float:
        """Accuracies that differ by less count as the same; a fraction."""

    @property
    def tasks(self) -> tuple[JudgedTask, ...]:
        """The tasks whose classifier is told apart from guessing."""

    def cells(self, task: JudgedTask, which: Which, level: Level = None) -> tuple[Cell, ...]:
        """The finished cells of a variant, by seed.

        Args:
            task: One of ``tasks``.
            which: A variant's name in tables, or a function of a cell; where several fit, the spec's first is taken.
            level: The number of colors or the quality; a variant without levels fits any.

        Returns:
            One cell a seed; none where nothing is finished.
        """

    def pairs(self, a: Which, b: Which, level: Level = None) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
        """Two variants side by side, wherever a run has both.

        Args:
            a: A variant.
            b: Another, or the same.
            level: Of both, or of the one that has levels; None: every level that both have.

        Returns:
            One for each task and level that both have; and what was planned there but is not finished, in sentences.
        """

    def values(self, cells: Sequence[Cell], column: str = "correct") -> NDArray[np.float64]:
        """What was measured of each test image.

        Args:
            cells: Of tasks with the same test images.
            column: One of ``records.parquet``, or ``original``: whether the untouched image was recognized.

        Returns:
            ``float64 [S, N]``, a row for each cell; NaN where a cell has no such number.
        """

    def part(
        self, where: str, what: str, terms: Sequence[Term], bound: float = 0.0, unit: str = ACCURACY, note: str = ""
    ) -> Part:
        """A mean over trainings and test images that lies above a bound, if the claim is right.

        Args:
            where: The task, and the level if there are several.
            what: What the mean is of.
            terms: The sum it is of, image by image and training by training; each of as many cells, one a training.
            bound: What the claim says the mean lies above.
            unit: ``accuracy``, or another.
            note: What else there is to know.

        Returns:
            The part, with evidence where there are trainings, sources and errors enough.
        """

    def every(self, parts: Sequence[Part], missing: Iterable[str] = (), against: Sequence[Part] = ()) -> Verdict:
        """Whether all parts are as the claim says (intersection-union test).

        Args:
            parts: All that must hold; supported where the 95 % interval of each lies above its bound.
            missing: Parts that cannot be had in this run although they were planned; then nothing is supported.
            against: Further parts which need not be shown, but contradict the claim where their opposite is.

        Returns:
            The verdict. It is contradicted where the opposite of any part is shown, allowing for their number.
        """

    def ahead(self, a: Which, b: Which, level: Level = None, margin: float = 0.0) -> Verdict:
        """Whether a keeps more images recognized than b in every task that has both.

        Args:
            a: A variant.
            b: Another.
            level: Of both, or of the one that has levels; None: every level that both have.
            margin: By so much a may be behind (a fraction): whether it is no worse.

        Returns:
            The verdict of ``every`` over tasks and levels.
        """


@runtime_checkable
class Claim(Protocol):
    """Says whether a statement holds in a run."""

    def judge(self, run: RunView) -> Verdict:
        """Looks at a run.

        Args:
            run: All of it that a claim may ask for.

        Returns:
            The verdict.
        """


@dataclass(frozen=True, eq=False)
class StatedClaim:
    """A claim with what is said of it.

    Attributes:
        name: Its plugin's.
        statement: What it says, a sentence.
        source: Where it says so, such as a section of an article.
        judge: ``Claim.judge`` of its plugin.
    """

    name: str
    statement: str
    source: str
    judge: Callable[[RunView], Verdict]
