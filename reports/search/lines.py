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
from reports.drawing import (
    FAINT,
    HEIGHT,
    INK,
    PAGE,
    PAPER,
    WHOLE_PERCENTS,
    WIDTH,
    Sheet,
    around,
    canvas,
    drawing,
    enlarged,
    pt,
    shortened,
    to_svg,
)
from reports.search.axes import Scale
from reports.search.marks import CROWDED, STATUSES, color_range, dot_size, marks, ring, shade

_MOST_CYCLES = 40
_THIN = 0.7
_DASHED = (0, (3, 1.5))
_LETTERS_ACROSS = 56


def curve(trial: Trial) -> list[tuple[int, float]]:
    """(epoch, validation accuracy) wherever it was measured."""
    measured = ((epoch, metrics.get(VALIDATION_ACCURACY)) for epoch, metrics in enumerate(trial.history, 1))
    return [(epoch, value) for epoch, value in measured if value is not None and math.isfinite(value)]


def learning_curves(searched: SearchResult, name: str) -> str:
    """Validation accuracy over epochs, as SVG; nothing where no trial tells. ``name`` is unique on the page."""
    figure = epochs_figure(searched, name)
    return "" if figure is None else to_svg(figure, name, f"Learning curves, {searched.variant}")


def epochs_figure(searched: SearchResult, name: str, sheet: Sheet = PAGE) -> Figure | None:
    """The same for any sheet."""
    curves = [(trial, points) for trial in searched.trials if (points := curve(trial))]
    if not curves:
        return None
    with drawing(name, sheet):
        figure, axes = canvas("epochs", (0.115, 0.17, 0.865, 0.79))
        last = max(points[-1][0] for _, points in curves)
        ends = [points[-1][1] for _, points in curves]
        axes.set_ylim(around([*ends, max(value for _, points in curves for _, value in points)]))
        before, room = 1 - 0.03 * last, 0.11 * last + 0.2
        share = min(enlarged()[0] * room / (last + room - before), 0.95)
        axes.set_xlim(before, last + (last - before) * share / (1 - share))
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
                axes.add_collection(
                    LineCollection(lines, colors=style.color, linewidths=pt(width), alpha=alpha, zorder=2)
                )
            axes.scatter(
                [points[-1][0] for _, points in found],
                [points[-1][1] for _, points in found],
                s=0.7 * dot_size(len(curves)),
                c=style.color,
                marker=style.marker,
                edgecolors=PAPER,
                linewidths=pt(0.5),
                zorder=3,
            )
        ring(axes, searched, [(*points[-1], trial.number) for trial, points in curves], aside=True)
        return figure


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
        for accuracy, i in sorted(measured, key=lambda item: (item[0], -item[1])):
            heights = [*(scale.share(scale.positions[i]) for scale in scales), (accuracy - low) / (high - low)]
            _line(axes, searched, searched.trials[i], heights, shade(accuracy, low, high), thin)
        return to_svg(figure, name, f"Parameters and accuracy of every trial, {searched.variant}")


def _line(axes: Axes, searched: SearchResult, trial: Trial, heights: list[float], color: Any, thin: float) -> None:
    """One trial; the marked ones thick, with their ring's shape on every axis."""
    line = "solid" if trial.status == "finished" else _DASHED
    if trial.number not in marks(searched):
        axes.plot(range(len(heights)), heights, color=color, linewidth=thin, linestyle=line, clip_on=False, zorder=2)
        return
    axes.plot(
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
