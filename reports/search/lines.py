"""Trials as lines: learning curves over epochs, and parallel coordinates over all searched parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.contracts import VALIDATION_ACCURACY, SearchResult, Trial
from reports.alive import Mark, belongs
from reports.drawing import (
    FAINT,
    INK,
    PAGE,
    PAPER,
    WHOLE_PERCENTS,
    Marked,
    Sheet,
    around,
    canvas,
    drawing,
    enlarged,
    on_sheet,
    pt,
    shortened,
    to_svg,
)
from reports.legends import Entry, put_above_page
from reports.search.axes import Scale
from reports.search.marks import (
    CROWDED,
    STATUSES,
    accuracy_ticks,
    color_range,
    dot_size,
    legend_of_trials,
    marks,
    ring,
    shade,
    trial_marks,
)

MOST_UPRIGHTS = 8
"""So many parameters side by side still have room for their names."""
_MOST_CYCLES = 40
_BOX = (0.115, 0.17, 0.865, 0.79)
_LETTER = 5.2
"""Points: the width of a small letter, with some room."""
_THIN = 0.7
_DASHED = (0, (3, 1.5))
_LETTERS_ACROSS = 56
_BESIDE_MARKERS, _BESIDE_RINGS = 5.5, 9
"""Points between an axis and its ticks' words, which what is drawn on it would cover."""


def curve(trial: Trial) -> list[tuple[int, float]]:
    """(epoch, validation accuracy) wherever it was measured."""
    measured = ((epoch, metrics.get(VALIDATION_ACCURACY)) for epoch, metrics in enumerate(trial.history, 1))
    return [(epoch, value) for epoch, value in measured if value is not None and math.isfinite(value)]


Curves = Sequence[tuple[Trial, list[tuple[int, float]]]]


def curves(searched: SearchResult) -> Curves:
    """Those of all trials that have one."""
    return [(trial, points) for trial in searched.trials if (points := curve(trial))]


def cut_off(searched: SearchResult) -> int:
    """How many curves begin below the axis, which is there to tell their ends apart."""
    found = curves(searched)
    return sum(min(value for _, value in points) < _limits(found)[0] for _, points in found)


def cycle_ends(searched: SearchResult) -> range:
    """The epochs at which a vertical line ends a cycle; none where a cycle is an epoch, or where they are too many."""
    found = curves(searched)
    last = _last(found) if found else 0
    are_few = searched.cycle > 1 and last // searched.cycle <= _MOST_CYCLES
    return range(searched.cycle, last + 1, searched.cycle) if are_few else range(0)


def _last(found: Curves) -> int:
    return max(points[-1][0] for _, points in found)


def _limits(found: Curves) -> tuple[float, float]:
    """Around the ends of the curves, and as high as any gets."""
    highest = max(value for _, points in found for _, value in points)
    return around([*(points[-1][1] for _, points in found), highest])


def learning_curves(searched: SearchResult, name: str) -> str:
    """Validation accuracy over epochs, as SVG; nothing where no trial tells. ``name`` is unique on the page."""
    found = epochs_figure(searched, name)
    if found is None:
        return ""
    height = put_above_page(found, legend_of_trials(searched), name)
    return to_svg(found[0], name, f"Learning curves, {searched.variant}", found[1], legend_height=height)


def epochs_figure(searched: SearchResult, name: str, sheet: Sheet = PAGE) -> Marked | None:
    """The same for any sheet."""
    found = curves(searched)
    if not found:
        return None
    with drawing(name, sheet):
        figure, axes = canvas("epochs", _BOX)
        last = _last(found)
        axes.set_ylim(_limits(found))
        letters = max((len(words) for _, words in marks(searched).values()), default=0)
        words_share = pt(14 + _LETTER * letters) / (72 * sheet.width * on_sheet(_BOX)[2])
        axes.set_xlim(1 - 0.03 * last, last + (1.03 * last - 1) * words_share / (1 - words_share) + 0.2)
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(7, steps=WHOLE_PERCENTS))
        for end in cycle_ends(searched):
            axes.axvline(end, color=FAINT, linewidth=pt(1.2), zorder=0)
        crowded = len(found) > CROWDED
        for status, style in STATUSES.items():
            own = [(trial, points) for trial, points in found if trial.status == status]
            if not own:
                continue
            plain = [points for trial, points in own if trial.number not in marks(searched)]
            marked = [points for trial, points in own if trial.number in marks(searched)]
            for lines, width, alpha in (
                (plain, _THIN if crowded else 1.0, 0.45 if crowded else 0.7),
                (marked, 2.2, 1.0),
            ):
                collection = LineCollection(lines, colors=style.color, linewidths=pt(width), alpha=alpha, zorder=2)
                belongs(status, axes.add_collection(collection))
            dots = axes.scatter(
                [points[-1][0] for _, points in own],
                [points[-1][1] for _, points in own],
                s=0.7 * dot_size(len(found)),
                c=style.color,
                marker=style.marker,
                edgecolors=PAPER,
                linewidths=pt(0.5),
                zorder=3,
            )
            belongs(status, dots)
        ring(axes, searched, [(*points[-1], trial.number) for trial, points in found], aside=True)
        return figure, trial_marks(axes, [(*points[-1], trial) for trial, points in found])


def parallel(searched: SearchResult, scales: Sequence[Scale], name: str) -> str:
    """A line through parameters and accuracy of each trial that has one, as SVG. ``name`` is unique on the page."""
    found = parallel_figure(searched, scales, name)
    if found is None:
        return ""
    height = put_above_page(found, legend_of_ends(searched), name)
    words = f"Parameters and accuracy of every trial, {searched.variant}"
    return to_svg(found[0], name, words, found[1], legend_height=height)


def legend_of_ends(searched: SearchResult) -> tuple[Entry, ...]:
    """What a legend says of the lines through all parameters."""
    finished = {trial.status == "finished" for trial in searched.trials if trial.accuracy is not None}
    ways = ((True, "finished", "solid"), (False, "did not finish", _DASHED))
    return tuple(Entry(words, INK, "", line) for way, words, line in ways if way in finished)


def parallel_figure(searched: SearchResult, scales: Sequence[Scale], name: str, sheet: Sheet = PAGE) -> Marked | None:
    """The same for any sheet."""
    measured = [(trial.accuracy, i) for i, trial in enumerate(searched.trials) if trial.accuracy is not None]
    if not measured:
        return None
    with drawing(name, sheet):
        figure = Figure()
        left, bottom, width, height = on_sheet((0.09, 0.05, 0.8, 0.83))
        letters = max((len(words) for _, words in marks(searched).values()), default=0)
        axes = figure.add_axes(
            (left, bottom, min(width, 1 - left - pt(14 + _LETTER * letters) / (72 * sheet.width)), height)
        )
        axes.set_axis_off()
        axes.set_xlim(0, len(scales))
        axes.set_ylim(0, 1)
        low, high = color_range(searched)
        room = int(_LETTERS_ACROSS / enlarged()[0]) // (len(scales) + 1)
        for x, scale in enumerate(scales):
            _upright(axes, x, scale.parameter, [(scale.share(at), words) for at, words in scale.ticks], room)
        ticks = [((tick - low) / (high - low), words) for tick, words in accuracy_ticks(low, high)]
        _upright(axes, len(scales), "accuracy, %", ticks, max(room, len("accuracy, %")), beside=_BESIDE_RINGS)
        thin = pt(_THIN if len(measured) > CROWDED else 1.1)
        own: list[Mark] = []
        for accuracy, i in sorted(measured, key=lambda item: (item[0], -item[1])):
            heights = [*(scale.share(scale.positions[i]) for scale in scales), (accuracy - low) / (high - low)]
            _line(axes, searched, searched.trials[i], heights, shade(accuracy, low, high), thin)
            own += trial_marks(axes, [(len(scales), heights[-1], searched.trials[i])])
        return figure, own


def _line(axes: Axes, searched: SearchResult, trial: Trial, heights: list[float], color: Any, thin: float) -> None:
    """One trial; the marked ones thick, with their ring's shape on every axis."""
    line = "solid" if trial.status == "finished" else _DASHED
    if trial.number not in marks(searched):
        lines = axes.plot(
            range(len(heights)), heights, color=color, linewidth=thin, linestyle=line, clip_on=False, zorder=2
        )
        belongs(trial.status, *lines)
        return
    lines = axes.plot(
        range(len(heights)),
        heights,
        color=color,
        linewidth=pt(2.6),
        linestyle=line,
        marker=marks(searched)[trial.number][0],
        markersize=pt(5),
        markerfacecolor=PAPER,
        markeredgecolor=INK,
        clip_on=False,
        zorder=3,
    )
    belongs(trial.status, *lines)
    ring(axes, searched, [(len(heights) - 1, heights[-1], trial.number)], aside=True)


def _upright(
    axes: Axes, x: float, title: str, ticks: Sequence[tuple[float, str]], room: int, beside: float = _BESIDE_MARKERS
) -> None:
    """One of the parallel axes with its name above and its ticks at its left, so many points away."""
    axes.plot([x, x], [0, 1], color=INK, linewidth=pt(0.8), zorder=1)
    axes.annotate(
        shortened(title, room),
        (x, 1),
        (0, pt(12)),
        textcoords="offset points",
        ha="center",
        va="bottom",
        annotation_clip=False,
    )
    for height, words in ticks[:: 1 + len(ticks) // 9]:
        axes.plot([x - 0.012, x], [height, height], color=INK, linewidth=pt(0.8), zorder=1, clip_on=False)
        axes.annotate(
            shortened(words, room),
            (x, height),
            (-pt(beside), 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=pt(8),
            annotation_clip=False,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": pt(0.6), "alpha": 0.8},
            zorder=4,
        )
