"""The critical-difference diagram: mean ranks on a line, bars over what a test across tasks does not separate."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.alive import belongs, joins
from reports.drawing import FAINT, INK, WIDTH, Marked, Sheet, drawing, pt, shortened, to_svg
from reports.leaderboard import Board
from reports.ranks import cliques
from reports.records import level_words
from reports.styles import Style

_ROW, _LINE, _BARS, _TOP = 0.2, 0.14, 0.11, 0.62
"""Inches: a name's line and any further one, a bar's, and what the axis with the critical difference above it takes."""
_LEFT, _RIGHT = 0.36, 0.64
"""Where the axis begins and ends, as shares of the width; names stand beside it."""
_LONGEST, _LETTER = 18, 0.0128
"""Letters of a name that the page has room for beside the axis, and the share of the width that one more takes."""
_BESIDE = 0.055
"""The share of the width from the axis to a name, with what is left at the edge."""
_NARROW = 0.3
"""Of the width, at most for the axis where the sheet is narrow."""
_SMALL = 8


def rank_diagram(board: Board, styles: Mapping[str, Style], name: str) -> str:
    """Mean ranks, the best at the left, with Nemenyi's critical difference; nothing where Friedman's test is not made.

    As Demšar (2006) draws it: a bar joins variants whose mean ranks differ by less than the critical difference.
    ``name`` is unique on the page.
    """
    if not is_tested(board):
        return ""
    level = level_words(board.level_kind, board.level)
    longest = max(len(one.variant) for one in board.standings)
    with drawing(name):
        beside = _LETTER * (max(longest, _LONGEST) - _LONGEST)
        figure = _diagram(board, styles, _Frame(), lambda name: shortened(name, _LONGEST))
        saved = _diagram(board, styles, _Frame(-beside, 1 + beside), str)
    title = f"Mean ranks at {level} with the critical difference of Nemenyi's test"
    return to_svg(figure, name, title, saved=saved)


def is_tested(board: Board) -> bool:
    """Whether there is a diagram: Friedman's test is made of the level."""
    return board.friedman is not None and not math.isnan(board.friedman.p)


def ranks_figure(board: Board, styles: Mapping[str, Style], name: str, sheet: Sheet) -> Marked:
    """The same for any sheet, as high as it has to be: names that are too long for its width go on in further lines."""
    with drawing(name, sheet):
        half = 72 * sheet.width / pt(72 * WIDTH) / 2
        axis = min((_RIGHT - _LEFT) / 2, _NARROW * half)
        letters = max(int((half - axis - _BESIDE) / _LETTER), 6)
        frame = _Frame(0.5 - half, 0.5 + half, 0.5 - axis, 0.5 + axis, letters)
        return _diagram(board, styles, frame, str), []


@dataclass(frozen=True)
class _Frame:
    """Where a diagram and its axis begin and end, as shares of the page's width at the page's size of letters.

    letters: of a line beside the axis; None: as many as there are.
    """

    begin: float = 0.0
    end: float = 1.0
    left: float = _LEFT
    right: float = _RIGHT
    letters: int | None = None

    def place(self, rank: float, variants: int) -> float:
        return self.left + (self.right - self.left) * (rank - 1) / (variants - 1)

    def broken(self, words: str) -> str:
        return words if self.letters is None else textwrap.fill(words, self.letters)


def _diagram(board: Board, styles: Mapping[str, Style], frame: _Frame, named: Callable[[str], str]) -> Figure:
    standings = sorted(board.standings, key=lambda one: (one.rank, one.variant))
    ranks = [one.rank for one in standings]
    bars = cliques(ranks, board.critical)
    lines = math.ceil(len(standings) / 2)
    names = [
        frame.broken(f"{named(one.variant)}  {one.rank:.2f}" if i < lines else f"{one.rank:.2f}  {named(one.variant)}")
        for i, one in enumerate(standings)
    ]
    row = _ROW + _LINE * max(words.count("\n") for words in names)
    height = _TOP + _BARS * len(bars) + row * lines + _ROW / 2
    figure = Figure(figsize=(pt(WIDTH) * (frame.end - frame.begin), pt(height)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(frame.begin, frame.end)
    axes.set_ylim(height, 0)
    axes.axis("off")
    _axis(axes, frame, len(standings), board.critical)
    for number, (first, last) in enumerate(bars):
        y = _TOP + _BARS * (number + 0.6)
        reach = [frame.place(ranks[first], len(ranks)) - 0.006, frame.place(ranks[last], len(ranks)) + 0.006]
        (bar,) = axes.plot(reach, [y, y], color=INK, linewidth=pt(3), solid_capstyle="butt", gid=f"bar-{number}")
        joins([one.variant for one in standings[first : last + 1]], bar)
    below = _TOP + _BARS * len(bars) + _ROW / 2
    for number, (one, words) in enumerate(zip(standings, names, strict=True)):
        left = number < lines
        y = below + row * (number if left else len(standings) - 1 - number) + row / 2
        place = frame.place(one.rank, len(ranks)), y
        belongs(one.variant, *_name(axes, frame, words, place, left, styles[one.variant]))
    return figure


def _axis(axes: Axes, frame: _Frame, variants: int, critical: float) -> None:
    left, right = frame.left, frame.right
    axes.plot([left, right], [_TOP, _TOP], color=INK, linewidth=pt(0.9))
    has_room = variants <= 16 and (right - left) / (variants - 1) > 0.9 * _LETTER * len(str(variants))
    for rank in range(1, variants + 1):
        x = frame.place(rank, variants)
        axes.plot([x, x], [_TOP - 0.05, _TOP], color=INK, linewidth=pt(0.9))
        if has_room or rank % 5 == 1:
            axes.text(x, _TOP - 0.08, str(rank), ha="center", va="bottom", fontsize=pt(_SMALL))
    reach = min(frame.place(1 + critical, variants), frame.end)
    axes.plot([left, reach], [0.3, 0.3], color=INK, linewidth=pt(1.2), marker="|", markersize=pt(5))
    axes.text(left, 0.22, f"critical difference {critical:.2f}", ha="left", va="bottom", fontsize=pt(_SMALL))
    axes.text(left - 0.02, _TOP, "mean rank", ha="right", va="center", fontsize=pt(_SMALL))


def _name(axes: Axes, frame: _Frame, words: str, place: tuple[float, float], left: bool, style: Style) -> list[Artist]:
    """A name beside the axis and what joins it to its rank."""
    x, y = place
    end, side = (frame.left - 0.03, "right") if left else (frame.right + 0.03, "left")
    drawn = axes.plot([x, x, end], [_TOP, y, y], color=FAINT, linewidth=pt(0.8), zorder=1)
    for mark in ((x, _TOP), (end, y)):
        drawn += axes.plot(*mark, marker=style.marker, markersize=pt(5), color=style.color, linestyle="none", zorder=3)
    at = end + (-0.02 if left else 0.02)
    return [*drawn, axes.text(at, y, words, ha=side, va="center", multialignment=side, fontsize=pt(_SMALL))]
