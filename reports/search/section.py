"""Everything the page shows about a search that chose parameters of this run's variants."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from harness.contracts import SearchResult, Trial
from reports.points import Task
from reports.search import notes
from reports.search.axes import scales
from reports.search.figures import over_parameter, over_plane
from reports.search.importance import importances, judged
from reports.search.lines import MOST_UPRIGHTS, curves, learning_curves, parallel
from reports.search.marks import STATUSES, marks
from reports.search.story import outcome, sentences, title
from reports.styles import Style
from reports.sweeps import in_words

_MOST_PLANES = 3


@dataclass(frozen=True)
class Drawn:
    """A figure with the words above and below it."""

    title: str
    figure: Markup
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One trial in the table: its values in words, and ``paper`` or ``defaults``, ``best``, or both."""

    trial: Trial
    values: tuple[str, ...]
    marked: str


@dataclass(frozen=True)
class Search:
    """sentences: what there is to say, each with a word for what it is about. start: what trial 0 is called.

    statuses: those that occur, with their styles. judged: how many trials importance uses. without: how many have
    no accuracy. note, importance_note: how to read the figures. errors: how often trials failed with which message.
    """

    id: str
    title: str
    sentences: tuple[tuple[str, str], ...]
    outcome: str
    start: str
    parameters: tuple[str, ...]
    statuses: Mapping[str, Style]
    figures: tuple[Drawn, ...]
    note: str
    importances: tuple[tuple[str, float], ...]
    importance_note: str
    judged: int
    without: int
    errors: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]


def sections(searches: Sequence[SearchResult], tasks: Sequence[Task]) -> list[Search]:
    """The searches of a run in their order."""
    return [_section(f"search{number}", _sound(searched), tasks) for number, searched in enumerate(searches)]


def _sound(searched: SearchResult) -> SearchResult:
    """Without accuracies that are no numbers."""
    return replace(
        searched,
        trials=tuple(
            replace(trial, accuracy=None) if trial.accuracy is not None and not math.isfinite(trial.accuracy) else trial
            for trial in searched.trials
        ),
    )


def _section(id: str, searched: SearchResult, tasks: Sequence[Task]) -> Search:
    lost = [trial for trial in searched.trials if trial.accuracy is None]
    met = {trial.status for trial in searched.trials}
    return Search(
        id=id,
        title=title(searched),
        sentences=sentences(searched),
        outcome=outcome(searched, tasks),
        start=searched.start_words,
        parameters=tuple(searched.space),
        statuses={status: style for status, style in STATUSES.items() if status in met},
        figures=tuple(_figures(id, searched)),
        note=notes.of_figures(searched),
        importances=importances(searched),
        importance_note=notes.of_importance(searched),
        judged=len(judged(searched)),
        without=len(lost),
        errors=_errors(searched),
        rows=_rows(searched),
    )


def _errors(searched: SearchResult) -> tuple[tuple[str, int], ...]:
    """The messages of what failed with how often they came, the most frequent first."""
    met = Counter(trial.error or "no reason given" for trial in searched.trials if trial.status == "failed")
    return tuple(sorted(met.items(), key=lambda item: (-item[1], item[0])))


def _rows(searched: SearchResult) -> tuple[Row, ...]:
    """The most accurate first, those without an accuracy last."""
    named = marks(searched)

    def order(trial: Trial) -> tuple[bool, float, int]:
        return trial.accuracy is None, -(trial.accuracy or 0.0), trial.number

    return tuple(
        Row(
            trial,
            tuple(in_words(trial.chosen.get(parameter)) for parameter in searched.space),
            named[trial.number][1] if trial.number in named else "",
        )
        for trial in sorted(searched.trials, key=order)
    )


def _figures(id: str, searched: SearchResult) -> list[Drawn]:
    """Every parameter, the planes of two, all together, and over epochs; nothing where no trial has an accuracy."""
    if all(trial.accuracy is None for trial in searched.trials):
        return []
    axes = scales(searched)
    drawn = [
        Drawn(
            f"Over {scale.parameter}",
            _own(over_parameter(searched, scale, f"{id}p{number}")),
            notes.of_parameter(scale),
        )
        for number, scale in enumerate(axes)
    ]
    planes = list(itertools.combinations([scale for scale in axes if scale.is_numeric], 2))
    for number, (across, up) in enumerate(planes[:_MOST_PLANES]):
        figure = over_plane(searched, across, up, f"{id}plane{number}")
        drawn.append(Drawn(f"{across.parameter} and {up.parameter}", _own(figure), notes.PLANE))
    if len(planes) > _MOST_PLANES:
        drawn[-1] = replace(drawn[-1], note=f"{notes.PLANE} {len(planes) - _MOST_PLANES} more planes are not drawn.")
    if len(axes) > 1:
        shown = axes[:MOST_UPRIGHTS]
        words = "All parameters" if shown == axes else f"The first {len(shown)} of {len(axes)} parameters"
        drawn.append(Drawn(words, _own(parallel(searched, shown, f"{id}all")), notes.of_all(searched, shown)))
    if curves(searched):
        drawn.append(Drawn("Over epochs", _own(learning_curves(searched, f"{id}epochs")), notes.of_epochs(searched)))
    return drawn


def _own(svg: str) -> Markup:
    """Our own figures; their texts are escaped by matplotlib."""
    return Markup(svg)
