"""How trials look in the figures of a search: a marker by status, a color by accuracy, rings around two of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.contracts import SearchResult, Trial
from reports.alive import Mark
from reports.drawing import INK, WHOLE_PERCENTS, around, pt
from reports.legends import Entry
from reports.styles import Style
from reports.sweeps import in_words
from reports.wording import percent

STATUSES = {
    "finished": Style(0, "o"),
    "stopped": Style(7, "v"),
    "unfinished": Style(4, "s"),
    "failed": Style(3, "X"),
}
"""Color and marker of a trial, by what became of it."""
_RING, _RADIUS = 130, 6
"""Points squared, and points."""
_EDGE = 0.08
"""As a share of the axes."""
_START_RING, _BEST_RING = "s", "o"
CROWDED = 60
"""From so many trials on marks and lines are finer."""


def legend_of_trials(searched: SearchResult, hollow: bool = False) -> tuple[Entry, ...]:
    """What a legend says of the trials' markers. hollow: color stands for something else than what became of them."""
    met = {trial.status for trial in searched.trials}
    styles = {status: style for status, style in STATUSES.items() if status in met}
    if hollow:
        return tuple(Entry(status, INK, style.marker, "none", filled=False) for status, style in styles.items())
    return tuple(Entry.of(status, style, "none") for status, style in styles.items())


def dot_size(trials: int) -> float:
    """Points squared; smaller where there are many."""
    return (34 if trials <= CROWDED else 15) * pt(1) ** 2


def marks(searched: SearchResult) -> dict[int, tuple[str, str]]:
    """The trials that are marked everywhere, by number: the ring's marker and the words beside it."""
    start = "paper" if searched.published else "defaults"
    found = {0: (_START_RING, start)}
    if searched.best is not None:
        found[searched.best] = (_BEST_RING, f"best, {start}" if searched.best == 0 else "best")
    return found


def ring(axes: Axes, searched: SearchResult, places: Sequence[tuple[float, float, int]], aside: bool = False) -> None:
    """Rings around the marked trials, with a word above the best and below the start, or at their right.

    A word at the edge of the axes turns inwards, where no tick's is. The axes' limits must be set.
    """
    for x, y, number in places:
        if number not in marks(searched):
            continue
        marker, words = marks(searched)[number]
        axes.scatter(
            [x],
            [y],
            s=_RING * pt(1) ** 2,
            c="none",
            marker=marker,
            edgecolors=INK,
            linewidths=pt(1.3),
            clip_on=False,
            zorder=4,
        )
        across, high = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
        up = 1 if number == searched.best or high < _EDGE else -1
        side = "left" if aside or across < _EDGE else "right" if across > 1 - _EDGE else "center"
        inwards = {"left": -_RADIUS, "center": 0, "right": _RADIUS}[side]
        axes.annotate(
            words,
            (x, y),
            (pt(9), pt(1.5) * up) if aside else (pt(inwards), pt(9) * up),
            textcoords="offset points",
            ha=side,
            va="bottom" if up > 0 else "top",
            fontsize=pt(8),
            annotation_clip=False,
            zorder=5,
        )


def trial_marks(axes: Axes, places: Sequence[tuple[float, float, Trial]]) -> list[Mark]:
    """What each trial says at its place: its number, what became of it, its accuracy and its values."""
    return [Mark(axes, x, y, trial.status, _words(trial)) for x, y, trial in places]


def _words(trial: Trial) -> str:
    accuracy = "no accuracy" if trial.accuracy is None else percent(trial.accuracy)
    values = (f"{name} {in_words(value)}" for name, value in trial.chosen.items())
    return "\n".join([f"trial {trial.number}, {trial.status}", accuracy, *values])


def limits(searched: SearchResult) -> tuple[float, float]:
    """The axis of accuracies, one for all figures of a search."""
    return around([trial.accuracy for trial in searched.trials if trial.accuracy is not None] or [0.0, 1.0])


@functools.cache
def colormap() -> Colormap:
    """Viridis without its ends, which a dark or a light page would swallow."""
    shades = matplotlib.colormaps["viridis"]
    return LinearSegmentedColormap.from_list("accuracies", [shades(0.2 + 0.72 * i / 63) for i in range(64)])


def color_range(searched: SearchResult) -> tuple[float, float]:
    """The accuracies that the colors stand for."""
    found = [trial.accuracy for trial in searched.trials if trial.accuracy is not None]
    return (min(found), max(found)) if found and min(found) < max(found) else limits(searched)


def shade(accuracy: float, low: float, high: float) -> Any:
    return colormap()((accuracy - low) / (high - low))


def accuracy_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round accuracies within the limits, and each in percent: with as many decimals as their step has."""
    found = MaxNLocator(6, steps=WHOLE_PERCENTS).tick_values(100 * low, 100 * high)
    decimals = max(-math.floor(math.log10(found[1] - found[0]) + 1e-6), 0)
    within = (tick for tick in found if 100 * low - 1e-9 <= tick <= 100 * high + 1e-9)
    return [(float(tick) / 100, f"{tick:.{decimals}f}") for tick in within]


def color_bar(figure: Figure, box: tuple[float, float, float, float], low: float, high: float) -> None:
    """The accuracies that colors stand for, beside the axes."""
    axes = figure.add_axes(box)
    steps = 40
    height = (high - low) / steps
    for step in range(steps):
        start = low + step * height
        axes.axhspan(start, min(start + 1.5 * height, high), color=shade(start + height / 2, low, high), linewidth=0)
    axes.set_ylim(low, high)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    ticks = accuracy_ticks(low, high)
    axes.set_yticks([tick for tick, _ in ticks], [words for _, words in ticks])
    axes.tick_params(length=pt(2), width=pt(0.6))
    axes.set_title("%", fontsize=pt(9), pad=pt(4))
    for spine in axes.spines.values():
        spine.set_visible(False)
