"""Which run the cells of several come from, and where runs differ: the page's section on runs."""

from __future__ import annotations

from dataclasses import dataclass

from harness.contracts import Difference, Origin, Results
from reports.records import task_name


@dataclass(frozen=True)
class RunRow:
    """One run. cells: how many it has, and of them finished, and found in no other run.

    commit: of fewcolors, with ``+`` behind it where the code had changes besides; empty where none is known.
    """

    origin: Origin
    seeds: tuple[int, ...]
    devices: tuple[str, ...]
    commit: str
    cells: int
    finished: int
    alone: int


@dataclass(frozen=True)
class SourceRow:
    """How many cells of a variant each run has, in the order of the runs; a cell that several have counts for each."""

    task: str
    variant: str
    cells: tuple[int, ...]


@dataclass(frozen=True)
class RunsView:
    """shared: cells that more than one run has under the same key, which are shown once."""

    rows: tuple[RunRow, ...]
    shared: int
    differences: tuple[Difference, ...]
    sources: tuple[SourceRow, ...]


def runs_view(results: Results) -> RunsView | None:
    """What the page says of the runs that it is made of; None where it is a single one."""
    if not results.origins:
        return None
    keys = [{cell.key for cell in origin.results.cells} for origin in results.origins]
    return RunsView(
        rows=tuple(
            RunRow(
                origin,
                seeds=tuple(sorted({cell.seed for cell in origin.results.cells})),
                devices=tuple(origin.results.environment.get("devices", ())),
                commit=_commit(origin),
                cells=len(own),
                finished=sum(cell.status == "ok" for cell in origin.results.cells),
                alone=sum(sum(key in others for others in keys) == 1 for key in own),
            )
            for origin, own in zip(results.origins, keys, strict=True)
        ),
        shared=sum(sum(key in own for own in keys) > 1 for key in set().union(*keys)),
        differences=results.differences,
        sources=_sources(results, keys),
    )


def _commit(origin: Origin) -> str:
    code = origin.results.environment.get("run", {}).get("code", {})
    return f"{(code.get('commit') or '')[:12]}{'+' if code.get('dirty') else ''}"


def _sources(results: Results, keys: list[set[str]]) -> tuple[SourceRow, ...]:
    together: dict[tuple[str, str], list[str]] = {}
    for cell in results.cells:
        together.setdefault((task_name(cell.dataset, cell.judged_by), cell.label), []).append(cell.key)
    return tuple(
        SourceRow(task, variant, tuple(sum(key in own for key in members) for own in keys))
        for (task, variant), members in sorted(together.items())
    )
