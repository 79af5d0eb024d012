"""Which job runs when: the loop that walks the plan. It knows a pool of workers, not what the pool is made of."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from harness.contracts import Needs
from harness.plan import Job, Plan
from harness.run.aside import AtOnce
from harness.run.durations import Durations, Kind, epochs_in
from harness.run.events import EventLog
from harness.run.losses import ALONE_ON_A_GPU, Losses, LostTask, gpu_too_small, without_store
from harness.run.placing import Turn
from harness.run.ready import ReadyJobs, rank_jobs
from harness.work.store import DamagedArtifact, Store

STARVED_SECONDS = 300.0
"""How long jobs wait for a lost node to come back when nothing else can run."""
LOOK_AGAIN_SECONDS = 0.25
"""How often a job is asked for that another run has; how long the pool is waited for at most."""
ANSWER_SECONDS = 0.02
"""The same while it is asked whose jobs are that could run now."""


@dataclass(frozen=True)
class JobResult:
    """How one job ended in a worker. An exception travels as text: it may not survive a pickle.

    remarks: what the user should hear of, though the job went on. began, log: as in an event. found: the
    artifact was there when the worker came to the job, as another run had made it. out_of_gpu_memory,
    store_unreachable: that is why it failed.
    """

    key: str
    seconds: float
    host: str
    message: str = ""
    traceback: str = ""
    remarks: tuple[str, ...] = ()
    began: str = ""
    log: str = ""
    found: bool = False
    out_of_gpu_memory: bool = False
    store_unreachable: bool = False

    @property
    def ok(self) -> bool:
        return not self.message


class Pool(Protocol):
    """Workers somewhere. A task is several jobs of one stage."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""

    def capacity(self) -> tuple[float, float]:
        """CPUs and GPUs in all, as of now."""

    def occupies(self, job: Job) -> tuple[float, float]:
        """CPUs and GPUs the job takes here."""

    def turn(self, job: Job) -> Turn:
        """Whether the job may take a CPU that is free, with regard to jobs that need a GPU beside it."""

    def submit(self, jobs: Sequence[Job]) -> Hashable: ...

    def wait(self, tasks: Sequence[Hashable], seconds: float) -> list[tuple[Hashable, list[JobResult] | LostTask]]:
        """The tasks that have ended, as soon as there are any or after ``seconds``.

        Jobs after one that left their process useless have no result.
        """

    def has_started(self, task: Hashable) -> bool:
        """Whether a worker has begun with it: it may wait for others who use the same cluster."""

    def cancel(self, task: Hashable) -> None:
        """Kills it; it then ends as a LostTask."""


def share(needs: Needs, has_gpus: bool) -> tuple[float, float]:
    """CPUs and GPUs that a job with these needs occupies, on a cluster with GPUs and on one without."""
    gpus = needs.gpus or 0.0
    return float(needs.cpus or 1), 1.0 if gpus == "required" else float(gpus) if has_gpus else 0.0


def kind_of(job: Job, pool: Pool) -> Kind:
    """Which jobs take about as long as this one."""
    dataset = job.inputs["dataset"][1] if "dataset" in job.inputs else job.key
    params = job.params if job.retraining is None else job.retraining.recipe
    return Kind(job.stage, job.plugin, dataset, *pool.occupies(job), epochs_in(job.stage, params))


class Claims(Protocol):
    """Who runs a job, where several schedules work on the same plan or parts of it."""

    def take_free(self, keys: Iterable[str]) -> set[str]:
        """Those of several jobs that are this schedule's from now on."""

    def holder(self, key: str) -> object:
        """Whose it is, for a sentence; None where nobody's."""

    def release(self, keys: Iterable[str]) -> None:
        """Gives jobs up that were taken."""

    def refresh(self) -> None:
        """Is called again and again, up to four times a second: what was taken is still this schedule's."""


class NoClaims:
    """For a schedule that is alone: every job is its own."""

    def take_free(self, keys: Iterable[str]) -> set[str]:
        return set(keys)

    def holder(self, key: str) -> object:  # noqa: ARG002
        return None

    def release(self, keys: Iterable[str]) -> None: ...

    def refresh(self) -> None: ...


@dataclass(frozen=True)
class Remaining:
    """What of a plan is still to do. pending: job keys, inputs first. damaged: those that are stored but not sound;
    outdated: those that are sound but made from a network that is stored no longer; each with a sentence."""

    pending: tuple[str, ...]
    damaged: Mapping[str, str]
    outdated: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Those of ``pending``."""
        return frozenset(self.pending)


def find_remaining(
    plan: Plan, store: Store, wanted: Iterable[str] | None = None, outdated: Mapping[str, str] | None = None
) -> Remaining:
    """Looks the plan's cells up and, for those that are missing, their inputs; checksums are verified.

    What is stored and damaged is pending too, though all that rests on it be sound: other commands read it. What is not
    stored, and not needed for a cell, stays away.

    wanted: keys of jobs to look up instead of the cells'. outdated: those to compute again though they are stored, each
    with a sentence.
    """
    found = store.look_up((job.stage, key) for key, job in plan.jobs.items())
    pending: dict[str, None] = {}
    damaged = {
        key: f"{plan.jobs[key].name}: {error}, it is computed again"
        for key, error in found.items()
        if isinstance(error, DamagedArtifact)
    }
    found |= dict.fromkeys(outdated or {}, False)

    def visit(key: str) -> None:
        if key in pending or found[key] is True:
            return
        for _, parent in plan.jobs[key].inputs.values():
            visit(parent)
        pending[key] = None

    for key in (cell.key for cell in plan.cells) if wanted is None else wanted:
        visit(key)
    for key in (*damaged, *(outdated or {})):
        visit(key)
    return Remaining(tuple(pending), damaged, outdated or {})


@dataclass
class _Task:
    jobs: list[Job]
    deadline: float | None = None
    late: bool = False


@dataclass(frozen=True)
class _Answer:
    """Whose jobs are that could run now: keys.

    mine: this schedule's. done: of these, those that another schedule had, and has done. holders: of the others.
    """

    mine: set[str]
    done: set[str]
    holders: dict[str, object]


@dataclass
class Schedule:
    """One walk through the pending jobs of a plan.

    failed and blocked: keys, filled while it runs. durations: how long jobs take, which decides what goes first. apart:
    jobs for which this differs share no task. place: how far a job has come that is not done; a job that came further
    before it was lost has all its retries again. claims: a job that another schedule has taken waits until that is done
    with it. is_done: whether a job's artifact is there. aside: asks claims and is_done, which may take long; what it is
    given at a time is done in any order.
    """

    plan: Plan
    pending: Iterable[str]
    pool: Pool
    log: EventLog
    tick: Callable[[Sequence[Job]], None]
    failed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    durations: Durations = field(default_factory=Durations)
    apart: Callable[[Job], Hashable] = lambda job: None  # noqa: ARG005
    place: Callable[[Job], Hashable] = lambda job: None  # noqa: ARG005
    claims: Claims = field(default_factory=NoClaims)
    is_done: Callable[[Job], bool] = lambda job: False  # noqa: ARG005
    aside: Executor = field(default_factory=AtOnce)

    def __post_init__(self) -> None:
        self._waiting = {key: self.plan.jobs[key] for key in self.pending}
        self._missing = {
            key: {parent for _, parent in job.inputs.values() if parent in self._waiting}
            for key, job in self._waiting.items()
        }
        self._dependents: dict[str, list[str]] = {}
        for key, parents in self._missing.items():
            for parent in parents:
                self._dependents.setdefault(parent, []).append(key)
        kinds = {key: kind_of(job, self.pool) for key, job in self._waiting.items()}
        expected = {kind: self.durations.expected(kind) for kind in set(kinds.values())}
        ranks = rank_jobs(self.plan, self._waiting, lambda job: expected[kinds[job.key]])
        paces = {key: expected[kind] for key, kind in kinds.items() if kind in self.durations}
        self._ready = ReadyJobs(ranks, paces, self.pool.occupies, self.pool.turn, self.apart)
        self._later: list[tuple[float, str]] = []
        self._running: dict[Hashable, _Task] = {}
        self._alone: set[str] = set()
        self._losses: dict[str, Losses] = {}
        self._without_store: dict[str, int] = {}
        self._elsewhere: set[str] = set()
        self._asked: list[tuple[list[Job], Future[_Answer]]] = []
        self._refreshed: Future[None] | None = None
        self._idle_since = self.pool.now()
        for key, parents in self._missing.items():
            if not parents:
                self._ready.add(self._waiting[key])

    def run(self) -> None:
        """Returns when every job is done, failed or blocked. KeyboardInterrupt kills what runs and is passed on."""
        try:
            while self._waiting or self._running:
                self._refresh()
                self._submit_what_fits()
                self.tick([job for task in self._running.values() for job in task.jobs])
                for handle, ending in self.pool.wait(list(self._running), self._patience()):
                    self._settle(self._running.pop(handle), ending)
                self._stop_overdue()
                self._give_up_where_nothing_fits()
        except KeyboardInterrupt:
            for handle, task in self._running.items():
                self.pool.cancel(handle)
                self.claims.release(job.key for job in task.jobs)
                for job in task.jobs:
                    self.log("interrupted", job)
            raise

    def _refresh(self) -> None:
        if self._refreshed is None or self._refreshed.done():
            self._refreshed = self.aside.submit(self.claims.refresh)

    def _patience(self) -> float:
        return ANSWER_SECONDS if self._asked else LOOK_AGAIN_SECONDS

    def _submit_what_fits(self) -> None:
        for jobs, answer in [each for each in self._asked if each[1].done()]:
            self._asked.remove((jobs, answer))
            self._submit(jobs, answer.result())
        cpus, gpus = self.pool.capacity()
        for job in self._first_jobs():
            taken = self.pool.occupies(job)
            cpus, gpus = cpus - taken[0], gpus - taken[1]
        while self._later and self._later[0][0] <= self.pool.now():
            _, key = heapq.heappop(self._later)
            self._ready.add(self._waiting[key], alone=key in self._alone)
        while offered := self._ready.next_task(cpus, gpus):
            if self._ask(offered):
                taken = self.pool.occupies(offered[0])
                cpus, gpus = cpus - taken[0], gpus - taken[1]

    def _first_jobs(self) -> list[Job]:
        """One of each task that occupies something: those that run, and those of which it is asked whose they are."""
        return [task.jobs[0] for task in self._running.values()] + [jobs[0] for jobs, _ in self._asked]

    def _ask(self, jobs: list[Job]) -> bool:
        """Asks whose jobs are, and submits them once that is known. Gives whether they occupy something meanwhile."""
        were_elsewhere = self._elsewhere.intersection(job.key for job in jobs)
        answer = self.aside.submit(self._whose, jobs, were_elsewhere)
        if answer.done():
            return self._submit(jobs, answer.result())
        self._asked.append((jobs, answer))
        return True

    def _whose(self, jobs: Sequence[Job], were_elsewhere: set[str]) -> _Answer:
        mine = self.claims.take_free([job.key for job in jobs])
        done = {job.key for job in jobs if job.key in mine & were_elsewhere and self.is_done(job)}
        others = [job.key for job in jobs if job.key not in mine | were_elsewhere]
        return _Answer(mine, done, {key: self.claims.holder(key) for key in others})

    def _submit(self, offered: Sequence[Job], answer: _Answer) -> bool:
        """Gives whether any of them is to be run here now."""
        jobs = [job for job in offered if self._is_to_run(job, answer)]
        if jobs:
            self._running[self.pool.submit(jobs)] = _Task(jobs)
        for job in jobs:
            del self._waiting[job.key]
            self.log("started", job)
        return bool(jobs)

    def _is_to_run(self, job: Job, answer: _Answer) -> bool:
        """Whether a job is to be run here now. One that was another's for a while may be done by then."""
        if job.key not in answer.mine:
            if job.key not in self._elsewhere:
                self._elsewhere.add(job.key)
                holder = answer.holders.get(job.key)
                self.log("elsewhere", job, message=f"another run computes it{f' ({holder})' if holder else ''}")
            # Of many the store is not asked all the time: over a network that would hold everything up.
            self._add_later(job.key, max(LOOK_AGAIN_SECONDS, 0.05 * len(self._elsewhere)))
            return False
        self._elsewhere.discard(job.key)
        if job.key not in answer.done:
            return True
        del self._waiting[job.key]
        self.claims.release([job.key])
        self.log("cached", job)
        self._finish(job)
        return False

    def _add_later(self, key: str, seconds: float) -> None:
        heapq.heappush(self._later, (self.pool.now() + seconds, key))

    def _finish(self, job: Job) -> None:
        """What waited for nothing but this job's artifact is ready."""
        for key in self._dependents.get(job.key, ()):
            self._missing[key].discard(job.key)
            if not self._missing[key] and key in self._waiting:
                self._ready.add(self._waiting[key], alone=key in self._alone)

    def _settle(self, task: _Task, ending: list[JobResult] | LostTask) -> None:
        self._idle_since = self.pool.now()
        self.claims.release(job.key for job in task.jobs)
        if isinstance(ending, LostTask):
            self._settle_lost(task, ending)
            return
        jobs = {job.key: job for job in task.jobs}
        shared_gpu = len(jobs) > 1 or self.pool.occupies(task.jobs[0])[1] < 1
        for outcome in ending:
            job = jobs.pop(outcome.key)
            for remark in outcome.remarks:
                self.log("warned", job, message=remark, host=outcome.host)
            if outcome.ok:
                self._finish(job)
                if outcome.found:
                    self.log("cached", job)
                    continue
                self._ready.took(job, outcome.seconds)
                began, log = outcome.began, outcome.log
                self.log("done", job, host=outcome.host, seconds=outcome.seconds, began=began, log=log)
            elif outcome.out_of_gpu_memory:
                self._settle_out_of_gpu_memory(job, shared_gpu, outcome)
            elif outcome.store_unreachable:
                self._settle_store_unreachable(job, outcome)
            else:
                self._fail(job, outcome.message, outcome.traceback, outcome)
        for job in jobs.values():
            self._retry(job, "a job before it left its process useless; run again alone", ending[-1])

    def _settle_out_of_gpu_memory(self, job: Job, shared: bool, outcome: JobResult) -> None:
        """shared: whether its task had other jobs, or other tasks the same GPU: shares of a GPU don't limit memory."""
        if shared:
            if job.needs.gpus != "required":
                job = replace(job, needs=replace(job.needs, gpus=max(1.0, job.needs.gpus or 0.0)))
            self._retry(job, ALONE_ON_A_GPU, outcome)
            return
        setting = "" if job.needs.gpus == "required" else f"resources.{job.stage}/{job.plugin}.gpus"
        self._fail(job, gpu_too_small(setting), outcome.traceback, outcome)

    def _settle_store_unreachable(self, job: Job, outcome: JobResult) -> None:
        times = self._without_store[job.key] = self._without_store.get(job.key, 0) + 1
        decided = without_store(times, outcome.message)
        if decided.given_up:
            self._fail(job, decided.why, outcome.traceback, outcome)
        else:
            self._retry(job, decided.why, outcome, decided.seconds, alone=False)

    def _settle_lost(self, task: _Task, lost: LostTask) -> None:
        if len(task.jobs) > 1:
            reason = "one of a batch ran past its limit" if task.late else lost.reason
            for job in task.jobs:
                self._retry(job, f"{reason}; run again alone", lost)
            return
        (job,) = task.jobs
        if task.late:
            self._fail(job, f"stopped after {job.needs.seconds:g} s, its limit", lost.reason, lost)
            return
        decided = self._losses.setdefault(job.key, Losses()).add(lost, self.place(job))
        if decided.given_up:
            self._fail(job, decided.why, lost.reason, lost)
        else:
            self._retry(job, decided.why, lost, decided.seconds)

    def _retry(
        self, job: Job, why: str, ended: JobResult | LostTask, pause: float = 0.0, *, alone: bool = True
    ) -> None:
        if alone:
            self._alone.add(job.key)
        self._waiting[job.key] = job
        self._add_later(job.key, pause)
        self.log("retried", job, message=why, host=ended.host, log=ended.log)

    def _fail(self, job: Job, message: str, traceback: str, ended: JobResult | LostTask | None = None) -> None:
        self.failed[job.key] = message
        seconds, began = (ended.seconds, ended.began) if isinstance(ended, JobResult) else (None, "")
        host, log = (ended.host, ended.log) if ended is not None else (None, "")
        self.log("failed", job, message=message, traceback=traceback, host=host, seconds=seconds, began=began, log=log)
        for key in self._resting_on(job.key):
            if key in self._waiting:
                self.blocked[key] = f"{job.name}: {message}"
                self.log("blocked", self._waiting.pop(key), message=self.blocked[key])

    def _resting_on(self, key: str) -> dict[str, None]:
        """The jobs that need this one's artifact, those that need theirs, and so on."""
        found: dict[str, None] = {}
        further = [key]
        while further:
            new = [child for child in self._dependents.get(further.pop(), ()) if child not in found]
            found |= dict.fromkeys(new)
            further += new
        return found

    def _give_up_where_nothing_fits(self) -> None:
        if self._running or self._asked or not self._waiting or self._later:
            self._idle_since = self.pool.now()
        elif self.pool.now() - self._idle_since > STARVED_SECONDS:
            for job in self._ready.give_up():
                del self._waiting[job.key]
                if job.key in self._elsewhere and self.is_done(job):
                    self.log("cached", job)
                    self._finish(job)
                    continue
                cpus, gpus = self.pool.occupies(job)
                needs = f"the {cpus:g} CPUs, {gpus:g} GPUs and the memory it needs"
                self._fail(job, f"no node that is left has {needs}", "")

    def _stop_overdue(self) -> None:
        for handle, task in self._running.items():
            if task.deadline is None and self.pool.has_started(handle):
                task.deadline = self.pool.now() + sum(job.needs.seconds or math.inf for job in task.jobs)
            if task.deadline is not None and self.pool.now() > task.deadline and not task.late:
                task.late = True
                self.pool.cancel(handle)
