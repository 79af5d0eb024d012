"""The critical-difference diagram: mean ranks on a line, bars over what a test across tasks does not separate."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.alive import belongs, joins
from reports.drawing import FAINT, INK, WIDTH, drawing, shortened, to_svg
from reports.leaderboard import Board
from reports.ranks import cliques
from reports.records import level_words
from reports.styles import Style

_ROW, _BARS, _TOP = 0.2, 0.11, 0.62
"""Inches: a name's line, a bar's, and what the axis with the critical difference above it takes."""
_LEFT, _RIGHT = 0.36, 0.64
"""Where the axis begins and ends, as shares of the width; names stand beside it."""
_LONGEST, _LETTER = 18, 0.0128
"""Letters of a name that the page has room for beside the axis, and the share of the width that one more takes."""
_SMALL = 8


def rank_diagram(board: Board, styles: Mapping[str, Style], name: str) -> str:
    """Mean ranks, the best at the left, with Nemenyi's critical difference; nothing where Friedman's test is not made.

    As Demšar (2006) draws it: a bar joins variants whose mean ranks differ by less than the critical difference.
    ``name`` is unique on the page.
    """
    if board.friedman is None or math.isnan(board.friedman.p):
        return ""
    level = level_words(board.level_kind, board.level)
    longest = max(len(one.variant) for one in board.standings)
    with drawing(name):
        figure, saved = _diagram(board, styles, _LONGEST), _diagram(board, styles, max(longest, _LONGEST))
    title = f"Mean ranks at {level} with the critical difference of Nemenyi's test"
    return to_svg(figure, name, title, saved=saved)


def _diagram(board: Board, styles: Mapping[str, Style], longest: int) -> Figure:
    """With names of so many letters at most; beyond ``_LONGEST`` it is wider on both sides of the axis."""
    standings = sorted(board.standings, key=lambda one: (one.rank, one.variant))
    ranks = [one.rank for one in standings]
    bars = cliques(ranks, board.critical)
    lines = math.ceil(len(standings) / 2)
    height = _TOP + _BARS * len(bars) + _ROW * (lines + 0.5)
    beside = _LETTER * (longest - _LONGEST)
    figure = Figure(figsize=(WIDTH * (1 + 2 * beside), height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-beside, 1 + beside)
    axes.set_ylim(height, 0)
    axes.axis("off")
    _axis(axes, len(standings), board.critical)
    for number, (first, last) in enumerate(bars):
        y = _TOP + _BARS * (number + 0.6)
        reach = [_place(ranks[first], len(ranks)) - 0.006, _place(ranks[last], len(ranks)) + 0.006]
        (bar,) = axes.plot(reach, [y, y], color=INK, linewidth=3, solid_capstyle="butt", gid=f"bar-{number}")
        joins([one.variant for one in standings[first : last + 1]], bar)
    below = _TOP + _BARS * len(bars) + _ROW / 2
    for number, one in enumerate(standings):
        left = number < lines
        y = below + _ROW * (number if left else len(standings) - 1 - number) + _ROW / 2
        name, place = shortened(one.variant, longest), (_place(one.rank, len(ranks)), y)
        belongs(one.variant, *_name(axes, name, one.rank, place, left, styles[one.variant]))
    return figure


def _place(rank: float, variants: int) -> float:
    return _LEFT + (_RIGHT - _LEFT) * (rank - 1) / (variants - 1)


def _axis(axes: Axes, variants: int, critical: float) -> None:
    axes.plot([_LEFT, _RIGHT], [_TOP, _TOP], color=INK, linewidth=0.9)
    for rank in range(1, variants + 1):
        x = _place(rank, variants)
        axes.plot([x, x], [_TOP - 0.05, _TOP], color=INK, linewidth=0.9)
        if variants <= 16 or rank % 5 == 1:
            axes.text(x, _TOP - 0.08, str(rank), ha="center", va="bottom", fontsize=_SMALL)
    reach = min(_place(1 + critical, variants), 1.0)
    axes.plot([_LEFT, reach], [0.3, 0.3], color=INK, linewidth=1.2, marker="|", markersize=5)
    axes.text(_LEFT, 0.22, f"critical difference {critical:.2f}", ha="left", va="bottom", fontsize=_SMALL)
    axes.text(_LEFT - 0.02, _TOP, "mean rank", ha="right", va="center", fontsize=_SMALL)


def _name(axes: Axes, name: str, rank: float, place: tuple[float, float], left: bool, style: Style) -> list[Artist]:
    """A name beside the axis and what joins it to its rank."""
    x, y = place
    end, side = (_LEFT - 0.03, "right") if left else (_RIGHT + 0.03, "left")
    drawn = axes.plot([x, x, end], [_TOP, y, y], color=FAINT, linewidth=0.8, zorder=1)
    for at in ((x, _TOP), (end, y)):
        drawn += axes.plot(*at, marker=style.marker, markersize=5, color=style.color, linestyle="none", zorder=3)
    words = f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}"
    return [*drawn, axes.text(end + (-0.02 if left else 0.02), y, words, ha=side, va="center", fontsize=_SMALL)]
