"""``status``: how a run stands, and all that is known of one of its jobs."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import MovedStore, app, console
from harness.complaints import escaped, printable
from harness.contracts import BadInput

if TYPE_CHECKING:
    from harness.run.events import Event
    from harness.run.heartbeat import Driver
    from harness.run.status import RunStatus

SHOWN_KEY = 12
MOST_JOBS = 10
"""How many jobs are told about in one go."""
LAST_LINES = 20
"""Of what a worker printed."""
MOST_BYTES = 1 << 16


@app.command()
def status(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The folder of a run or a search, or its URI.", show_default=False)
    ],
    store: MovedStore = None,
    job: Annotated[
        str | None,
        typer.Option(
            "--job",
            help="Show what happened to the jobs whose key begins with this, or whose name contains it: when, on which "
            "host, traceback, and what their worker printed.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Shows how a run or a search stands, also from another terminal or host: jobs, failures, hosts, the time left."""
    from harness.run.status import READ
    from harness.search.status import READ as OF_SEARCH
    from harness.search.status import is_search
    from harness.work.folders import read_folder

    screen = console()

    def say(sentence: str, style: str | None = None) -> None:
        screen.print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)

    with read_folder(run, {*READ, *OF_SEARCH}) as folder:
        searched = is_search(folder) and job is None
        if job is not None:
            _say_of_jobs(folder, job, say)
        elif not searched:
            _say_of_run(run, folder, store, say)
    if searched:
        with read_folder(run, OF_SEARCH, below=True) as folder:
            _say_of_search(run, folder, say)


def _say_of_search(run: str, folder: Path, say: Callable[..., None]) -> None:
    from harness.search.status import read_search_status

    now = datetime.datetime.now(datetime.UTC)
    found = read_search_status(folder, now, lambda sentence: say(sentence, "red"))
    if found.driver is not None:
        say(_of_driver(found.driver, found.gone, now), "red" if found.gone else None)
    for stage, states in found.states.items():
        say(f"{stage}: {_counts(states)}")
    for name, states in found.trials.items():
        say(printable(f"trials of {name}: {_counts(states)}"))
    for task in found.compared:
        say(printable(f"{task}: the winners are compared; fewcolors status {run}/{task}"))
    if not found.trials:
        say("no plan of jobs and no trial yet")
    for sentence in found.failures:
        say(printable(f"failed: {sentence}"), "red")


def _counts(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items()) or "none yet"


def _say_of_run(run: str, folder: Path, store: str | None, say: Callable[..., None]) -> None:
    from harness.run.status import read_status

    now = datetime.datetime.now(datetime.UTC)
    found = read_status(folder, store, now, lambda sentence: say(sentence, "red"))
    if found.driver is not None:
        say(_of_driver(found.driver, found.gone, now), "red" if found.gone else None)
    for stage, states in found.states.items():
        say(f"{stage}: {_counts(states)}")
    _say_of_work(found, say)
    for event in found.failures:
        say(printable(f"failed: {event.stage}: {event.job}: {event.message}"), "red")
        say(f"  more: fewcolors status {run} --job {event.key[:SHOWN_KEY]}")


def _of_driver(driver: Driver, gone: bool, now: datetime.datetime) -> str:
    from harness.run.estimate import duration
    from harness.run.events import moment

    who = printable(f"process {driver.process} on {driver.host}")
    if gone:
        return (
            f"dead since {_moment(driver.beat)}: its driver, {who}, is gone. "
            "Start the command again: what is finished is kept, trainings resume from their last epoch."
        )
    if driver.ended:
        return printable(f"ended {_moment(driver.beat)}: {driver.ended} ({who})")
    since = (now - moment(driver.since)).total_seconds()
    cluster = f", on {driver.cpus:g} CPUs and {driver.gpus:g} GPUs" if driver.cpus else ""
    return f"running for {duration(max(since, 0))}{cluster} ({who})"


def _say_of_work(found: RunStatus, say: Callable[[str], None]) -> None:
    from harness.run.estimate import duration

    for running in found.running:
        epochs, of = len(running.under_way.epochs), running.under_way.of
        shown = f" (epoch {epochs} of {of})" if of else ""
        say(printable(f"running: {running.name}{shown}, for {duration(running.under_way.gone)}"))
    left = f"; {found.left}" if found.left is not None and found.left.known else ""
    if found.ended or left:
        say(f"{found.ended} jobs ended in {duration(found.within)}{left}")
    for host in found.hosts:
        say(printable(f"{host.name}: {host.jobs} jobs, {duration(host.seconds)} of work"))


def _say_of_jobs(run: Path, wanted: str, say: Callable[[str], None]) -> None:
    from harness.run.events import last_run
    from harness.run.results import EVENTS, read_plan

    jobs = read_plan(run)["jobs"]
    found = [job for job in jobs if job["key"].startswith(wanted)]
    found = found or [job for job in jobs if wanted in f"{job['stage']}: {job['name']}"]
    if not found:
        raise BadInput(f"--job {wanted}: no job of this run has such a key or name.")
    if len(found) > MOST_JOBS:
        raise BadInput(f"--job {wanted}: {len(found)} jobs of this run match; give more of the name, or a key.")
    events = list(last_run(run / EVENTS, say))
    for job in found:
        say(printable(f"{job['stage']}: {job['name']}, key {job['key'][:SHOWN_KEY]}"))
        told = [event for event in events if event.key == job["key"]]
        if not told:
            say("  nothing happened to it since the run was started last")
        for event in told:
            _say_of_event(event, say)


def _say_of_event(event: Event, say: Callable[[str], None]) -> None:
    from harness.run.estimate import duration

    took = "" if event.seconds is None else f" after {duration(event.seconds)}"
    where = f"on {event.host}" if event.host else "on a host that is not known"
    said = f": {event.message}" if event.message else ""
    say("  " + printable(f"{_moment(event.time)} {event.event}{took} {where}{said}"))
    for line in event.traceback.splitlines():
        say("    " + escaped(line))
    if event.log and event.event != "done":
        for ending in (".out", ".err"):
            say("  " + printable(f"its worker printed to {event.log}{ending}:"))
            for line in _last_lines(event.host, Path(event.log + ending)):
                say("    " + escaped(line))


def _last_lines(host: str, path: Path) -> list[str]:
    if host.partition("/")[0] != socket.gethostname():
        return ["(a file of that host)"]
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - MOST_BYTES, 0))
            lines = file.read().decode(errors="replace").splitlines()[-LAST_LINES:]
    except OSError:
        return ["(not there any more)"]
    return lines or ["(nothing)"]


def _moment(time: str) -> str:
    from harness.run.events import moment

    return f"{moment(time).astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
