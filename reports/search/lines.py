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
    HEIGHT,
    INK,
    PAGE,
    PAPER,
    WHOLE_PERCENTS,
    WIDTH,
    Marked,
    Sheet,
    around,
    canvas,
    drawing,
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
    color_range,
    dot_size,
    legend_of_trials,
    marks,
    ring,
    shade,
    trial_marks,
)

_MOST_CYCLES = 40
_BOX = (0.115, 0.17, 0.865, 0.79)
_LETTER = 5.2
"""Points: the width of a small letter, with some room."""
_THIN = 0.7
_DASHED = (0, (3, 1.5))
_LETTERS_ACROSS = 56


def curve(trial: Trial) -> list[tuple[int, float]]:
    """(epoch, validation accuracy) wherever it was measured."""
    measured = ((epoch, metrics.get(VALIDATION_ACCURACY)) for epoch, metrics in enumerate(trial.history, 1))
    return [(epoch, value) for epoch, value in measured if value is not None and math.isfinite(value)]


def learning_curves(searched: SearchResult, name: str) -> str:
    """Validation accuracy over epochs, as SVG; nothing where no trial tells. ``name`` is unique on the page."""
    found = epochs_figure(searched, name)
    if found is None:
        return ""
    height = put_above_page(found, legend_of_trials(searched), name)
    return to_svg(found[0], name, f"Learning curves, {searched.variant}", found[1], legend_height=height)


def epochs_figure(searched: SearchResult, name: str, sheet: Sheet = PAGE) -> Marked | None:
    """The same for any sheet."""
    curves = [(trial, points) for trial in searched.trials if (points := curve(trial))]
    if not curves:
        return None
    with drawing(name, sheet):
        figure, axes = canvas("epochs", _BOX)
        last = max(points[-1][0] for _, points in curves)
        ends = [points[-1][1] for _, points in curves]
        axes.set_ylim(around([*ends, max(value for _, points in curves for _, value in points)]))
        letters = max((len(words) for _, words in marks(searched).values()), default=0)
        words_share = pt(14 + _LETTER * letters) / (72 * sheet.width * on_sheet(_BOX)[2])
        axes.set_xlim(1 - 0.03 * last, last + (1.03 * last - 1) * words_share / (1 - words_share) + 0.2)
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(7, steps=WHOLE_PERCENTS))
        if searched.cycle > 1 and last // searched.cycle <= _MOST_CYCLES:
            for end in range(searched.cycle, last + 1, searched.cycle):
                axes.axvline(end, color=FAINT, linewidth=pt(1.2), zorder=0)
        crowded = len(curves) > CROWDED
        for status, style in STATUSES.items():
            found = [(trial, points) for trial, points in curves if trial.status == status]
            if not found:
                continue
            plain = [points for trial, points in found if trial.number not in marks(searched)]
            marked = [points for trial, points in found if trial.number in marks(searched)]
            for lines, width, alpha in (
                (plain, _THIN if crowded else 1.0, 0.45 if crowded else 0.7),
                (marked, 2.2, 1.0),
            ):
                collection = LineCollection(lines, colors=style.color, linewidths=pt(width), alpha=alpha, zorder=2)
                belongs(status, axes.add_collection(collection))
            dots = axes.scatter(
                [points[-1][0] for _, points in found],
                [points[-1][1] for _, points in found],
                s=0.7 * dot_size(len(curves)),
                c=style.color,
                marker=style.marker,
                edgecolors=PAPER,
                linewidths=pt(0.5),
                zorder=3,
            )
            belongs(status, dots)
        ring(axes, searched, [(*points[-1], trial.number) for trial, points in curves], aside=True)
        return figure, trial_marks(axes, [(*points[-1], trial) for trial, points in curves])


def parallel(searched: SearchResult, scales: Sequence[Scale], name: str) -> str:
    """A line through parameters and accuracy of each trial that has one, as SVG. ``name`` is unique on the page."""
    measured = [(trial.accuracy, i) for i, trial in enumerate(searched.trials) if trial.accuracy is not None]
    if not measured:
        return ""
    with drawing(name):
        figure = Figure(figsize=(WIDTH, HEIGHT))
        axes = figure.add_axes((0.09, 0.05, 0.8, 0.83))
        axes.set_axis_off()
        axes.set_xlim(0, len(scales))
        axes.set_ylim(0, 1)
        low, high = color_range(searched)
        room = _LETTERS_ACROSS // (len(scales) + 1)
        for x, scale in enumerate(scales):
            _upright(axes, x, scale.parameter, [(scale.share(at), words) for at, words in scale.ticks], room)
        accuracies = MaxNLocator(6, steps=WHOLE_PERCENTS).tick_values(low, high)
        ticks = [((tick - low) / (high - low), f"{100 * tick:.0f}") for tick in accuracies if low <= tick <= high]
        _upright(axes, len(scales), "accuracy, %", ticks, room)
        thin = _THIN if len(measured) > CROWDED else 1.1
        own: list[Mark] = []
        for accuracy, i in sorted(measured, key=lambda item: (item[0], -item[1])):
            heights = [*(scale.share(scale.positions[i]) for scale in scales), (accuracy - low) / (high - low)]
            _line(axes, searched, searched.trials[i], heights, shade(accuracy, low, high), thin)
            own += trial_marks(axes, [(len(scales), heights[-1], searched.trials[i])])
        finished = {searched.trials[i].status == "finished" for _, i in measured}
        ways = ((True, "finished", "solid"), (False, "did not finish", _DASHED))
        entries = [Entry(words, INK, "", line) for way, words, line in ways if way in finished]
        height = put_above_page((figure, own), entries, name)
        words = f"Parameters and accuracy of every trial, {searched.variant}"
        return to_svg(figure, name, words, own, legend_height=height)


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
        linewidth=2.6,
        linestyle=line,
        marker=marks(searched)[trial.number][0],
        markersize=5,
        markerfacecolor=PAPER,
        markeredgecolor=INK,
        clip_on=False,
        zorder=3,
    )
    belongs(trial.status, *lines)
    ring(axes, searched, [(len(heights) - 1, heights[-1], trial.number)], aside=True)


def _upright(axes: Axes, x: float, title: str, ticks: Sequence[tuple[float, str]], room: int) -> None:
    """One of the parallel axes with its name above and its ticks at its left."""
    axes.plot([x, x], [0, 1], color=INK, linewidth=0.8, zorder=1)
    axes.annotate(
        shortened(title, room),
        (x, 1),
        (0, 12),
        textcoords="offset points",
        ha="center",
        va="bottom",
        annotation_clip=False,
    )
    for height, words in ticks[:: 1 + len(ticks) // 9]:
        axes.plot([x - 0.012, x], [height, height], color=INK, linewidth=0.8, zorder=1, clip_on=False)
        axes.annotate(
            shortened(words, room),
            (x, height),
            (-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            annotation_clip=False,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
            zorder=4,
        )
