"""The paper's claims on ColorCNN's regularizer, jitter and backbone, Sections 6.3 and 6.4, Table 3 and Figure 11."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.contracts import Cell, JudgedTask, Level, Part, RunView, Verdict
from harness.registry import claim
from reports.claims.cells import levels_of, nowhere
from reports.claims.variants import COLORCNN, DNCNN, WITHOUT_JITTER, WITHOUT_REGULARIZER, Variant, colorcnn, varied

THREE_BITS = 8
"""Table 3's number of colors."""
CHOSEN = 1.0
"""The paper's gamma and xi."""


@claim(
    "regularizer-helps",
    statement="At 3 bits ColorCNN without its regularizer (gamma 0) keeps fewer images recognized.",
    source="Section 6.3, Table 3",
)
class RegularizerHelps:
    """All tasks must show it (intersection-union)."""

    def judge(self, run: RunView) -> Verdict:
        return run.ahead(COLORCNN, WITHOUT_REGULARIZER, THREE_BITS)


@claim(
    "jitter-helps",
    statement="At 3 bits ColorCNN without color jitter (xi 0) keeps fewer images recognized.",
    source="Section 6.3, Table 3",
)
class JitterHelps:
    """All tasks must show it (intersection-union)."""

    def judge(self, run: RunView) -> Verdict:
        return run.ahead(COLORCNN, WITHOUT_JITTER, THREE_BITS)


@claim(
    "fewer-colors-without-regularizer",
    statement="At 3 bits ColorCNN without its regularizer (gamma 0) uses fewer colors.",
    source="Section 6.3, Table 3",
)
class FewerColors:
    """Colors of each decoded image with gamma 1 less those with gamma 0."""

    def judge(self, run: RunView) -> Verdict:
        pairs, missing = run.pairs(COLORCNN, WITHOUT_REGULARIZER, THREE_BITS)
        parts = [
            run.part(
                pair.where, pair.what, [(1.0, pair.a, "colors"), (-1.0, pair.b, "colors")], unit="colors per image"
            )
            for pair in pairs
        ]
        return run.every(
            parts, missing if parts or missing else [nowhere(run, THREE_BITS, COLORCNN, WITHOUT_REGULARIZER)]
        )


@claim(
    "gamma-1-best",
    statement="Of the weights of the regularizer that were tried, gamma = 1 keeps the most images recognized.",
    source="Section 6.4, Fig. 11",
)
class GammaOneBest:
    """1 must be ahead of every other value, in every task; needs smaller and larger ones."""

    def judge(self, run: RunView) -> Verdict:
        return _best(run, "gamma")


@claim(
    "xi-1-best",
    statement="Of the weights of the color jitter that were tried, xi = 1 keeps the most images recognized.",
    source="Section 6.4, Fig. 11",
)
class XiOneBest:
    """1 must be ahead of every other value, in every task; needs smaller and larger ones."""

    def judge(self, run: RunView) -> Verdict:
        return _best(run, "xi")


@claim(
    "gamma-extremes-worse",
    statement="Both the smallest and the largest gamma that were tried keep fewer images recognized than 1.",
    source="Section 6.4, Fig. 11",
)
class GammaExtremesWorse:
    """Both ends must be behind 1, in every task."""

    def judge(self, run: RunView) -> Verdict:
        return _extremes(run, "gamma")


@claim(
    "xi-extremes-worse",
    statement="Both the smallest and the largest xi that were tried keep fewer images recognized than 1.",
    source="Section 6.4, Fig. 11",
)
class XiExtremesWorse:
    """Both ends must be behind 1, in every task."""

    def judge(self, run: RunView) -> Verdict:
        return _extremes(run, "xi")


@claim(
    "unet-above-dncnn",
    statement="ColorCNN with a U-Net keeps more images recognized than with DnCNN, under every classifier.",
    source="Section 6.4, Fig. 11",
)
class UNetAboveDnCNN:
    """All tasks must show it, at every number of colors that both have."""

    def judge(self, run: RunView) -> Verdict:
        return run.ahead(COLORCNN, DNCNN)


@dataclass(frozen=True)
class _Tried:
    """The values of one parameter in one task at one level, ascending, each with its cells of the same seeds."""

    parameter: str
    where: str
    values: tuple[float, ...]
    cells: tuple[tuple[Cell, ...], ...]

    def part(self, run: RunView, i: int, j: int, note: str = "") -> Part:
        """Value i less value j."""
        what = f"{self.parameter} {self.values[i]:g} − {self.values[j]:g}"
        terms = [(1.0, self.cells[i], "correct"), (-1.0, self.cells[j], "correct")]
        return run.part(self.where, what, terms, note=note)


def _best(run: RunView, parameter: str) -> Verdict:
    parts, missing = [], list[str]()
    for tried in _tried(run, parameter, missing):
        chosen = tried.values.index(CHOSEN)
        others = [j for j in range(len(tried.values)) if j != chosen]
        parts += [tried.part(run, chosen, j, _possible(run, tried) if j == others[0] else "") for j in others]
    return run.every(parts, missing)


def _extremes(run: RunView, parameter: str) -> Verdict:
    missing = list[str]()
    parts = [
        tried.part(run, tried.values.index(CHOSEN), end)
        for tried in _tried(run, parameter, missing)
        for end in (0, len(tried.values) - 1)
    ]
    return run.every(parts, missing)


def _possible(run: RunView, tried: _Tried) -> str:
    """Which values may be the best, by Hsu's intervals; empty where nothing may be said."""
    from reports.claims.best import with_best

    count = len(tried.values)
    differences = {(i, j): tried.part(run, i, j).evidence for j in range(count) for i in range(j)}
    told = {place: evidence for place, evidence in differences.items() if evidence is not None}
    if len(told) < len(differences):
        return ""
    intervals = with_best(lambda i, j: told[i, j], count)
    possible = [f"{value:g}" for value, (_, hi) in zip(tried.values, intervals, strict=True) if hi > 0]
    return f"with 95\u202f% confidence the best of these is {' or '.join(possible)}"


def _tried(run: RunView, parameter: str, missing: list[str]) -> Iterator[_Tried]:
    """Wherever smaller and larger values than 1 were tried with all else as in the paper; else ``missing`` says so."""
    found = False
    for task in run.tasks:
        for level in levels_of(task, varied(parameter)):
            where = f"{task.name}, {level} colors"
            cells = {value: run.cells(task, one, level) for value, one in _values(task, parameter, level).items()}
            values = tuple(sorted(cells))
            if CHOSEN not in cells or not values[0] < CHOSEN < values[-1]:
                continue
            found = True
            seeds = set.intersection(*({cell.seed for cell in own} for own in cells.values()))
            if seeds:
                of_seeds = (tuple(cell for cell in cells[value] if cell.seed in seeds) for value in values)
                yield _Tried(parameter, where, values, tuple(of_seeds))
            else:
                missing.append(f"{where}: no seed with all values of {parameter} finished")
    if not found:
        missing.append(f"no task with {parameter} of 1, below 1 and above 1, all else as in the paper")


def _values(task: JudgedTask, parameter: str, level: Level) -> dict[float, Variant]:
    """The values that were planned, and what has each of them."""
    fitting = (cell for cell in task.cells if cell.level == level and varied(parameter)(cell))
    found = {float(cell.params[parameter]) for cell in fitting if parameter in cell.params}
    changed: list[dict[str, Any]] = [{parameter: value} for value in sorted(found)]
    return {change[parameter]: colorcnn(**change) for change in changed}
