"""The index of a folder of runs: what each says, and which variants are the most accurate over all of them."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from harness.contracts import Level, LevelKind, Origin, Results
from reports.points import Point, Task
from reports.records import level_words
from reports.story import answer
from reports.styles import styles_of
from reports.tables import tabulate
from reports.templating import fill_in

_MOST = 5
"""So many variants are listed at a level."""


@dataclass(frozen=True)
class Listed:
    """A run in the index. headlines: of each task, its name and what came out. link: to its page, if it has one."""

    origin: Origin
    cells: int
    failed: int
    headlines: tuple[tuple[str, str], ...]
    link: str


@dataclass(frozen=True)
class Board:
    """The most accurate variants of a task at one level, with the runs that have them. more: how many are left out."""

    level: str
    rows: tuple[tuple[Point, tuple[str, ...]], ...]
    more: int


def render(results: Results, folder: Path) -> str:
    """The index as text. results: of several runs, merged. folder: of the index; links are relative to it."""
    merged = replace(results, spec={**results.spec, "baseline": None})  # nothing is tested
    tasks = tabulate(merged).tasks
    return fill_in(
        "index.html",
        script="script.js",
        style="index.css",
        results=replace(results, name=f"{folder.resolve().name}: {len(results.origins)} runs"),
        runs=[_listed(origin, folder) for origin in results.origins],
        boards=[(task, boards(task, results)) for task in tasks if any(point.ok for point in task.points)],
        styles=styles_of(results.cells),
        most=_MOST,
    )


def _listed(origin: Origin, folder: Path) -> Listed:
    cells = origin.results.cells
    tasks = tabulate(origin.results).tasks
    page = origin.folder / "report" / "index.html"
    return Listed(
        origin,
        cells=len(cells),
        failed=sum(cell.status != "ok" for cell in cells),
        headlines=tuple((t.name, answer(t, origin.results.spec, origin.results.recipes).headline) for t in tasks),
        link=Path(os.path.relpath(page, folder)).as_posix() if page.is_file() else "",
    )


def boards(task: Task, results: Results) -> tuple[Board, ...]:
    """A board for each level of a task: fewest colors first, then qualities, variants without a level last."""
    levels: dict[tuple[LevelKind, Level], list[Point]] = defaultdict(list)
    for point in task.points:
        if point.ok:
            levels[point.level_kind, point.level].append(point)
    order = sorted(levels, key=lambda level: (("colors", "quality", "none").index(level[0]), level[1] or 0))
    found = []
    for kind, level in order:
        points = sorted(levels[kind, level], key=lambda point: (-point.accuracy, point.variant))
        rows = tuple((point, _runs_with(point, task, results)) for point in points[:_MOST])
        found.append(Board(level_words(kind, level) or "no level", rows, max(len(points) - _MOST, 0)))
    return tuple(found)


def _runs_with(point: Point, task: Task, results: Results) -> tuple[str, ...]:
    """The runs that have finished cells of a point."""
    place = point.variant, point.level_kind, point.level
    keys = {c.key for c in task.cells if c.status == "ok" and (c.label, c.level_kind, c.level) == place}
    return tuple(
        origin.name
        for origin in results.origins
        if any(cell.key in keys and cell.status == "ok" for cell in origin.results.cells)
    )
