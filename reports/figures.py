"""Accuracy against colors and against bits, as SVG that takes the page's colors and fonts."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports.styles import PALETTE, Style
from reports.summary import Point, Task

_INK, _FAINT, _PAPER = "#101112", "#c1c2c3", "#fefdfc"
_ON_PAGE = {_INK: "var(--ink)", _FAINT: "var(--line)", _PAPER: "var(--paper)"} | {
    light: f"var(--v{slot})" for slot, (light, _) in enumerate(PALETTE)
}
_SIZE = (5.4, 3.7)
_LONGEST_LABEL = 20
_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "grid.color": _FAINT,
    "grid.linewidth": 0.5,
    "svg.fonttype": "none",
    "text.parse_math": False,
}


def against_colors(task: Task, styles: Mapping[str, Style], name: str) -> str:
    """Accuracy against the number of colors; nothing where no point has colors. ``name`` is unique on the page."""
    lines = _lines(p for p in task.points if p.ok and p.level_kind == "colors")
    if not lines:
        return ""
    with _seaborn(name):
        figure, axes = _canvas(task, "colors per image, at most", [0.115, 0.15, 0.585, 0.81])
        _draw(axes, {v: [(float(p.level or 1), p) for p in points] for v, points in lines.items()}, styles)
        levels = sorted({p.level for points in lines.values() for p in points if p.level})
        axes.set_xscale("log", base=2)
        axes.set_xlim(levels[0] / 1.3, levels[-1] * 1.3)
        axes.set_xticks(levels, [str(level) for level in levels])
        _label_ends(axes, {v: points[-1] for v, points in lines.items()}, styles)
        return _svg(figure, name, f"Accuracy against the number of colors, {task.name}")


def against_bits(task: Task, styles: Mapping[str, Style], name: str) -> str:
    """Accuracy against the bits per pixel of the file; nothing where no point has a file."""
    lines = _lines(p for p in task.points if p.ok and p.mean("bpp_file") > 0)
    if not lines:
        return ""
    with _seaborn(name):
        figure, axes = _canvas(task, "bits per pixel of the file", [0.115, 0.15, 0.865, 0.81])
        axes.set_xscale("log")
        _draw(axes, {v: [(p.mean("bpp_file"), p) for p in points] for v, points in lines.items()}, styles)
        _name_levels(axes, [point for points in lines.values() for point in points])
        axes.margins(x=0.08)
        axes.xaxis.set_major_locator(_ticks(axes.get_xlim()))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        return _svg(figure, name, f"Accuracy against bits per pixel, {task.name}")


def _ticks(limits: tuple[float, float]) -> FixedLocator:
    """Round ticks within the limits of a log axis: 1, 2, 5, 10 ... or, where that gives too few, finer steps."""
    lo, hi = limits
    decades = range(math.floor(math.log10(lo)), math.ceil(math.log10(hi)) + 1)
    ticks: list[float] = []
    for steps in ((1, 2, 5), (1, 1.5, 2, 2.5, 3, 4, 5, 7), (step / 10 for step in range(10, 100))):
        multiples = list(steps)
        ticks = [m * 10.0**d for d in decades for m in multiples if lo <= m * 10.0**d <= hi]
        if len(ticks) > 3:
            break
    return FixedLocator(ticks[:: 1 + len(ticks) // 8])


def _lines(points: Iterable[Point]) -> dict[str, list[Point]]:
    lines: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda p: (p.variant, p.level or 0)):
        lines.setdefault(point.variant, []).append(point)
    return lines


def _seaborn(name: str) -> Any:
    return rc_context(sns.axes_style("ticks") | _RC | {"svg.hashsalt": name})


def _canvas(task: Task, xlabel: str, box: list[float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE)
    axes = figure.add_axes((box[0], box[1], box[2], box[3]))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.0f}"))
    axes.set_xlabel(xlabel)
    axes.set_ylabel("accuracy, %")
    sns.despine(ax=axes, left=True)
    axes.tick_params(length=3, width=0.6)
    for height, words, dashes, x in ((task.original, "original", (5, 3), 0.01), (task.chance, "chance", (1, 2), 0.99)):
        if not math.isnan(height):
            axes.axhline(height, color=_INK, linewidth=0.9, linestyle=(0, dashes))
            side = "left" if x < 0.5 else "right"
            axes.text(x, height + 0.012, words, transform=axes.get_yaxis_transform(), fontsize=8, ha=side, va="bottom")
    return figure, axes


def _draw(axes: Axes, lines: Mapping[str, list[tuple[float, Point]]], styles: Mapping[str, Style]) -> None:
    """Lines with markers and 95 % bars; variants are set a little beside each other so that bars stay apart."""
    for number, (variant, line) in enumerate(lines.items()):
        style = styles[variant]
        beside = 1.018 ** (number - (len(lines) - 1) / 2)
        x = [value * beside for value, _ in line]
        y = [point.accuracy for _, point in line]
        ends = [[p.accuracy - p.lo for _, p in line], [p.hi - p.accuracy for _, p in line]]
        axes.errorbar(x, y, yerr=ends, fmt="none", ecolor=style.color, elinewidth=1.2, capsize=2, capthick=1.2)
        axes.plot(
            x,
            y,
            color=style.color,
            marker=style.marker,
            linewidth=1.5,
            markersize=6,
            markeredgecolor=_PAPER,
            markeredgewidth=0.5,
            zorder=3,
        )


def _label_ends(axes: Axes, ends: Mapping[str, Point], styles: Mapping[str, Style]) -> None:
    """Names to the right of the axes, at the height where each line ends, moved apart where they would touch."""
    gap = 0.062
    heights = _spread([point.accuracy for point in ends.values()], gap, 0.0, 1.03)
    right = axes.get_xlim()[1]
    for (variant, point), height in zip(ends.items(), heights, strict=True):
        color = styles[variant].color
        start = (float(point.level or 1), point.accuracy)
        elbow = axes.get_yaxis_transform()
        axes.plot([1.0, 1.045], [point.accuracy, height], transform=elbow, color=color, linewidth=0.9, clip_on=False)
        axes.plot([start[0], right], [start[1]] * 2, color=color, linewidth=0.9, alpha=0.45)
        short = variant if len(variant) <= _LONGEST_LABEL else f"{variant[: _LONGEST_LABEL - 1]}…"
        axes.text(1.06, height, short, transform=elbow, va="center", color=_INK)


def _spread(heights: list[float], gap: float, lowest: float, highest: float) -> list[float]:
    """The heights, in the given order, moved as little as needed to lie ``gap`` apart within the limits."""
    order = sorted(range(len(heights)), key=lambda i: (heights[i], i))
    moved = list(heights)
    for before, i in itertools.pairwise(order):
        moved[i] = max(moved[i], moved[before] + gap)
    limit = highest
    for i in reversed(order):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - gap
    return [max(height, lowest) for height in moved]


def _name_levels(axes: Axes, points: list[Point]) -> None:
    """Each level once, below the least accurate of its points, where rising lines leave room."""
    lowest: dict[tuple[str, int], Point] = {}
    for point in sorted(points, key=lambda p: (-p.accuracy, p.variant)):
        if point.level is not None:
            lowest[point.level_kind, point.level] = point
    for point in lowest.values():
        words = f"{point.level}" if point.level_kind == "colors" else f"q{point.level}"
        where = point.mean("bpp_file"), point.accuracy
        axes.annotate(words, where, (5, -6), textcoords="offset points", ha="left", va="top", fontsize=8)


def _svg(figure: Figure, name: str, title: str) -> str:
    """Inline SVG, byte for byte the same for the same input, with ids of its own and the page's colors."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'^<svg[^>]*viewBox="([^"]*)"[^>]*>', rf'<svg viewBox="\1" role="img" aria-label="{name}">', svg)
    for color, variable in _ON_PAGE.items():
        svg = svg.replace(color, variable)
    return svg.replace(f'aria-label="{name}"', f'aria-label="{_escape(title)}"', 1)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
