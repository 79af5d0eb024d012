"""Accuracy over a parameter: along an axis if it is a number, side by side if it is a choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.alive import Mark, belongs, numbers
from reports.drawing import (
    PAGE,
    PAPER,
    WHOLE_PERCENTS,
    Marked,
    Sheet,
    accuracies_across,
    around,
    bars,
    canvas,
    drawing,
    enlarged,
    mark_points,
    pt,
    shortened,
    to_svg,
    trace,
    whiskers,
)
from reports.legends import Entry, put_above_page
from reports.points import Point
from reports.styles import Style
from reports.sweeps import Sweep, in_words

_DECADE = 10
_SET_APART = 0.22
"""The distance of zero from a log axis, as a share of its length."""
_NAMES_ACROSS, _EDGE, _LETTER = 0.5, 0.03, 0.0165
"""Shares of a figure's width: what names of values take at most, and on the page the room beside them, and a letter."""
_CLOSEST_TICKS = 0.06


@dataclass(frozen=True)
class Axis:
    """Positions of values. zero_apart: zero is drawn left of a log axis, which has no place for it."""

    positions: tuple[float, ...]
    is_log: bool
    zero_apart: bool


def place(values: Sequence[float]) -> Axis:
    """Ascending values on a log axis if those above zero span a decade and none lies below, else on a plain one."""
    if not spans_a_decade(values):
        return Axis(tuple(map(float, values)), is_log=False, zero_apart=False)
    logs = [math.log10(value) for value in values if value > 0]
    apart = [logs[0] - _SET_APART * (logs[-1] - logs[0])] * (len(values) - len(logs))
    return Axis((*apart, *logs), is_log=True, zero_apart=bool(apart))


def spans_a_decade(values: Sequence[float]) -> bool:
    """Whether a log axis suits: values above zero lie a decade apart, and none lies below."""
    positive = [value for value in values if value > 0]
    return bool(positive) and min(values) >= 0 and max(positive) >= _DECADE * min(positive)


def over_parameter(sweep: Sweep, styles: Mapping[str, Style], name: str) -> str:
    """A sweep as SVG. styles: of its lines. ``name`` is unique on the page."""
    figure, marks = found = sweep_figure(sweep, styles, name)
    height = put_above_page(found, legend_of(sweep, styles), name)
    return to_svg(figure, name, f"Accuracy over {sweep.parameter}, {sweep.title}", marks, legend_height=height)


def legend_of(sweep: Sweep, styles: Mapping[str, Style]) -> tuple[Entry, ...]:
    """What a legend says of a sweep's lines."""
    return tuple(Entry.of(line, styles[line], "solid" if sweep.is_numeric else "none") for line, _ in sweep.lines)


def sweep_figure(sweep: Sweep, styles: Mapping[str, Style], name: str, sheet: Sheet = PAGE) -> Marked:
    """The same for any sheet; side by side, rows have the height they need."""
    with drawing(name, sheet):
        return _along(sweep, styles) if sweep.is_numeric else _side_by_side(sweep, styles)


def _along(sweep: Sweep, styles: Mapping[str, Style]) -> Marked:
    axis = place(sweep.values)
    scale = (" (log scale, 0 set apart)" if axis.zero_apart else " (log scale)") if axis.is_log else ""
    figure, axes = canvas(f"{sweep.parameter}{scale}", (0.115, 0.17, 0.865, 0.79))
    length = axis.positions[-1] - axis.positions[0]
    marks: list[Mark] = []
    for line, found in sweep.lines:
        x, points = [axis.positions[i] for i, _ in found], [point for _, point in found]
        marks += [
            Mark(axes, axis.positions[i], point.accuracy, line, _words(sweep, line, i, point)) for i, point in found
        ]
        joined = slice(1 if axis.zero_apart and found[0][0] == 0 else 0, None)
        trace(axes, x[joined], points[joined], styles[line], line)
        if joined.start:
            trace(axes, x[:1], points[:1], styles[line], line)
            heights = [point.accuracy for point in points[:2]]
            dotted: dict[str, Any] = {"linewidth": pt(1), "linestyle": (0, (1, 2.5))}
            belongs(line, *axes.plot(x[:2], heights, color=styles[line].color, **dotted))
    ticks = with_room(axis.positions)
    axes.set_xticks([axis.positions[i] for i in ticks], [in_words(sweep.values[i]) for i in ticks])
    axes.set_xlim(axis.positions[0] - 0.05 * length, axis.positions[-1] + 0.05 * length)
    axes.set_ylim(_limits(sweep))
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=WHOLE_PERCENTS))
    if axis.zero_apart:
        break_axis(axes.xaxis, (axis.positions[0] + axis.positions[1]) / 2)
    mark_points(marks, [styles[mark.variant] for mark in marks])
    return figure, marks


def _words(sweep: Sweep, line: str, number: int, point: Point) -> str:
    """What a point of a sweep says: its line, the parameter's value and its numbers."""
    return numbers(point, f"{line}, {sweep.parameter} {in_words(sweep.values[number])}")


def with_room(positions: Sequence[float]) -> list[int]:
    """The values to name: both ends, and from the left those that leave room for the name before and the last."""
    room = _CLOSEST_TICKS * (positions[-1] - positions[0])
    named = [0]
    for i, position in enumerate(positions[:-1]):
        if position - positions[named[-1]] >= room and positions[-1] - position >= room:
            named.append(i)
    return [*named, len(positions) - 1]


def _limits(sweep: Sweep) -> tuple[float, float]:
    """Around all accuracies and intervals of a sweep."""
    ends = [
        end for _, found in sweep.lines for _, p in found for end in (p.accuracy, p.lo, p.hi) if not math.isnan(end)
    ]
    return around(ends)


def break_axis(axis: XAxis | YAxis, at: float) -> None:
    """Two strokes across an axis, where its scale does not go on."""
    axes, is_x = axis.axes, axis.axis_name == "x"
    axes.text(
        at if is_x else 0,
        0 if is_x else at,
        "//",
        transform=axes.get_xaxis_transform() if is_x else axes.get_yaxis_transform(),
        rotation=0 if is_x else 90,
        ha="center",
        va="center",
        fontsize=pt(9),
    )


def _side_by_side(sweep: Sweep, styles: Mapping[str, Style]) -> Marked:
    """A row for each value, in it a dot for each line."""
    across, _ = enlarged()
    longest = int((_NAMES_ACROSS / across - _EDGE) / _LETTER)
    names = [shortened(in_words(value), longest) for value in sweep.values]
    row = 0.3 + 0.13 * len(sweep.lines)
    height = 0.72 + row * len(names)
    figure = Figure()
    figure.set_figheight(pt(height))
    left = _EDGE + _LETTER * max(map(len, names))
    axes = figure.add_axes((left * across, 0.6 / height, 1 - (left + 0.02) * across, 1 - 0.7 / height))
    accuracies_across(axes)
    marks: list[Mark] = []
    for number, (line, found) in enumerate(sweep.lines):
        below = 0.13 / row * (number - (len(sweep.lines) - 1) / 2)
        own = [Mark(axes, point.accuracy, i + below, line, _words(sweep, line, i, point)) for i, point in found]
        _dots(axes, own, [point for _, point in found], styles[line])
        marks += own
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(_limits(sweep))
    axes.xaxis.set_major_locator(MaxNLocator(9, steps=WHOLE_PERCENTS))
    return figure, marks


def _dots(axes: Axes, marks: Sequence[Mark], points: Sequence[Point], style: Style) -> None:
    x, y = [mark.x for mark in marks], [mark.y for mark in marks]
    intervals = axes.errorbar(x, y, xerr=whiskers(points), fmt="none", ecolor=style.color, **bars())
    dots = axes.scatter(
        x, y, color=style.color, marker=style.marker, s=pt(6) ** 2, edgecolors=PAPER, linewidths=pt(0.5), zorder=3
    )
    belongs(marks[0].variant, *intervals.get_children(), dots)
