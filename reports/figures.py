"""Accuracy against colors and against bits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator, NullLocator

from reports.alive import Mark, belongs, numbers
from reports.drawing import (
    INK,
    PAGE,
    WHOLE_PERCENTS,
    Box,
    Marked,
    Sheet,
    around,
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
_HALF = 0.5
_GAP = 0.06
"""Between two names at the ends of lines: a line of text, as a share of the axis."""
_SMALL = 8
_ABOVE_LINE = 2.5
"""Points between a line and what is said of it."""
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
        box = (0.115, 0.17, 0.585 if named else 0.865, 0.79)
        figure, axes = _canvas(task, with_colors(task), "colors per image, at most", box)
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
    height = put_above_page(found, legend_of(around_level(task, bits)[0], styles), name)
    title = f"Accuracy against bits per pixel of {bits.words}, {task.name}"
    return to_svg(found[0], name, title, found[1], legend_height=height)


def bits_figure(task: Task, styles: Mapping[str, Style], name: str, bits: Bits, sheet: Sheet = PAGE) -> Marked | None:
    """The same for any sheet. Where all points have one level, they have their variants' names."""
    shown, _ = around_level(task, bits)
    lines = _lines(shown)
    if not lines:
        return None
    with drawing(name, sheet):
        alone = len({(p.level_kind, p.level) for p in shown}) == 1
        figure, axes = _canvas(task, shown, f"bits per pixel of {bits.words}", (0.115, 0.17, 0.865, 0.79))
        axes.set_xscale("log")
        places = {v: [(p.mean(bits.column), p) for p in points] for v, points in lines.items()}
        _draw_front(axes, [(p.mean(bits.column), p.accuracy) for p in front_of(task, bits) if p in shown])
        _draw(axes, places, styles)
        values = [value for line in places.values() for value, _ in line]
        if max(values) < _LEAST_RATIO * min(values):
            axes.set_xlim(values[0] / 2, 2 * values[0])
        axes.margins(x=0.08)
        ticks = round_ticks(axes.get_xlim())
        axes.set_xticks(ticks, _in_words(ticks, alike=alone))
        axes.xaxis.set_minor_locator(NullLocator())
        name_points = _name_variants if alone else _name_levels
        name_points(axes, [place for line in places.values() for place in line])
        return figure, _mark(axes, places, styles)


def around_level(task: Task, bits: Bits) -> tuple[list[Point], list[Point]]:
    """The points of ``bits_figure``, and those left out: where all levels are equal, what has none is far off."""
    points = with_bits(task, bits)
    levelled = [point for point in points if point.level is not None]
    if len({(p.level_kind, p.level) for p in levelled}) != 1:
        return points, []
    return levelled, [point for point in points if point.level is None]


def _in_words(ticks: Sequence[float], alike: bool) -> list[str]:
    """alike: with as many decimals each."""
    short = [f"{tick:g}" for tick in ticks]
    decimals = max((len(words.partition(".")[2]) for words in short), default=0)
    return [f"{tick:.{decimals}f}" for tick in ticks] if alike else short


def _draw_front(axes: Axes, front: list[tuple[float, float]]) -> None:
    """Steps from point to point: what is reached with at most so many bits; none where all of it is left out."""
    if not front:
        return
    bits, accuracies = zip(*front, strict=True)
    axes.step(bits, accuracies, where="post", color=INK, linewidth=pt(0.9), gid="front", zorder=2)


def _lines(points: Iterable[Point]) -> dict[str, list[Point]]:
    lines: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda p: (p.variant, p.level or 0)):
        lines.setdefault(point.variant, []).append(point)
    return lines


def _limits(task: Task, points: Sequence[Point]) -> tuple[float, float]:
    """From nothing to everything recognized; where all points, intervals and the original take less than half of
    that, around them."""
    ends = [end for p in points for end in (p.accuracy, p.lo, p.hi)]
    known = [end for end in (*ends, task.original) if not math.isnan(end)]
    return around(known) if max(known) - min(known) < _HALF else (0, _HIGHEST)


def _canvas(task: Task, points: Sequence[Point], xlabel: str, box: Box) -> tuple[Figure, Axes]:
    """Axes for these points, with the original and chance as lines where they lie within."""
    figure, axes = canvas(xlabel, box)
    limits = _limits(task, points)
    axes.set_ylim(limits)
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=WHOLE_PERCENTS))
    for height, words, dashes, x in ((task.original, "original", (5, 3), 0.01), (task.chance, "chance", (1, 2), 0.99)):
        if limits[0] <= height <= limits[1]:
            axes.axhline(height, color=INK, linewidth=pt(0.9), linestyle=(0, dashes))
            side = "left" if x < 0.5 else "right"
            axes.annotate(
                words,
                (x, height),
                (0, pt(_ABOVE_LINE)),
                axes.get_yaxis_transform(),
                "offset points",
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
    lowest, highest = axes.get_ylim()
    gap = _GAP * (highest - lowest)
    if (len(ends) - 1) * gap > highest - lowest:
        return
    heights = spread([point.accuracy for point in ends.values()], gap, lowest, highest)
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
    """Each level once, at the right of the most bits it takes, and hidden with that point: rising lines leave room
    below it.

    The lowest and the highest of a kind go first; of the others those that find room.
    """
    largest = {
        (point.level_kind, point.level): (bits, point)
        for bits, point in sorted(places, key=lambda place: (place[0], place[1].variant))
        if point.level is not None
    }
    of_kind: dict[str, list[int]] = {}
    for kind, level in largest:
        of_kind.setdefault(kind, []).append(level)
    named = sorted(largest, key=lambda place: place[1] not in (min(of_kind[place[0]]), max(of_kind[place[0]])))
    names = [f"{level}" if kind == "colors" else f"q{level}" for kind, level in named]
    written = _beside(axes, [largest[place] for place in named], names)
    for place, words in zip(named, written, strict=True):
        if words:
            belongs(largest[place][1].variant, words)


def _name_variants(axes: Axes, places: list[tuple[float, Point]]) -> None:
    """The variants' names beside their points, the most accurate first; those that find no room, and long ones, which
    would look alike if they were cut, are in the legend."""
    short = (place for place in places if len(place[1].variant) <= _LONGEST_LABEL)
    best_first = sorted(short, key=lambda place: (-place[1].accuracy, place[1].variant))
    names = [point.variant for _, point in best_first]
    for (_, point), words in zip(best_first, _beside(axes, best_first, names) if names else [], strict=True):
        if words:
            belongs(point.variant, words)


def _beside(axes: Axes, places: Sequence[tuple[float, Point]], words: Sequence[str]) -> list[Annotation | None]:
    """Words in small letters below and beside each place, to the right or, where they would leave the axes, to the
    left; None where they find no room. The most important place goes first."""
    ends = [(value, point.accuracy) for value, point in places]
    x, y = (72 / axes.figure.dpi * axes.transData.transform(ends)).T
    aside, below = pt(5), pt(-6)
    widths = np.array([pt(_LETTER) * len(text) for text in words])
    on_right = x + aside + widths <= 72 / axes.figure.dpi * axes.bbox.x1
    lefts = np.where(on_right, x + aside, x - aside - widths)
    tops = fitted([*zip(lefts, y + below, strict=True)], list(widths), pt(_LINE))
    written: list[Annotation | None] = []
    for text, end, height, right, top in zip(words, ends, y, on_right, tops, strict=True):
        if top is None:
            written.append(None)
            continue
        offset, side = (aside if right else -aside, top - height), "left" if right else "right"
        look: dict[str, Any] = {"textcoords": "offset points", "ha": side, "va": "top", "fontsize": pt(_SMALL)}
        written.append(axes.annotate(text, end, offset, **look))
    return written
