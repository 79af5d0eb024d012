"""Parameter sweeps: variants of one method at one level that differ in a single parameter, wherever a run has them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.contracts import Cell, Level, LevelKind
from reports.points import Point, Task
from reports.records import level_words, task_name

FEWEST_FOR_A_LINE = 3


@dataclass(frozen=True)
class Sweep:
    """values: the parameter's, in order. fixed: the other parameters that vary in the run, and their values here.

    lines: one for each task, its points with the number of their value in ``values``.
    """

    method: str
    parameter: str
    level_kind: LevelKind
    level: Level
    fixed: tuple[tuple[str, Any], ...]
    values: tuple[Any, ...]
    lines: tuple[tuple[str, tuple[tuple[int, Point], ...]], ...]

    @property
    def is_numeric(self) -> bool:
        """Whether the values lie on an axis; two are set side by side instead."""
        return len(self.values) >= FEWEST_FOR_A_LINE and all(map(is_number, self.values))

    @property
    def title(self) -> str:
        level = level_words(self.level_kind, self.level)
        fixed = ", ".join(f"{name} {in_words(value)}" for name, value in self.fixed)
        return " · ".join(filter(None, [f"{self.method} over {self.parameter}", level, fixed]))


def sweeps(tasks: Sequence[Task]) -> list[Sweep]:
    """All sweeps of a run: by method, level and parameter, in the order of the method's parameters.

    Not those over choices of a method with a curve over its levels: the curves show them side by side already.
    """
    found: dict[tuple[Any, ...], list[tuple[str, Point]]] = defaultdict(list)
    for task in tasks:
        for point in task.points:
            if point.ok:
                found[point.cell.method, point.level_kind, point.level or 0].append((_line(point.cell, tasks), point))
    levels = Counter((method, kind) for method, kind, _ in found)
    drawn = (sweep for _, members in sorted(found.items()) for sweep in _among(members))
    return [s for s in drawn if s.is_numeric or levels[s.method, s.level_kind] < FEWEST_FOR_A_LINE]


def in_words(value: Any) -> str:
    """A parameter's value as a spec says it: ``0.1``, ``unet``, ``null``, ``true``."""
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, sort_keys=True)


def _line(cell: Cell, tasks: Sequence[Task]) -> str:
    """A task's name, without what all tasks share; a quantizer that was trained elsewhere says so."""
    if len({task.dataset for task in tasks}) == 1:
        name = cell.judged_by
    elif len({(task.classifier, task.judge) for task in tasks}) == 1:
        name = cell.dataset
    else:
        name = task_name(cell.dataset, cell.judged_by)
    return name if cell.fitted_on in ("", cell.classifier) else f"{name}, fitted on {cell.fitted_on}"


def _among(members: list[tuple[str, Point]]) -> Iterator[Sweep]:
    """The sweeps among points of one method at one level."""
    point = members[0][1]
    varying = [name for name in point.cell.params if len({_of(p, name) for _, p in members}) > 1]
    for parameter in varying:
        others = [name for name in varying if name != parameter]
        alike: dict[tuple[str, ...], list[tuple[str, Point]]] = defaultdict(list)
        for line, p in members:
            alike[tuple(_of(p, name) for name in others)].append((line, p))
        for key in sorted(alike):
            values = {_of(p, parameter): p.cell.params.get(parameter) for _, p in alike[key]}
            order = sorted(values, key=lambda text: _rank(values[text]))
            lines: dict[str, list[tuple[int, Point]]] = defaultdict(list)
            for line, p in alike[key]:
                lines[line].append((order.index(_of(p, parameter)), p))
            if max(map(len, lines.values())) > 1:
                yield Sweep(
                    point.cell.method,
                    parameter,
                    point.level_kind,
                    point.level,
                    fixed=tuple((name, alike[key][0][1].cell.params.get(name)) for name in others),
                    values=tuple(values[text] for text in order),
                    lines=tuple(
                        (line, tuple(sorted(lines[line], key=lambda found: found[0]))) for line in sorted(lines)
                    ),
                )


def _of(point: Point, parameter: str) -> str:
    return identity(point.cell.params.get(parameter))


def identity(value: Any) -> str:
    """A parameter's value as text that is equal where values are: 1 is 1.0, but not true."""
    return repr(float(value)) if is_number(value) else json.dumps(value, sort_keys=True)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rank(value: Any) -> tuple[bool, float, str]:
    return (False, float(value), "") if is_number(value) else (True, 0.0, in_words(value))
