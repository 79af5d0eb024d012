"""A legend above a figure that leaves the page, whose own legend is HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from reports.drawing import INK, LEGEND, PAPER, Marked, Sheet, drawing, pt
from reports.styles import Style

_SMALL = 8


@dataclass(frozen=True)
class Entry:
    """A line of a legend. line: its dashes, or "none". filled: whether its marker is; else it has an outline."""

    name: str
    color: str
    marker: str
    line: Any
    filled: bool = True

    @classmethod
    def of(cls, name: str, style: Style, line: Any = "solid") -> Entry:
        """What has this style in the figure."""
        return cls(name, style.color, style.marker, line)


@dataclass(frozen=True)
class Room:
    """What a legend takes: its height in inches, and how many columns it has."""

    height: float
    columns: int


def room_for(entries: Sequence[Entry]) -> Room:
    """What a legend takes on the sheet that is drawn on, in as many columns as its width has room for."""
    return _measured(tuple(entries), rcParams["figure.figsize"][0], rcParams["font.size"])


@lru_cache(maxsize=64)
def _measured(entries: tuple[Entry, ...], width: float, text: float) -> Room:
    """On a sheet so many inches wide, with ordinary text of so many points; kept, as figures of a run share legends."""
    with drawing(LEGEND, Sheet(width, text=text)):
        figure = Figure()
        renderer = FigureCanvasAgg(figure).get_renderer()
        for columns in range(len(entries), 0, -1):
            legend = _legend(figure, entries, columns)
            box = legend.get_window_extent(renderer)
            if columns == 1 or box.width <= width * figure.dpi:
                return Room(box.height / figure.dpi, columns)
            legend.remove()
    raise AssertionError("one column is always taken")


def put_above(figure: Figure, entries: Sequence[Entry], room: Room) -> None:
    """Makes a figure as much higher as its legend needs at its top; its axes keep their size and place."""
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + room.height)
    share = height / (height + room.height)
    for axes in figure.axes:
        box = axes.get_position()
        axes.set_position((box.x0, box.y0 * share, box.width, box.height * share))
    _legend(figure, entries, room.columns)


def put_above_page(found: Marked, entries: Sequence[Entry], name: str) -> float:
    """Puts a legend above a figure of the page; returns how many inches it takes."""
    with drawing(name):
        room = room_for(entries)
        put_above(found[0], entries, room)
    return room.height


def _legend(figure: Figure, entries: Sequence[Entry], columns: int) -> Legend:
    """At the top of a figure, with whole names: one that is wider than the figure goes on in the next line."""
    longest = max(int(72 * figure.get_figwidth() / pt(0.62 * _SMALL)) - 8, 8)
    handles = [
        Line2D(
            [],
            [],
            color=entry.color,
            linestyle=entry.line,
            linewidth=pt(1.5),
            marker=entry.marker,
            markersize=pt(6),
            markerfacecolor=entry.color if entry.filled else "none",
            markeredgecolor=PAPER if entry.filled else entry.color,
            markeredgewidth=pt(0.5 if entry.filled else 1),
            label=textwrap.fill(entry.name, longest),
        )
        for entry in entries
    ]
    legend = figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=pt(_SMALL),
        labelcolor=INK,
        handlelength=1.9,
        columnspacing=1.2,
        borderpad=0.3,
        borderaxespad=0.0,
    )
    legend.set_gid(LEGEND)
    return legend
