"""Every trial of a search: its accuracy over each parameter, and the planes of two parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from harness.contracts import SearchResult, Trial
from reports.alive import belongs
from reports.drawing import (
    INK,
    PAGE,
    PAPER,
    WHOLE_PERCENTS,
    Marked,
    Sheet,
    canvas,
    drawing,
    enlarged,
    on_sheet,
    pt,
    shortened,
    to_svg,
)
from reports.legends import put_above_page
from reports.search.axes import Scale
from reports.search.marks import (
    STATUSES,
    color_bar,
    color_range,
    dot_size,
    legend_of_trials,
    limits,
    ring,
    shade,
    trial_marks,
)
from reports.sweep_figures import break_axis

_BOX = (0.115, 0.17, 0.865, 0.79)
_LETTERS_ACROSS = 60


def over_parameter(searched: SearchResult, scale: Scale, name: str) -> str:
    """Accuracy of every trial over one parameter, as SVG. ``name`` is unique on the page."""
    figure, marks = found = parameter_figure(searched, scale, name)
    height = put_above_page(found, legend_of_trials(searched), name)
    words = f"Validation accuracy over {scale.parameter}, {searched.variant}"
    return to_svg(figure, name, words, marks, legend_height=height)


def parameter_figure(searched: SearchResult, scale: Scale, name: str, sheet: Sheet = PAGE) -> Marked:
    """The same for any sheet."""
    with drawing(name, sheet):
        figure, axes = canvas(scale.words, _BOX)
        axes.set_ylim(limits(searched))
        axes.yaxis.set_major_locator(MaxNLocator(7, steps=WHOLE_PERCENTS))
        axes.set_xlim(*scale.ends)
        _name(axes.xaxis, scale)
        low = axes.get_ylim()[0]
        places = [
            (x, low if trial.accuracy is None else trial.accuracy, trial)
            for x, trial in zip(scale.positions, searched.trials, strict=True)
        ]
        _scatter(axes, searched, places)
        return figure, trial_marks(axes, places)


def over_plane(searched: SearchResult, across: Scale, up: Scale, name: str) -> str:
    """Two numeric parameters, accuracy as color; hollow where there is none. ``name`` is unique on the page."""
    words = f"Validation accuracy over {across.parameter} and {up.parameter}, {searched.variant}"
    figure, marks = found = plane_figure(searched, across, up, name)
    height = put_above_page(found, legend_of_trials(searched, hollow=True), name)
    return to_svg(figure, name, words, marks, legend_height=height)


def plane_figure(searched: SearchResult, across: Scale, up: Scale, name: str, sheet: Sheet = PAGE) -> Marked:
    """The same for any sheet."""
    with drawing(name, sheet):
        figure = Figure()
        axes = figure.add_axes(on_sheet((0.13, 0.17, 0.69, 0.79)))
        axes.tick_params(length=pt(3), width=pt(0.6))
        axes.grid(visible=True)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.set_xlabel(across.words)
        axes.set_ylabel(up.words)
        axes.set_xlim(*across.ends)
        axes.set_ylim(*up.ends)
        _name(axes.xaxis, across)
        _name(axes.yaxis, up)
        low, high = color_range(searched)
        places = list(zip(across.positions, up.positions, searched.trials, strict=True))
        _scatter(axes, searched, places, shades=(low, high))
        _, bottom, left, height = on_sheet((0.0, 0.17, 0.875, 0.79))
        color_bar(figure, (left, bottom, 0.022, height), low, high)
        return figure, trial_marks(axes, places)


def _name(axis: XAxis | YAxis, scale: Scale) -> None:
    """The ticks of one parameter, their names shortened to the room there is."""
    wider = enlarged()[0]
    ticks = scale.ticks[:: 1 + len(scale.ticks) // int(13 / wider)]
    longest = max(int(_LETTERS_ACROSS / wider) // len(ticks) - 1, 4)
    axis.set_ticks([position for position, _ in ticks], labels=[shortened(words, longest) for _, words in ticks])
    axis.set_minor_locator(NullLocator())
    if scale.apart is not None:
        break_axis(axis, scale.apart)


def _scatter(
    axes: Axes,
    searched: SearchResult,
    places: Sequence[tuple[float, float, Trial]],
    shades: tuple[float, float] | None = None,
) -> None:
    """All trials, each status with its marker, in its color or in that of its accuracy; the marked ones with rings."""
    size = dot_size(len(places))
    for status, style in STATUSES.items():
        found = [place for place in places if place[2].status == status]
        if not found:
            continue
        fill: Any = style.color
        if shades:
            fill = ["none" if t.accuracy is None else shade(t.accuracy, *shades) for _, _, t in found]
        dots = axes.scatter(
            [x for x, _, _ in found],
            [y for _, y, _ in found],
            s=size,
            c=fill,
            marker=style.marker,
            edgecolors=INK if shades else PAPER,
            linewidths=pt(0.5),
            clip_on=False,
            zorder=3,
        )
        belongs(status, dots)
    ring(axes, searched, [(x, y, trial.number) for x, y, trial in places])
