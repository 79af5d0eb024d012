"""Where a searched parameter's values are drawn: along an axis if they are numbers, in strips if they are a choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.ticker import MaxNLocator

from harness.contracts import SearchResult
from reports.drawing import round_ticks
from reports.sweep_figures import spans_a_decade, with_room
from reports.sweeps import FEWEST_FOR_A_LINE, identity, in_words, is_number

RANGES = ("uniform", "loguniform", "randint")
_SET_APART = 0.16
"""How far values that have no place on an axis stand from it, as a share of its length."""
_STRIP = 0.6
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Scale:
    """One parameter's axis.

    positions: of the trials, in their order. ticks: positions with their labels. ends: of the axis. apart: up to
    here lie the values left of the axis, which has no place for them (zero on a log axis, no number at all); None where
    there are none.
    """

    parameter: str
    is_numeric: bool
    is_log: bool
    positions: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]
    ends: tuple[float, float]
    apart: float | None = None

    @property
    def words(self) -> str:
        return f"{self.parameter} (log scale)" if self.is_log else self.parameter

    def share(self, position: float) -> float:
        """Where a position lies between the ends: 0 to 1."""
        low, high = self.ends
        return (position - low) / (high - low)


def scales(searched: SearchResult) -> tuple[Scale, ...]:
    """The axes of all searched parameters, in the order of the space."""
    return tuple(_scale(searched, parameter) for parameter in searched.space)


def domain(searched: SearchResult, parameter: str) -> tuple[str, list[Any]]:
    """The kind of a parameter's domain, and its values: the two ends of a range, or all there are."""
    ((kind, values),) = searched.space[parameter].items()
    return kind, list(values)


def _scale(searched: SearchResult, parameter: str) -> Scale:
    kind, values = domain(searched, parameter)
    tried = [trial.chosen.get(parameter) for trial in searched.trials]
    if kind in RANGES or (len(values) >= FEWEST_FOR_A_LINE and all(map(is_number, values))):
        return _axis(parameter, kind, values, tried)
    return _strips(parameter, values, tried)


def _axis(parameter: str, kind: str, values: Sequence[Any], tried: Sequence[Any]) -> Scale:
    is_log = kind == "loguniform" or spans_a_decade(values)

    def along(value: Any) -> float | None:
        if not is_number(value) or (is_log and value <= 0):
            return None
        return math.log10(value) if is_log else float(value)

    places = [place for value in (*values, *tried) if (place := along(value)) is not None]
    low, high = (min(places), max(places)) if min(places) < max(places) else (places[0] - 0.5, places[0] + 0.5)
    length = high - low
    off = {identity(value): in_words(value) for value in (*values, *tried) if along(value) is None}
    aside = {key: low - _SET_APART * length * (len(off) - number) for number, key in enumerate(sorted(off))}
    if kind in RANGES:
        ticks = _ticks((low, high), is_log, whole=kind == "randint")
    else:
        ticks = _named({place: value for value in (*values, *tried) if (place := along(value)) is not None})
    return Scale(
        parameter,
        is_numeric=True,
        is_log=is_log,
        positions=tuple(aside[identity(v)] if (place := along(v)) is None else place for v in tried),
        ticks=(*((aside[key], off[key]) for key in sorted(off)), *ticks),
        ends=(min([low, *aside.values()]) - 0.04 * length, high + 0.04 * length),
        apart=low - _SET_APART * length / 2 if off else None,
    )


def _ticks(limits: tuple[float, float], is_log: bool, whole: bool) -> list[tuple[float, str]]:
    if is_log:
        ends = 10 ** limits[0] * (1 - 1e-9), 10 ** limits[1] * (1 + 1e-9)
        return [(math.log10(tick), f"{tick:g}") for tick in round_ticks(ends)]
    found = MaxNLocator(6, integer=whole, steps=[1, 2, 2.5, 5, 10]).tick_values(*limits)
    return [(float(tick), f"{tick:g}") for tick in found if limits[0] <= tick <= limits[1]]


def _named(places: dict[float, Any]) -> list[tuple[float, str]]:
    """The listed values that leave each other room for their names."""
    positions = sorted(places)
    named = with_room(positions) if len(positions) > 1 else [0]
    return [(positions[i], in_words(places[positions[i]])) for i in named]


def _strips(parameter: str, values: Sequence[Any], tried: Sequence[Any]) -> Scale:
    """A strip for each value; its trials are spread evenly over the strip's width, whatever their number."""
    names = {identity(value): in_words(value) for value in (*values, *tried)}
    strip = {key: number for number, key in enumerate(names)}
    met = dict.fromkeys(names, 0)
    positions = []
    for key in map(identity, tried):
        positions.append(strip[key] + _STRIP * ((0.5 + met[key] * _GOLDEN) % 1 - 0.5))
        met[key] += 1
    return Scale(
        parameter,
        is_numeric=False,
        is_log=False,
        positions=tuple(positions),
        ticks=tuple((float(strip[key]), name) for key, name in names.items()),
        ends=(-0.5, len(names) - 0.5),
    )
