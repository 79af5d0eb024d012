"""How a run stands, from its folder and its store alone: while it runs, from anywhere that sees both, and after."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contracts import Needs
from harness.run.durations import Durations, Kind, epochs_in
from harness.run.estimate import TimeLeft, UnderWay, time_left
from harness.run.events import Event, last_run, moment
from harness.run.heartbeat import DRIVER, Driver, read_driver
from harness.run.results import EVENTS, PLAN, read_plan, store_of
from harness.run.schedule import share
from harness.spec.schema import STAGES, TRAINED, Stage
from harness.work.jobs import last_noted, read_history
from harness.work.store import Store

READ = (PLAN, EVENTS, DRIVER)
"""What is read of a run's folder."""
RECENT_SECONDS = 600.0
"""Of how long a time the jobs that ended are counted, while a run is under way."""


@dataclass(frozen=True)
class Running:
    """A job under way, with its stage's name."""

    name: str
    under_way: UnderWay


@dataclass(frozen=True)
class Host:
    """A Ray node that ended jobs of the last start. seconds: that they took, all together."""

    name: str
    jobs: int
    seconds: float


@dataclass(frozen=True)
class RunStatus:
    """A run as of one moment.

    driver: None where nothing tells of one. gone: it was killed. states: how many jobs of each stage are in each state.
    failures: the events. running: empty where no driver is at work. hosts: those
    that ended jobs since the last start. ended, within: how many jobs ended in how many seconds, of late or, where no
    driver is at work, since the last start. left: None where no driver is at work.
    """

    driver: Driver | None
    gone: bool
    states: Mapping[Stage, Mapping[str, int]]
    failures: tuple[Event, ...]
    running: tuple[Running, ...]
    hosts: tuple[Host, ...]
    ended: int
    within: float
    left: TimeLeft | None


def read_status(
    folder: Path,
    moved_to: str | Path | None,
    now: datetime.datetime,
    say: Callable[[str], None] = lambda _sentence: None,
) -> RunStatus:
    """Looks at a run.

    Args:
        folder: The run's.
        moved_to: Its store, if that is no longer where the run left it.
        now: The time, with its zone.
        say: Is told of damaged events.

    Raises:
        BadInput: The run's plan cannot be read, or there is no store.
    """
    content = read_plan(folder)
    store = store_of(content, moved_to)
    driver = read_driver(folder)
    gone = driver is not None and driver.is_gone(now)
    at_work = driver is None or not (gone or driver.ended)
    jobs = {job["key"]: job for job in content["jobs"]}
    events = list(last_run(folder / EVENTS, say))
    newest = {event.key: event for event in events if event.key in jobs}
    found = store.there((job["stage"], key) for key, job in jobs.items())
    states = _states(jobs, [cell["key"] for cell in content["cells"]], found, newest, at_work)
    running: tuple[Running, ...] = ()
    left = None
    if at_work and driver is not None:
        kinds = {key: _kind(job, driver.gpus > 0) for key, job in jobs.items()}
        running = tuple(
            Running(f"{job['stage']}: {job['name']}", _under_way(kinds[key], newest[key], store, now))
            for key, job in jobs.items()
            if states[key] == "running"
        )
        waiting = Counter(kinds[key] for key, state in states.items() if state == "waiting")
        measured = _durations(events, kinds)
        left = time_left([job.under_way for job in running], waiting, measured, (driver.cpus, driver.gpus))
    ended, within = _throughput(events, now if at_work else None)
    return RunStatus(
        driver=driver,
        gone=gone,
        states={
            stage: Counter(sorted(states[key] for key, job in jobs.items() if job["stage"] == stage))
            for stage in STAGES
            if any(job["stage"] == stage for job in jobs.values())
        },
        failures=tuple(event for event in newest.values() if event.event == "failed"),
        running=running,
        hosts=_hosts(events),
        ended=ended,
        within=within,
        left=left,
    )


def _states(
    jobs: Mapping[str, Mapping[str, Any]],
    cells: Iterable[str],
    found: Mapping[str, bool],
    newest: Mapping[str, Event],
    at_work: bool,
) -> dict[str, str]:
    """Each job's state. What is not stored, and no cell that is missing needs, is not needed."""
    needed = set[str]()
    ahead = [key for key in cells if not found[key]]
    while ahead:
        key = ahead.pop()
        if key not in needed:
            needed.add(key)
            ahead += [parent for _, parent in jobs[key]["inputs"].values() if not found[parent]]

    def state(key: str) -> str:
        if found[key]:
            return "done"
        event = newest[key].event if key in newest else ""
        if event in ("failed", "blocked", "interrupted"):
            return event
        if event == "started":
            return "running" if at_work else "interrupted"
        return "waiting" if key in needed else "not needed"

    return {key: state(key) for key in jobs}


def _kind(job: Mapping[str, Any], has_gpus: bool) -> Kind:
    dataset = job["inputs"]["dataset"][1] if "dataset" in job["inputs"] else job["key"]
    params = job["retraining"]["recipe"] if job["retraining"] else job["params"]
    takes = share(Needs(**job["needs"]), has_gpus)
    return Kind(job["stage"], job["plugin"], dataset, *takes, epochs_in(job["stage"], params))


def _under_way(kind: Kind, started: Event, store: Store, now: datetime.datetime) -> UnderWay:
    gone = _seconds(started.time, now)
    if kind.stage not in TRAINED:
        return UnderWay(kind, gone)
    watched = store.watched(started.key)
    (history, of), noted = read_history(watched), last_noted(watched)
    since = gone if noted is None else now.timestamp() - noted
    return UnderWay(kind, gone, [epoch.get("seconds", 0.0) for epoch in history], of, max(min(since, gone), 0.0))


def _durations(events: Iterable[Event], kinds: Mapping[str, Kind]) -> Durations:
    found = Durations()
    for event in events:
        if event.event == "done" and event.seconds is not None and event.key in kinds:
            found.add(kinds[event.key], event.seconds)
    return found


def _throughput(events: Sequence[Event], now: datetime.datetime | None) -> tuple[int, float]:
    """How many jobs ended, in how many seconds: the last minutes before ``now``, or from first to last event."""
    if not events:
        return 0, 0.0
    done = [event.time for event in events if event.event == "done"]
    if now is None:
        return len(done), _seconds(events[0].time, moment(events[-1].time))
    within = min(RECENT_SECONDS, _seconds(events[0].time, now))
    return sum(_seconds(time, now) <= within for time in done), within


def _hosts(events: Iterable[Event]) -> tuple[Host, ...]:
    taken: dict[str, list[float]] = {}
    for event in events:
        if event.seconds is not None:
            taken.setdefault(event.host, []).append(event.seconds)
    return tuple(Host(name, len(seconds), sum(seconds)) for name, seconds in sorted(taken.items()))


def _seconds(time: str, now: datetime.datetime) -> float:
    return max((now - moment(time)).total_seconds(), 0.0)
