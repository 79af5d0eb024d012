"""Accuracies of one level, a row for each variant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.alive import Mark, belongs, numbers
from reports.drawing import (
    INK,
    WHOLE_PERCENTS,
    Marked,
    accuracies_across,
    around,
    bars,
    enlarged,
    mark_points,
    pt,
    shortened,
    whiskers,
)
from reports.points import Point, Task
from reports.styles import Style

MOST_ROWS = 40
"""Of more variants the most accurate ones are drawn, and it is said."""
_ROW, _BELOW, _ABOVE = 0.23, 0.62, 0.3
"""Inches of the page: a row, and what is below and above them all."""
_LONGEST = 28
_NAMES_ACROSS, _EDGE, _LETTER = 0.5, 0.03, 0.0165
"""Shares of a figure's width: what names take at most, and on the page the room beside them, and a letter."""


def in_rows(task: Task, points: Sequence[Point], styles: Mapping[str, Style]) -> Marked:
    """The most accurate at the top, on the sheet that is drawn on; it is as high as the rows need."""
    in_order = sorted(points, key=lambda point: (-point.accuracy, point.variant))
    shown = in_order[:MOST_ROWS]
    across, _ = enlarged()
    longest = min(int((_NAMES_ACROSS / across - _EDGE) / _LETTER), _LONGEST)
    names = [shortened(point.variant, longest) for point in shown]
    figure, axes = _axes(task, shown, (_EDGE + _LETTER * max(map(len, names))) * across)
    if len(shown) < len(in_order):
        axes.set_xlabel(f"accuracy, %, of the {len(shown)} most accurate of {len(in_order)}")
    marks = [Mark(axes, p.accuracy, row, p.variant, numbers(p)) for row, p in enumerate(shown)]
    for row, (point, name) in enumerate(zip(shown, names, strict=True)):
        color = styles[point.variant].color
        interval = axes.errorbar([point.accuracy], [row], xerr=whiskers([point]), fmt="none", ecolor=color, **bars())
        words = axes.annotate(
            name, (0, row), (pt(-6), 0), ("axes fraction", "data"), "offset points", ha="right", va="center"
        )
        belongs(point.variant, *interval.get_children(), words)
    mark_points(marks, [styles[point.variant] for point in shown])
    return figure, marks


def _axes(task: Task, points: Sequence[Point], left: float) -> tuple[Figure, Axes]:
    """Around the accuracies, with the original and chance where they lie within. left: as a share of the width."""
    figure = Figure()
    height = _BELOW + _ABOVE + _ROW * (len(points) + 0.5)
    figure.set_figheight(pt(height))
    axes = figure.add_axes((left, _BELOW / height, 1 - left - 0.02, 1 - (_BELOW + _ABOVE) / height))
    accuracies_across(axes)
    axes.set_yticks([])
    axes.set_ylim(len(points) - 0.25, -0.75)
    lines = [
        (share, words, dashes)
        for share, words, dashes in ((task.original, "original", (5, 3)), (task.chance, "chance", (1, 2)))
        if not math.isnan(share)
    ]
    ends = [end for p in points for end in (p.accuracy, p.lo, p.hi) if not math.isnan(end)]
    axes.set_xlim(around([*ends, *(share for share, _, _ in lines)]))
    axes.xaxis.set_major_locator(MaxNLocator(9, steps=WHOLE_PERCENTS))
    for share, words, dashes in lines:
        axes.axvline(share, color=INK, linewidth=pt(0.9), linestyle=(0, dashes))
        axes.annotate(
            words,
            (share, 1),
            (0, pt(2)),
            ("data", "axes fraction"),
            "offset points",
            ha="center",
            va="bottom",
            fontsize=pt(8),
        )
    return figure, axes
