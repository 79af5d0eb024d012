"""Which cells of a task are of a variant, and how sentences call it."""

from __future__ import annotations

from harness.contracts import Cell, JudgedTask, Level, RunView, Which


def planned(task: JudgedTask, which: Which, level: Level = None) -> tuple[Cell, ...]:
    """The cells of the first variant that fits, finished or not; one without levels fits any."""
    fitting = [cell for cell in task.cells if fits(cell, which) and (level is None or cell.level in (None, level))]
    return tuple(cell for cell in fitting if (cell.label, cell.level) == (fitting[0].label, fitting[0].level))


def levels_of(task: JudgedTask, *which: Which) -> list[Level]:
    """The levels that any of these variants was planned at, in order; None where they have none."""
    found = {cell.level for cell in task.cells if any(fits(cell, each) for each in which)}
    levels: list[Level] = [*sorted(level for level in found if level is not None)]
    return levels or [None]


def one_of_each_seed(task: JudgedTask) -> tuple[Cell, ...]:
    """A finished cell of each seed, by seed: any of them tells what the classifier makes of the untouched images."""
    finished = [cell for cell in task.cells if cell.status == "ok"]
    first = {cell.seed: cell for cell in reversed(finished)}
    return tuple(first[seed] for seed in sorted(first))


def fits(cell: Cell, which: Which) -> bool:
    """Whether a cell is of a variant."""
    return cell.label == which if isinstance(which, str) else which(cell)


def nowhere(run: RunView, level: Level, *which: Which) -> str:
    """That no task has all of these variants, in words."""
    cells = [cell for task in run.tasks for cell in task.cells if any(fits(cell, each) for each in which)]
    quality = any(cell.level_kind == "quality" for cell in cells)
    at = "" if level is None else f" at quality {level}" if quality else f" at {level} colors"
    return f"no task with {' and '.join(dict.fromkeys(map(words, which)))}{at}"


def words(which: Which) -> str:
    """What a variant is called in sentences."""
    return which if isinstance(which, str) else str(getattr(which, "words", getattr(which, "__name__", "such cells")))
