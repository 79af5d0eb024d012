"""How a search stands, from its folder alone: while it is under way, from anywhere that sees the folder, and after."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pydantic

from harness.complaints import printable
from harness.run.events import Event, last_run
from harness.run.heartbeat import DRIVER, Driver, read_driver
from harness.run.results import EVENTS, PLAN, SEARCH
from harness.search.table import TABLE, TrialRow
from harness.spec.schema import STAGES, Stage
from harness.writing import read_sealed

READ = (PLAN, EVENTS, DRIVER, SEARCH, TABLE)
"""What is read of a search's folder and of those in it."""
_OF_EVENTS = {"cached": "done", "done": "done", "failed": "failed", "blocked": "blocked", "interrupted": "interrupted"}
_ROWS = pydantic.TypeAdapter(list[TrialRow])


@dataclass(frozen=True)
class SearchStatus:
    """A search as of one moment.

    driver: None where nothing tells of one. gone: it was killed. states: how many jobs of each stage, of those that the
    trials need, are in each state. trials: the same of trials, by the name of the search's folder. failures: sentences.
    compared: the tasks whose winners are compared in a run of their own.
    """

    driver: Driver | None
    gone: bool
    states: Mapping[Stage, Mapping[str, int]]
    trials: Mapping[str, Mapping[str, int]]
    failures: tuple[str, ...]
    compared: tuple[str, ...]


def is_search(folder: Path) -> bool:
    """Whether a folder is that of a search, or of whatever a driver has begun with, and not yet that of a run."""
    return not (folder / PLAN).is_file() and any((folder / name).is_file() for name in (SEARCH, DRIVER))


def read_search_status(
    folder: Path, now: datetime.datetime, say: Callable[[str], None] = lambda _sentence: None
) -> SearchStatus:
    """Looks at a search. now: the time, with its zone. say: is told of what is damaged."""
    driver = read_driver(folder)
    gone = driver is not None and driver.is_gone(now)
    at_work = driver is not None and not (gone or driver.ended)
    trials: dict[str, Mapping[str, int]] = {}
    failures: list[str] = []
    for path in sorted({*folder.glob(f"*/*/{TABLE}"), *folder.glob(f"*/*/*/{TABLE}")}):
        name = path.parent.relative_to(folder).as_posix().replace("searches/", "", 1)
        rows = _rows(path, say)
        trials[name] = Counter(_state(row, at_work) for row in rows)
        failures += [f"{name}: trial {row.number}: {_why(row)}" for row in rows if row.has_failed]
    events = list(last_run(folder / EVENTS, say))
    failures += [f"{event.stage}: {event.job}: {event.message}" for event in events if event.event == "failed"]
    return SearchStatus(
        driver=driver,
        gone=gone,
        states=_states(events, at_work),
        trials=trials,
        failures=tuple(failures),
        compared=tuple(sorted(path.parent.name for path in folder.glob(f"*/{PLAN}"))),
    )


def _rows(path: Path, say: Callable[[str], None]) -> list[TrialRow]:
    try:
        return _ROWS.validate_python(read_sealed(path).get("rows"))
    except (OSError, ValueError) as error:
        why = "its rows are no trials" if isinstance(error, pydantic.ValidationError) else error
        say(printable(f"{path}: damaged ({why})."))
        return []


def _state(row: TrialRow, at_work: bool) -> str:
    if row.has_failed:
        return "failed"
    if row.state == "ended":
        return "finished" if row.last.get("finished") else "stopped"
    if row.state == "stopped":
        return "stopped"
    if row.state == "running":
        return "running" if at_work else "interrupted"
    return "waiting"


def _why(row: TrialRow) -> object:
    return row.error or row.last.get("error") or "its worker was lost"


def _states(events: Iterable[Event], at_work: bool) -> dict[Stage, Mapping[str, int]]:
    newest = {event.key: event for event in events if event.key}
    found: dict[Stage, Counter[str]] = {}
    for stage in STAGES:
        of_stage = [event.event for event in newest.values() if event.stage == stage]
        if of_stage:
            running = "running" if at_work else "interrupted"
            found[stage] = Counter(sorted(_OF_EVENTS.get(kind, running) for kind in of_stage))
    return dict(found)
