"""A run from spec to report: what is wanted, what is already stored, the rest on Ray, then the reports."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from harness.complaints import Complaints, one_line
from harness.contracts import BadInput, Results, RunView, StatedClaim, Verdict
from harness.discovery import discover
from harness.hiding import check_workers
from harness.plan import Job, Plan, check_inputs, make_plan
from harness.registry import Plugin, Registry
from harness.run.aside import aside_for
from harness.run.durations import Durations
from harness.run.events import Event, EventLog, Listener
from harness.run.heartbeat import Heartbeat
from harness.run.outdated import WHY, outdated_in
from harness.run.progress import Progress
from harness.run.provenance import record_provenance
from harness.run.ready import BATCHED
from harness.run.results import EVENTS, MEND, SPEC, gather, write_plan
from harness.run.schedule import Remaining, Schedule, find_remaining
from harness.run.stages import abouts_in
from harness.sources import Source, read_source
from harness.spec.file import override, read_spec
from harness.spec.resolve import Spec, resolve
from harness.work.foreign_code import foreign_code_of
from harness.work.jobs import read_history
from harness.work.judges import stored_judge
from harness.work.leases import new_lease_of_run
from harness.work.remote import open_store
from harness.work.store import Store
from harness.writing import write_yaml

if TYPE_CHECKING:
    from harness.run.pool import RayPool

AGAIN = "they are computed again"
"""What becomes of cells that are left out because a network of theirs is stored no longer."""


@dataclass(frozen=True, eq=False)
class Request:
    """A validated spec with its plan, its store and what of it is still to do."""

    spec: Spec
    plan: Plan
    store: Store
    registry: Registry
    sources: tuple[Source, ...]
    remaining: Remaining

    def state(self, job: Job) -> str:
        """``to run``, ``damaged, to run``, ``stored``, or ``not needed``: everything made from it is stored."""
        if job.key in self.remaining.damaged:
            return "damaged, to run"
        if job.key in self.remaining.keys:
            return "to run"
        return "stored" if self.store.has(job.stage, job.key) else "not needed"

    def too_large_for(self, memory: float) -> list[Job]:
        """The jobs to run that need more than so many bytes at the least, the largest first."""
        jobs = [self.plan.jobs[key] for key in self.remaining.pending]
        return sorted((job for job in jobs if job.least_memory > memory), key=lambda job: -job.least_memory)


@dataclass(frozen=True)
class FinishedRun:
    """How a run ended. pages: what each report wrote, by its plugin's name."""

    results: Results
    pages: dict[str, Path]
    broken_reports: tuple[str, ...]
    computed: int

    @property
    def complete(self) -> bool:
        return not self.broken_reports and all(cell.status == "ok" for cell in self.results.cells)


def prepare(
    path: Path,
    store: str | Path,
    plugins: Sequence[str] = (),
    datasets: Sequence[str] = (),
    classifiers: Sequence[str] = (),
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (),
    colors: Sequence[int] = (),
    scale: str | None = None,
    baseline: str | None = None,
    *,
    files_needed: bool = True,
) -> Request:
    """Reads and checks all that can be checked before anything runs. Raises BadInput.

    files_needed: whether data must be there; where it is not, the plan is good for a forecast only.
    """
    instead = {"datasets": datasets, "classifiers": classifiers, "seeds": seeds, "colors": colors}
    content = override(read_spec(path), instead, further_methods=methods, baseline=baseline)
    sources = [read_source(plugin) for plugin in plugins]
    return prepare_content(content, store, sources, scale, str(path), files_needed=files_needed)


def prepare_content(
    content: Mapping[str, Any],
    store: str | Path,
    sources: Sequence[Source] = (),
    scale: str | None = None,
    called: str = "the spec",
    *,
    files_needed: bool = True,
) -> Request:
    """The same for a spec's content. sources: plugins that are not installed; called: the spec, in sentences."""
    check_workers(Path.cwd())
    registry = discover(sources)
    spec = resolve(content, registry, scale, called)
    if spec.searched:
        raise BadInput(f"{spec.searched[0].where}.search: this spec has a search; run it with fewcolors tune.")
    return request_for(spec, open_store(store), registry, tuple(sources), files_needed=files_needed)


def request_for(
    spec: Spec, store: Store, registry: Registry, sources: tuple[Source, ...], *, files_needed: bool = True
) -> Request:
    """Plans a spec, looks up what is stored, and lets plugins check what they will read. Raises BadInput."""
    plan = make_plan(spec, files_needed=files_needed)
    todo = find_remaining(plan, store)
    if not files_needed:
        return Request(spec, plan, store, registry, sources, todo)
    _check_inputs(spec, [plan.jobs[key] for key in todo.pending])
    return Request(spec, plan, store, registry, sources, todo)


def _check_inputs(spec: Spec, jobs: Sequence[Job]) -> None:
    """Lets the plugins of these jobs check what they will read. Raises BadInput."""
    pending = {job.plugin for job in jobs if job.stage != "cells"}
    pending |= {job.retraining.plugin for job in jobs if job.retraining is not None}
    complaints = Complaints(spec.name)
    for choice in (*spec.datasets, *spec.classifiers, *spec.methods):
        if choice.name in pending:
            with complaints.gathering():
                check_inputs(choice)
    if any(job.metrics for job in jobs):
        for choice in spec.metrics:
            with complaints.gathering():
                check_inputs(choice)
    complaints.raise_if_any()


def execute(
    request: Request, folder: Path, console: Console, address: str | None, cpus: int | None, gpus: int | None
) -> FinishedRun:
    """Runs what is pending and writes the reports. KeyboardInterrupt is passed on once everything is stopped.

    Cells that turn out to be made from a network that was trained again, and is another one, are computed again: once,
    and where the store is on a disk, as machines keep copies of what is stored far away.
    """
    plan, store = request.plan, request.store
    done = _execute(request, folder, console, address, cpus, gpus, AGAIN)
    left_out = any(cell.status == "blocked" and store.has("cells", cell.key) for cell in done.results.cells)
    outdated = _outdated(plan, store) if left_out and not store.distant else {}
    if not outdated:
        return done
    remaining = find_remaining(plan, store, (), outdated)
    try:
        _check_inputs(request.spec, [plan.jobs[key] for key in remaining.pending])
    except BadInput as error:
        console.print(
            f"The cells left out cannot be computed again: {error}",
            style="yellow",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return done
    again = _execute(replace(request, remaining=remaining), folder, console, address, cpus, gpus, MEND)
    return replace(again, computed=done.computed + again.computed)


def _outdated(plan: Plan, store: Store) -> dict[str, str]:
    """Stored artifacts made from a network that is stored no longer, each with a sentence."""
    there = store.there((job.stage, key) for key, job in plan.jobs.items())
    finished = [cell.key for cell in plan.cells if there[cell.key]]
    jobs = {key: asdict(job) for key, job in plan.jobs.items()}
    outdated = outdated_in(jobs, abouts_in(store), finished, far=False)
    return {
        key: f"{job.name}: {WHY.format(plan.jobs[network].name)}"
        for key, job in plan.jobs.items()
        if there[key] and (network := outdated(key)) is not None
    }


def _execute(
    request: Request,
    folder: Path,
    console: Console,
    address: str | None,
    cpus: int | None,
    gpus: int | None,
    outdated_are: str,
) -> FinishedRun:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out {folder}: cannot be made: {error.strerror}.") from None
    if request.remaining.pending:
        request.store.create()

    def say(sentence: str) -> None:
        console.print(sentence, style="yellow", markup=False, highlight=False, soft_wrap=True)

    with Heartbeat(folder) as heartbeat:
        with _workers(request, address, cpus, gpus) as (pool, listeners):
            try:
                write_yaml(folder / SPEC, request.spec.written_out())
                write_plan(folder, request.spec, request.plan, request.store)
                record_provenance(folder, request.sources, computing=pool is not None)
            except OSError as error:
                raise BadInput(f"--out {folder}: cannot be written to: {error.strerror}.") from None
            if pool is not None:
                listeners = (*listeners, _capacity_watch(heartbeat, pool))
            with aside_for(request.store) as aside:
                log = EventLog(folder / EVENTS, _judge_watch(request, say, aside), *listeners)
                compute(request.plan, request.remaining, request.store, pool, log, console)
        results = with_claims(gather(folder, request.store.name, say, outdated_are), request.registry)
        pages, broken = write_reports(request.spec.reports, results, folder / "report", console)
    return FinishedRun(results, pages, broken, len(request.remaining.pending))


@contextlib.contextmanager
def _workers(
    request: Request, address: str | None, cpus: int | None, gpus: int | None
) -> Iterator[tuple[RayPool | None, tuple[Listener, ...]]]:
    """Workers, where there is anything to do for them, and who else on their cluster hears of events."""
    pending = request.remaining.pending
    if not pending:
        yield None, ()
        return
    from harness.run.cluster import connect, exports_metrics
    from harness.run.metrics import RunMetrics
    from harness.run.pool import RayPool

    with connect(address, cpus, gpus):
        pool = RayPool(
            request.store, request.sources, lambda job: foreign_code_of(job, request.plan.jobs, request.registry)
        )
        pool.check(request.plan.jobs[key] for key in pending)
        yield pool, (RunMetrics(request.spec.name, len(pending)),) if exports_metrics() else ()


def _capacity_watch(heartbeat: Heartbeat, pool: RayPool) -> Listener:
    """Others see in the heartbeat how large the cluster is by now."""

    def look(_event: Event) -> None:
        heartbeat.capacity = pool.capacity()

    return look


def _judge_watch(request: Request, say: Callable[[str], None], aside: Executor) -> Listener:
    """Says of every classifier that is there, as soon as it is, if it does no better than guessing."""

    def look(job: Job) -> None:
        with contextlib.suppress(OSError):  # of a store that does not answer just now; the report says it, too
            judge = stored_judge(job, request.store)
            if judge is not None and judge.guesses:
                say(f"{job.name} {judge}")

    def hear(event: Event) -> None:
        if event.stage == "classifiers" and event.event in ("cached", "done"):
            job = request.plan.jobs[event.key]
            if job.retraining is None:
                aside.submit(look, job)

    return hear


def compute(
    plan: Plan, todo: Remaining, store: Store, pool: RayPool | None, log: EventLog, console: Console
) -> Schedule | None:
    """Does what is pending (there is a pool where anything is) and logs it; gives the schedule as it ended."""
    log("run-started", message=f"{len(plan.cells)} cells, {len(todo.pending)} jobs to run")
    for key, sentence in todo.damaged.items():
        store.remove(plan.jobs[key].stage, key)
        console.print(sentence, style="yellow", markup=False, soft_wrap=True)
        log("damaged", message=sentence)
    still_outdated = _outdated(plan, store) if todo.outdated else {}  # another driver may have been here since
    for key in todo.outdated.keys() & still_outdated.keys():
        store.remove(plan.jobs[key].stage, key)
        log("outdated", plan.jobs[key], message=todo.outdated[key])
    for key, job in plan.jobs.items():
        if key not in todo.keys and store.has(job.stage, key):
            log("cached", job)
    schedule = None
    if pool is not None:
        durations = Durations.kept_in(store)
        leases = store.leases(lambda key: key not in plan.jobs or plan.jobs[key].stage not in BATCHED)
        with contextlib.closing(leases), aside_for(store) as aside:
            aside.submit(leases.take_free, [new_lease_of_run(plan.jobs)])
            progress = Progress(console, plan, todo.pending, store, pool, aside)
            log.listeners = (*log.listeners, progress)
            schedule = Schedule(
                plan,
                todo.pending,
                pool,
                log,
                progress.tick,
                durations=durations,
                apart=pool.code,
                place=lambda job: len(read_history(store.watched(job.key))[0]),
                claims=leases,
                is_done=lambda job: _is_stored(job, store),
                aside=aside,
            )
            try:
                with progress:
                    schedule.run()
            finally:
                progress.durations.keep_in(store)
    log("run-ended")
    return schedule


def _is_stored(job: Job, store: Store) -> bool:
    """Whether a job's artifact is there; of a store that does not answer just now, not that it knows of."""
    try:
        return store.has(job.stage, job.key)
    except OSError:
        return False


def with_claims(results: Results, registry: Registry) -> Results:
    """The same run with every claim there is, for its reports to judge."""

    def judging(plugin: Plugin) -> Callable[[RunView], Verdict]:
        def judge(run: RunView) -> Verdict:
            verdict: Verdict = plugin.make({}, f"claim {plugin.name}").judge(run)
            return verdict

        return judge

    marks = ((plugin.mark, judging(plugin)) for plugin in registry.of("claim"))
    return replace(results, claims=tuple(StatedClaim(m.name, m.summary, m.source, judge) for m, judge in marks))


def write_reports(
    plugins: Sequence[Plugin], results: Results, folder: Path, console: Console
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Each report's page by its plugin's name, and the names of those that raised; one costs only itself."""
    folder.mkdir(parents=True, exist_ok=True)
    pages, broken = dict[str, Path](), []
    for plugin in plugins:
        try:
            report: Any = plugin.make({}, f"report {plugin.name}")
            pages[plugin.name] = report.write(results, folder)
        except Exception as error:  # noqa: BLE001 - a third-party report may fail in any way
            console.print(f"report {plugin.name} failed: {one_line(error)}", style="red", markup=False)
            broken.append(plugin.name)
    return pages, tuple(broken)
