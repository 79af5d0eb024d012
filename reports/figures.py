"""Accuracy against colors and against bits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports.alive import Mark, belongs, numbers
from reports.drawing import (
    INK,
    PAGE,
    Box,
    Marked,
    Sheet,
    canvas,
    drawing,
    fitted,
    mark_points,
    pt,
    round_ticks,
    shortened,
    spread,
    to_svg,
    trace,
)
from reports.legends import Entry, put_above_page
from reports.points import Point, Task
from reports.rows import in_rows
from reports.styles import Style
from reports.trade_offs import KINDS, Bits, front_of, with_bits

_LONGEST_LABEL = 20
_MOST_LABELS = 8
DASHES: dict[str, Any] = {"quality": (0, (4, 1.6))}
_HIGHEST = 1.03
_LEAST_RATIO = 1.001
"""Of bits that an axis tells apart."""
_GAP = 0.062
"""Between two names at the ends of lines: a line of text, as a share of accuracy."""
_SMALL = 8
_LETTER, _LINE = 0.65 * _SMALL, 1.2 * _SMALL
"""Points: width and height that a digit in small letters takes, with some room."""


def with_colors(task: Task) -> list[Point]:
    """The points of a task that have a number of colors."""
    return [point for point in task.points if point.ok and point.level_kind == "colors"]


def legend_of(points: Iterable[Point], styles: Mapping[str, Style]) -> tuple[Entry, ...]:
    """What a legend says of the variants of these points."""
    lines = _lines(points)
    return tuple(Entry.of(v, styles[v], DASHES.get(line[0].level_kind, "solid")) for v, line in lines.items())


def against_colors(task: Task, styles: Mapping[str, Style], name: str) -> str:
    """Accuracy against the number of colors; nothing where no point has colors. ``name`` is unique on the page."""
    found, saved = (colors_figure(task, styles, name, named=named) for named in (True, False))
    if found is None or saved is None:
        return ""
    put_above_page(saved, legend_of(with_colors(task), styles), name)
    return to_svg(found[0], name, colors_title(task), found[1], saved[0])


def colors_title(task: Task) -> str:
    """What ``colors_figure`` shows, in words."""
    level = _only_level(with_colors(task))
    return f"Accuracy {f'at {level} colors' if level else 'against the number of colors'}, {task.name}"


def _only_level(points: Sequence[Point]) -> int | None:
    levels = {point.level for point in points}
    return levels.pop() if len(levels) == 1 else None


def colors_figure(
    task: Task, styles: Mapping[str, Style], name: str, sheet: Sheet = PAGE, named: bool = True
) -> Marked | None:
    """The same for any sheet. named: lines have their names at their ends, if there is room for all.

    Points of a single number of colors would all lie above each other; they are a row each.
    """
    lines = _lines(with_colors(task))
    if not lines:
        return None
    if _only_level(with_colors(task)):
        with drawing(name, sheet):
            return in_rows(task, with_colors(task), styles)
    with drawing(name, sheet):
        figure, axes = _canvas(task, "colors per image, at most", (0.115, 0.17, 0.585 if named else 0.865, 0.79))
        places = {v: [(float(p.level or 1), p) for p in points] for v, points in lines.items()}
        _draw(axes, places, styles)
        levels = sorted({p.level for points in lines.values() for p in points if p.level})
        axes.set_xscale("log", base=2)
        axes.set_xlim(levels[0] / 1.3, levels[-1] * 1.3)
        axes.set_xticks(levels, [str(level) for level in levels])
        axes.xaxis.set_minor_locator(NullLocator())
        _name_bits(axes, levels)
        few = len(lines) <= _MOST_LABELS
        if named:
            _label_ends(axes, {v: points[-1] for v, points in lines.items() if few or len(points) > 1}, styles)
        return figure, _mark(axes, places, styles)


def against_bits(task: Task, styles: Mapping[str, Style], name: str, bits: Bits = KINDS[0]) -> str:
    """Accuracy against bits per pixel, with the front; nothing where no point has such bits. Codecs are dashed."""
    found = bits_figure(task, styles, name, bits)
    if found is None:
        return ""
    height = put_above_page(found, legend_of(with_bits(task, bits), styles), name)
    title = f"Accuracy against bits per pixel of {bits.words}, {task.name}"
    return to_svg(found[0], name, title, found[1], legend_height=height)


def bits_figure(task: Task, styles: Mapping[str, Style], name: str, bits: Bits, sheet: Sheet = PAGE) -> Marked | None:
    """The same for any sheet."""
    lines = _lines(with_bits(task, bits))
    if not lines:
        return None
    with drawing(name, sheet):
        figure, axes = _canvas(task, f"bits per pixel of {bits.words}", (0.115, 0.17, 0.865, 0.79))
        axes.set_xscale("log")
        places = {v: [(p.mean(bits.column), p) for p in points] for v, points in lines.items()}
        _draw_front(axes, [(point.mean(bits.column), point.accuracy) for point in front_of(task, bits)])
        _draw(axes, places, styles)
        values = [value for line in places.values() for value, _ in line]
        if max(values) < _LEAST_RATIO * min(values):
            axes.set_xlim(values[0] / 2, 2 * values[0])
        axes.margins(x=0.08)
        axes.xaxis.set_major_locator(FixedLocator(round_ticks(axes.get_xlim())))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        _name_levels(axes, [place for line in places.values() for place in line])
        return figure, _mark(axes, places, styles)


def _draw_front(axes: Axes, front: list[tuple[float, float]]) -> None:
    """Steps from point to point: what is reached with at most so many bits."""
    bits, accuracies = zip(*front, strict=True)
    axes.step(bits, accuracies, where="post", color=INK, linewidth=pt(0.9), gid="front", zorder=2)


def _lines(points: Iterable[Point]) -> dict[str, list[Point]]:
    lines: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda p: (p.variant, p.level or 0)):
        lines.setdefault(point.variant, []).append(point)
    return lines


def _canvas(task: Task, xlabel: str, box: Box) -> tuple[Figure, Axes]:
    """Axes from nothing to everything recognized, with the original and chance as lines."""
    figure, axes = canvas(xlabel, box)
    axes.set_ylim(0, _HIGHEST)
    for height, words, dashes, x in ((task.original, "original", (5, 3), 0.01), (task.chance, "chance", (1, 2), 0.99)):
        if not math.isnan(height):
            axes.axhline(height, color=INK, linewidth=pt(0.9), linestyle=(0, dashes))
            side = "left" if x < 0.5 else "right"
            axes.text(
                x,
                height + 0.012,
                words,
                transform=axes.get_yaxis_transform(),
                fontsize=pt(_SMALL),
                ha=side,
                va="bottom",
            )
    return figure, axes


def _draw(axes: Axes, lines: Mapping[str, list[tuple[float, Point]]], styles: Mapping[str, Style]) -> None:
    for variant, line in lines.items():
        points = [point for _, point in line]
        dashes = DASHES.get(points[0].level_kind, "solid")
        trace(axes, [value for value, _ in line], points, styles[variant], variant, dashes)


def _mark(axes: Axes, lines: Mapping[str, list[tuple[float, Point]]], styles: Mapping[str, Style]) -> list[Mark]:
    marks = [
        Mark(axes, value, point.accuracy, variant, numbers(point))
        for variant, line in lines.items()
        for value, point in line
    ]
    mark_points(marks, [styles[mark.variant] for mark in marks])
    return marks


def _name_bits(axes: Axes, levels: list[int]) -> None:
    """Below the colors: how many bits name one of them, where that is a whole number."""
    for level in levels:
        if level & (level - 1) == 0:
            bits = level.bit_length() - 1
            words = f"{bits} bit" if bits == 1 else f"{bits} bits"
            axes.annotate(
                words,
                (level, 0),
                (0, pt(-19)),
                ("data", "axes fraction"),
                "offset points",
                ha="center",
                va="top",
                fontsize=pt(_SMALL),
            )
    axes.xaxis.labelpad = pt(12)


def _label_ends(axes: Axes, ends: Mapping[str, Point], styles: Mapping[str, Style]) -> None:
    """Names to the right of the axes, at the height where each line ends, moved apart where they would touch.

    None where there is no room for all: the page has a legend.
    """
    if (len(ends) - 1) * _GAP > _HIGHEST:
        return
    heights = spread([point.accuracy for point in ends.values()], _GAP, 0.0, _HIGHEST)
    right = axes.get_xlim()[1]
    for (variant, point), height in zip(ends.items(), heights, strict=True):
        color = styles[variant].color
        start = (float(point.level or 1), point.accuracy)
        beside_axes = axes.get_yaxis_transform()
        leads = axes.plot(
            [1.0, 1.045], [point.accuracy, height], transform=beside_axes, color=color, linewidth=pt(0.9), clip_on=False
        )
        leads += axes.plot([start[0], right], [start[1]] * 2, color=color, linewidth=pt(0.9), alpha=0.45)
        words = shortened(variant, _LONGEST_LABEL)
        belongs(variant, *leads, axes.text(1.06, height, words, transform=beside_axes, va="center", color=INK))


def _name_levels(axes: Axes, places: list[tuple[float, Point]]) -> None:
    """Each level once, at the right of the most bits it takes: rising lines leave room below it.

    The lowest and the highest of a kind go first; of the others those that find room. A lone level tells no points
    apart and is not named.
    """
    largest: dict[tuple[str, int], tuple[float, Point]] = {}
    having: dict[tuple[str, int], set[str]] = {}
    for bits, point in sorted(places, key=lambda place: (place[0], place[1].variant)):
        if point.level is not None:
            largest[point.level_kind, point.level] = bits, point
            having.setdefault((point.level_kind, point.level), set()).add(point.variant)
    if len(largest) < 2:
        return
    of_kind: dict[str, list[int]] = {}
    for kind, level in largest:
        of_kind.setdefault(kind, []).append(level)
    named = sorted(largest, key=lambda place: place[1] not in (min(of_kind[place[0]]), max(of_kind[place[0]])))
    names = [f"{level}" if kind == "colors" else f"q{level}" for kind, level in named]
    ends = [(bits, point.accuracy) for bits, point in (largest[place] for place in named)]
    inches = axes.transData.transform(ends) / axes.figure.dpi
    aside, below = pt(5), pt(-6)
    corners = [(72 * x + aside, 72 * y + below) for x, y in inches]
    tops = fitted(corners, [pt(_LETTER) * len(name) for name in names], pt(_LINE))
    for place, name, end, (_, wanted), top in zip(named, names, ends, corners, tops, strict=True):
        if top is None:
            continue
        offset, size = (aside, below + top - wanted), pt(_SMALL)
        words = axes.annotate(name, end, offset, textcoords="offset points", ha="left", va="top", fontsize=size)
        if len(having[place]) == 1:
            belongs(having[place].pop(), words)
