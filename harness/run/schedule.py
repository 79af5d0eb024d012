"""Which job runs when: the loop that walks the plan. It knows a pool of workers, not what the pool is made of."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from harness.contracts import Needs
from harness.plan import Job, Plan
from harness.run.estimate import Kind
from harness.run.events import EventLog
from harness.run.placing import Turn
from harness.spec.schema import STAGES, Stage
from harness.work.store import DamagedArtifact, Store

RETRIES = 4
"""How often in a row a job is run again that was lost with its worker process or node and had come no further."""
PAUSE_SECONDS = 0.5
"""Before the first of them; before each further one twice as long."""
LONGEST_PAUSE_SECONDS = 60.0
BATCH = 8
STARVED_SECONDS = 300.0
"""How long jobs wait for a lost node to come back when nothing else can run."""
BATCHED: tuple[Stage, ...] = ("applied", "cells")
"""Stages whose jobs are short enough to go several to a task."""


@dataclass(frozen=True)
class JobResult:
    """How one job ended in a worker. An exception travels as text: it may not survive a pickle.

    remarks: what the user should hear of, though the job went on. began, log: as in an event. found: the
    artifact was there when the worker came to the job, as another run had made it. out_of_gpu_memory: that is why it
    failed.
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

    @property
    def ok(self) -> bool:
        return not self.message


@dataclass(frozen=True)
class LostTask:
    """A task whose process or node was lost.

    reason: why, in a sentence. host, log: where it was and printed, if it began. preempted: its process was asked to
    end (SIGTERM), which says nothing of its jobs.
    """

    reason: str
    host: str = ""
    log: str = ""
    preempted: bool = False


class Pool(Protocol):
    """Workers somewhere. A task is several jobs of one stage."""

    def capacity(self) -> tuple[float, float]:
        """CPUs and GPUs in all, as of now."""

    def occupies(self, job: Job) -> tuple[float, float]:
        """CPUs and GPUs the job takes here."""

    def turn(self, job: Job) -> Turn:
        """Whether the job may take a CPU that is free, with regard to jobs that need a GPU beside it."""

    def submit(self, jobs: Sequence[Job]) -> Hashable: ...

    def wait(self, tasks: Sequence[Hashable], seconds: float) -> list[tuple[Hashable, list[JobResult] | LostTask]]:
        """The tasks that ended within ``seconds``. Jobs after one that left their process useless have no result."""

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
    return Kind(job.stage, job.plugin, dataset, *pool.occupies(job))


class Claims(Protocol):
    """Who runs a job, where several schedules work on the same plan or parts of it."""

    def take(self, key: str) -> bool:
        """Whether the job is this schedule's from now on."""

    def holder(self, key: str) -> object:
        """Whose it is, for a sentence; None where nobody's."""

    def release(self, keys: Iterable[str]) -> None:
        """Gives jobs up that were taken."""

    def refresh(self) -> None:
        """Is called every quarter of a second: what was taken is still this schedule's."""


class NoClaims:
    """For a schedule that is alone: every job is its own."""

    def take(self, key: str) -> bool:  # noqa: ARG002
        return True

    def holder(self, key: str) -> object:  # noqa: ARG002
        return None

    def release(self, keys: Iterable[str]) -> None: ...

    def refresh(self) -> None: ...


@dataclass(frozen=True)
class Remaining:
    """What of a plan is still to do. pending: job keys, inputs first. damaged: those that are stored but not sound."""

    pending: tuple[str, ...]
    damaged: Mapping[str, str]


def find_remaining(plan: Plan, store: Store, wanted: Iterable[str] | None = None) -> Remaining:
    """Looks the plan's cells up and, for those that are missing, their inputs; checksums are verified.

    What is stored and damaged is pending too, though all that rests on it be sound: other commands read it. What is not
    stored, and not needed for a cell, stays away.

    wanted: keys of jobs to look up instead of the cells'.
    """
    found = store.look_up((job.stage, key) for key, job in plan.jobs.items())
    pending: dict[str, None] = {}
    damaged = {
        key: f"{plan.jobs[key].name}: {error}, it is computed again"
        for key, error in found.items()
        if isinstance(error, DamagedArtifact)
    }

    def visit(key: str) -> None:
        if key in pending or found[key] is True:
            return
        for _, parent in plan.jobs[key].inputs.values():
            visit(parent)
        pending[key] = None

    for key in (cell.key for cell in plan.cells) if wanted is None else wanted:
        visit(key)
    for key in damaged:
        visit(key)
    return Remaining(tuple(pending), damaged)


@dataclass
class _Task:
    jobs: list[Job]
    deadline: float | None = None
    late: bool = False


@dataclass
class _Losses:
    """How often a job was lost since it last came further. place: how far it had come by then."""

    place: Hashable
    in_a_row: int = 0
    counted: int = 0


@dataclass
class Schedule:
    """One walk through the pending jobs of a plan.

    failed and blocked: keys, filled while it runs. apart: jobs for which this differs share no task. place: how far a
    job has come that is not done; a job that came further before it was lost has all its retries again. claims: a job
    that another schedule has taken waits until that is done with it. is_done: whether a job's artifact is there.
    """

    plan: Plan
    pending: Iterable[str]
    pool: Pool
    log: EventLog
    tick: Callable[[Sequence[Job]], None]
    failed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    apart: Callable[[Job], Hashable] = lambda job: None  # noqa: ARG005
    place: Callable[[Job], Hashable] = lambda job: None  # noqa: ARG005
    claims: Claims = field(default_factory=NoClaims)
    is_done: Callable[[Job], bool] = lambda job: False  # noqa: ARG005

    def __post_init__(self) -> None:
        self._waiting = {key: self.plan.jobs[key] for key in self.pending}
        self._unfinished = set(self._waiting)
        self._running: dict[Hashable, _Task] = {}
        self._alone: set[str] = set()
        self._losses: dict[str, _Losses] = {}
        self._paused_until: dict[str, float] = {}
        self._elsewhere: set[str] = set()
        self._idle_since = time.monotonic()

    def run(self) -> None:
        """Returns when every job is done, failed or blocked. KeyboardInterrupt kills what runs and is passed on."""
        try:
            while self._waiting or self._running:
                self.claims.refresh()
                self._submit_what_fits()
                self.tick([job for task in self._running.values() for job in task.jobs])
                for handle, ending in self.pool.wait(list(self._running), 0.25):
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

    def _submit_what_fits(self) -> None:
        cpus, gpus = self.pool.capacity()
        for task in self._running.values():
            taken = self.pool.occupies(task.jobs[0])
            cpus, gpus = cpus - taken[0], gpus - taken[1]
        ready = [job for job in self._waiting.values() if not self._waits(job) and not self._pauses(job)]
        for ranked in self._in_turn(self._tasks(ready, cpus)):
            takes = self.pool.occupies(ranked[0])
            if takes[0] > cpus + 1e-6 or takes[1] > gpus + 1e-6:
                continue
            jobs = [job for job in ranked if self._take(job)]
            if not jobs:
                continue
            cpus, gpus = cpus - takes[0], gpus - takes[1]
            self._running[self.pool.submit(jobs)] = _Task(jobs)
            for job in jobs:
                del self._waiting[job.key]
                self.log("started", job)

    def _in_turn(self, tasks: Iterable[list[Job]]) -> Iterator[list[Job]]:
        """Each task's turn is asked for once those before it are submitted."""
        last = []
        for task in tasks:
            turn = self.pool.turn(task[0])
            if turn == "now":
                yield task
            elif turn == "last":
                last.append(task)
        yield from (task for task in last if self.pool.turn(task[0]) != "not yet")

    def _take(self, job: Job) -> bool:
        """Whether the job is to be run here now. One that was another's for a while may be done by then."""
        if not self.claims.take(job.key):
            if job.key not in self._elsewhere:
                self._elsewhere.add(job.key)
                holder = self.claims.holder(job.key)
                self.log("elsewhere", job, message=f"another run computes it{f' ({holder})' if holder else ''}")
            return False
        if job.key not in self._elsewhere:
            return True
        self._elsewhere.discard(job.key)
        if not self.is_done(job):
            return True
        del self._waiting[job.key]
        self._unfinished.discard(job.key)
        self.claims.release([job.key])
        self.log("cached", job)
        return False

    def _waits(self, job: Job) -> bool:
        return any(key in self._unfinished for _, key in job.inputs.values())

    def _pauses(self, job: Job) -> bool:
        return time.monotonic() < self._paused_until.get(job.key, -math.inf)

    def _tasks(self, ready: Sequence[Job], cpus: float) -> list[list[Job]]:
        """Ready jobs as tasks: what others wait for first, many colors first; short ones several to a task."""
        ranked = sorted(ready, key=lambda job: (STAGES.index(job.stage), -max((x or 0 for x in job.levels), default=0)))
        groups: dict[Hashable, list[Job]] = {}
        for job in ranked:
            together = job.stage in BATCHED and job.key not in self._alone
            group = (job.stage, job.inputs["dataset"], job.needs, self.apart(job)) if together else job.key
            groups.setdefault(group, []).append(job)
        tasks = []
        for jobs in groups.values():
            size = min(BATCH, max(1, math.ceil(len(jobs) / max(cpus, 1))))
            tasks += [jobs[start : start + size] for start in range(0, len(jobs), size)]
        return tasks

    def _settle(self, task: _Task, ending: list[JobResult] | LostTask) -> None:
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
                self._unfinished.discard(job.key)
                if outcome.found:
                    self.log("cached", job)
                    continue
                began, log = outcome.began, outcome.log
                self.log("done", job, host=outcome.host, seconds=outcome.seconds, began=began, log=log)
            elif outcome.out_of_gpu_memory:
                self._settle_out_of_gpu_memory(job, shared_gpu, outcome)
            else:
                self._fail(job, outcome.message, outcome.traceback, outcome)
        for job in jobs.values():
            self._retry(job, "a job before it left its process useless; run again alone", ending[-1])

    def _settle_out_of_gpu_memory(self, job: Job, shared: bool, outcome: JobResult) -> None:
        """shared: whether its task had other jobs, or other tasks the same GPU: shares of a GPU don't limit memory."""
        if shared:
            alone = job if job.needs.gpus == "required" else replace(job, needs=replace(job.needs, gpus=1.0))
            self._retry(alone, "the GPU had no memory left; run again alone on a whole GPU", outcome)
            return
        advice = "lower its batch size or width"
        if job.needs.gpus != "required":
            advice += f", or have it run on CPUs (resources.{job.stage}.gpus: 0)"
        self._fail(job, f"a whole GPU has too little memory for it: {advice}", outcome.traceback, outcome)

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
        losses, place = self._losses.get(job.key), self.place(job)
        if losses is None or losses.place != place:
            losses = self._losses[job.key] = _Losses(place)
        losses.in_a_row += 1
        losses.counted += not lost.preempted
        if losses.counted > RETRIES:
            where = f"{RETRIES + 1} times at the same place"
            self._fail(job, f"its worker process was lost {where}: {lost.reason}", lost.reason, lost)
            return
        pause = min(PAUSE_SECONDS * 2 ** (losses.in_a_row - 1), LONGEST_PAUSE_SECONDS)
        self._paused_until[job.key] = time.monotonic() + pause
        retry = "run again" if lost.preempted else f"retry {losses.counted} of {RETRIES}"
        self._retry(job, f"{lost.reason}; {retry}", lost)

    def _retry(self, job: Job, why: str, ended: JobResult | LostTask) -> None:
        self._alone.add(job.key)
        self._waiting[job.key] = job
        self.log("retried", job, message=why, host=ended.host, log=ended.log)

    def _fail(self, job: Job, message: str, traceback: str, ended: JobResult | LostTask | None = None) -> None:
        self.failed[job.key] = message
        seconds, began = (ended.seconds, ended.began) if isinstance(ended, JobResult) else (None, "")
        host, log = (ended.host, ended.log) if ended is not None else ("", "")
        self.log("failed", job, message=message, traceback=traceback, host=host, seconds=seconds, began=began, log=log)
        for key, waiting in list(self._waiting.items()):
            if job.key in self.plan.ancestors(key):
                self.blocked[key] = f"{job.name}: {message}"
                del self._waiting[key]
                self._elsewhere.discard(key)
                self.log("blocked", waiting, message=self.blocked[key])

    def _give_up_where_nothing_fits(self) -> None:
        held_up = self._elsewhere or any(self._pauses(job) for job in self._waiting.values())
        if self._running or not self._waiting or held_up:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > STARVED_SECONDS:
            for job in [job for job in self._waiting.values() if not self._waits(job)]:
                del self._waiting[job.key]
                cpus, gpus = self.pool.occupies(job)
                self._fail(job, f"no node that is left has the {cpus:g} CPUs and {gpus:g} GPUs it needs", "")

    def _stop_overdue(self) -> None:
        for handle, task in self._running.items():
            if task.deadline is None and self.pool.has_started(handle):
                task.deadline = time.monotonic() + sum(job.needs.seconds or math.inf for job in task.jobs)
            if task.deadline is not None and time.monotonic() > task.deadline and not task.late:
                task.late = True
                self.pool.cancel(handle)
