"""What all figures share: axes of accuracy, lines with intervals, and SVG that takes the page's colors and fonts."""

from __future__ import annotations

import html
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import seaborn as sns
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from reports.alive import Mark, belongs, drawn, files, hover_targets, name_parts, with_variants
from reports.points import Point
from reports.styles import PALETTE, Style

INK, FAINT, PAPER = "#101112", "#c1c2c3", "#fefdfc"
_ON_PAGE = {INK: "var(--ink)", FAINT: "var(--line)", PAPER: "var(--paper)"} | {
    light: f"var(--v{slot})" for slot, (light, _) in enumerate(PALETTE)
}
LEGEND = "legend"
"""The id of a legend, which only figures that leave the page have."""
WIDTH, HEIGHT = 5.4, 3.7
"""Inches of a figure; a point of the page is a point of the figure where a column is 27 rem wide."""
_TEXT = 10
"""Points of ordinary text in the page's figures."""
_LEAST_SPAN = 0.1
_MARKER, _RING, _COVERS = 6, 2.8, 4
"""Points: a marker's size, how much larger one around another is, and the distance at which they would cover."""
_MOST_RINGS = 3
"""Where more markers meet, the rest are drawn as large as the last ring: the lines' names tell them apart."""
Box = tuple[float, float, float, float]
_RC = {
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "svg.fonttype": "none",
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Sheet:
    """What figures are drawn for. width, height: inches. text: points of ordinary text, to which all else keeps its
    proportion."""

    width: float = WIDTH
    height: float = HEIGHT
    text: float = _TEXT


PAGE = Sheet()
Marked = tuple[Figure, list[Mark]]
"""A figure, and its points that say their numbers."""


def drawing(name: str, sheet: Sheet = PAGE) -> Any:
    """The context to draw in. ``name`` is unique on the page."""
    own = {"svg.hashsalt": name, "font.size": sheet.text, "figure.figsize": (sheet.width, sheet.height)}
    return rc_context(sns.axes_style("ticks") | _RC | own)


def pt(length: float) -> float:
    """A length in points of the page's figures, in points of the sheet that is drawn on."""
    return length * rcParams["font.size"] / _TEXT


def enlarged() -> tuple[float, float]:
    """How many times wider and higher a letter is than on the page, as a share of the figure."""
    width, height = rcParams["figure.figsize"]
    return pt(WIDTH) / width, pt(HEIGHT) / height


def on_sheet(box: Box) -> Box:
    """A box of the page's figures (left, bottom, width and height as shares) with as wide margins, in letters, on the
    sheet that is drawn on."""
    left, bottom, width, height = box
    across, up = enlarged()
    return left * across, bottom * up, 1 - (1 - width) * across, 1 - (1 - height) * up


def canvas(xlabel: str, box: Box) -> tuple[Figure, Axes]:
    """Empty axes of accuracy in percent, at ``box`` of the page's figures (see ``on_sheet``)."""
    figure = Figure()
    axes = figure.add_axes(on_sheet(box))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.yaxis.set_major_formatter(percents)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("accuracy, %")
    sns.despine(ax=axes, left=True)
    axes.tick_params(length=pt(3), width=pt(0.6))
    return figure, axes


percents = FuncFormatter(lambda share, _: f"{100 * share:.0f}")
WHOLE_PERCENTS = [1, 2, 5, 10]
"""Steps of a ``MaxNLocator`` whose ticks ``percents`` does not round."""


def around(accuracies: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis of accuracies, with some room; points need no zero below them, as bars would."""
    middle = (min(accuracies) + max(accuracies)) / 2
    half = max(max(accuracies) - min(accuracies), _LEAST_SPAN) / 2
    return max(middle - 1.12 * half, 0.0), min(middle + 1.12 * half, 1.03)


def shortened(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def whiskers(points: Sequence[Point]) -> list[list[float]]:
    """How far the 95 % intervals reach below and above the accuracies."""
    return [[p.accuracy - p.lo for p in points], [p.hi - p.accuracy for p in points]]


def bars() -> dict[str, Any]:
    """How intervals are drawn."""
    return {"elinewidth": pt(1.2), "capsize": pt(2), "capthick": pt(1.2)}


def trace(axes: Axes, x: Sequence[float], points: Sequence[Point], style: Style, of: str, line: Any = "solid") -> None:
    """Accuracies with 95 % bars, joined by a line of style ``line``; ``mark_points`` sets the markers.

    of: the variant they are hidden and highlighted with.
    """
    y = [point.accuracy for point in points]
    intervals = axes.errorbar(x, y, yerr=whiskers(points), fmt="none", ecolor=style.color, **bars())
    lines = axes.plot(x, y, color=style.color, linestyle=line, linewidth=pt(1.5), zorder=3)
    belongs(of, *intervals.get_children(), *lines)


def mark_points(marks: Sequence[Mark], styles: Sequence[Style]) -> None:
    """A marker at each mark, moved nowhere: one that would cover another is drawn around it, larger and open.

    The axes' limits must be set. Marker number n of the figure has the id ``point-n``.
    """
    pixels = [mark.axes.transData.transform((mark.x, mark.y)) * 72 / mark.axes.figure.dpi for mark in marks]
    around = [0] * len(marks)
    for i, here in enumerate(pixels):
        covered = [around[j] for j in range(i) if math.dist(here, pixels[j]) < pt(_COVERS)]
        around[i] = min(max(covered) + 1, _MOST_RINGS) if covered else 0
    for number, (mark, style, ring) in enumerate(zip(marks, styles, around, strict=True)):
        marker = mark.axes.plot(
            [mark.x],
            [mark.y],
            marker=style.marker,
            markersize=pt(_MARKER + _RING * ring),
            markerfacecolor="none" if ring else style.color,
            markeredgecolor=style.color if ring else PAPER,
            markeredgewidth=pt(1.2 if ring else 0.5),
            linestyle="none",
            zorder=4,
            gid=f"point-{number}",
        )
        belongs(mark.variant, *marker)


def round_ticks(limits: tuple[float, float]) -> list[float]:
    """Round ticks within the limits of a log axis: powers of ten or, where that gives too few, finer steps.

    At least three between different limits.
    """
    lo, hi = limits
    decades = range(math.floor(math.log10(lo)), math.ceil(math.log10(hi)) + 1)
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 2.5, 3, 4, 5, 7)):
        ticks = [m * 10.0**d for d in decades for m in steps if lo <= m * 10.0**d <= hi]
        if len(ticks) > 3:
            return ticks[:: 1 + len(ticks) // 8]
    return _even_ticks(lo, hi)


def _even_ticks(lo: float, hi: float) -> list[float]:
    """Multiples of the largest round step that gives three."""
    if lo == hi:
        return [lo]
    power = math.floor(math.log10(hi - lo))
    ticks: list[float] = []
    for tenths in (10, 5, 2, 1):
        step = tenths * 10.0 ** (power - 1)
        multiples = range(math.ceil(lo / step), math.floor(hi / step) + 1)
        ticks = [tick for each in multiples if lo <= (tick := round(each * step, 2 - power)) <= hi]
        if len(ticks) > 2:
            break
    return ticks


def spread(heights: list[float], gap: float, lowest: float, highest: float) -> list[float]:
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


def accuracies_across(axes: Axes) -> None:
    """The look of a figure with a row for each thing that is compared, and its accuracy from left to right."""
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(percents)
    axes.set_xlabel("accuracy, %")
    sns.despine(ax=axes, bottom=True)
    axes.tick_params(length=pt(3), width=pt(0.6))


def fitted(places: Sequence[tuple[float, float]], widths: Sequence[float], height: float) -> list[float | None]:
    """Tops of labels that do not overlap, in the unit of all lengths given (upwards is positive).

    places: where each label's left and top edge should be, the most important first. One that would touch an earlier
    one goes below it, by at most one and a half heights; where it would touch others there, it has no place.
    """
    tops: list[float | None] = []
    for (left, wanted), width in zip(places, widths, strict=True):
        beside = [
            top
            for (other, _), breadth, top in zip(places, widths, tops, strict=False)
            if top is not None and left < other + breadth and other < left + width
        ]
        touched = [top for top in beside if abs(wanted - top) < height]
        top = min(touched) - height if touched else wanted
        fits = top >= wanted - 1.5 * height and all(abs(top - other) >= height for other in beside)
        tops.append(top if fits else None)
    return tops


def to_svg(
    figure: Figure,
    name: str,
    title: str,
    marks: Sequence[Mark] = (),
    saved: Figure | None = None,
    legend_height: float = 0.0,
) -> str:
    """Inline SVG, byte for byte the same for the same input, with ids of its own and the page's colors.

    The figure lies in it as two files, too, for the reader to save.

    Args:
        figure: What is drawn.
        name: Unique on the page.
        title: What it shows, in words.
        marks: The points that say their numbers.
        saved: What the files show instead.
        legend_height: Inches at the top of the figure that the files alone show: the page has a legend of its own.
    """
    parts = name_parts(figure)
    with drawing(name):
        shown = drawn(figure)
        for_files = drawn(saved) if saved else shown
    svg = re.sub(r"<style.*?</style>", "", _without_legend(shown.text), flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    width, height = figure.get_size_inches()
    view = " ".join(f"{72 * inches:g}" for inches in (0, legend_height, width, height - legend_height))
    opened = f'<svg viewBox="{view}" role="img" stroke-linejoin="round" aria-label="{name}">'
    svg = re.sub(r"^<svg[^>]*>", opened, svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', lambda found: _short(found[0]), svg)
    for color, variable in _ON_PAGE.items():
        svg = svg.replace(color, variable)
    svg = with_variants(svg, name, parts).replace(f'aria-label="{name}"', f'aria-label="{html.escape(title)}"', 1)
    return f"{svg.removesuffix('</svg>')}{hover_targets(figure, marks)}{files(for_files, title)}</svg>"


def _without_legend(svg: str) -> str:
    start = svg.find(f'<g id="{LEGEND}">')
    if start < 0:
        return svg
    open_groups = 0
    for tag in re.compile(r"<g\b|</g>").finditer(svg, start):
        open_groups += -1 if tag[0] == "</g>" else 1
        if not open_groups:
            break
    return svg[:start] + svg[tag.end() :]


def _short(coordinates: str) -> str:
    """The same path to tenths of a point, finer than a screen; a pair after M or L is one more L."""
    rounded = re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.1f}", coordinates)
    return rounded if re.search("[QC]", rounded) else rounded.replace(" \nL ", " ")
