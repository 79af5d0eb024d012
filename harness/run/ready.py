"""Jobs that could run now, in the order in which they should."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from harness.plan import Job, Plan
from harness.run.placing import Turn
from harness.spec.schema import STAGES, Stage

BATCHED: tuple[Stage, ...] = ("applied", "cells")
"""Stages whose jobs are short enough to go several to a task."""
BATCH = 8
"""How many go to a task where nothing is known of how long they take."""
LARGEST_BATCH = 64
TASK_SECONDS = 2.0
"""What a task of several jobs should take: less than anybody notices, and much more than it costs to hand it over."""

Rank = tuple[float, int, int, int]


def time_to_the_end(plan: Plan, keys: Iterable[str], seconds: Callable[[Job], float]) -> dict[str, float]:
    """Seconds that a job takes together with the longest chain of jobs that have to follow it.

    Args:
        plan: Jobs, each after its inputs.
        keys: Of those that are to be done, inputs first.
        seconds: How long a job takes.
    """
    found = dict.fromkeys(keys, 0.0)
    for key in reversed(found):
        job = plan.jobs[key]
        found[key] += seconds(job)
        for _, parent in job.inputs.values():
            if parent in found:
                found[parent] = max(found[parent], found[key])
    return found


def rank_jobs(plan: Plan, keys: Iterable[str], seconds: Callable[[Job], float]) -> dict[str, Rank]:
    """Smallest first: the longest way to the end begins first; among equals what others wait for, then many colors."""

    def rank(job: Job, left: float, number: int) -> Rank:
        return -left, STAGES.index(job.stage), -max((x or 0 for x in job.levels), default=0), number

    left = time_to_the_end(plan, keys, seconds)
    return {key: rank(plan.jobs[key], left[key], number) for number, key in enumerate(left)}


@dataclass
class _Group:
    """Jobs that may share a task. takes: CPUs and GPUs. pace: seconds that one took lately, 0 where none has ended."""

    takes: tuple[float, float]
    shared: bool
    jobs: list[tuple[Rank, str]] = field(default_factory=list)
    pace: float = 0.0

    def size(self, cpus: float) -> int:
        """How many make a task, so that none of the free CPUs is left idle for it."""
        if not self.shared:
            return 1
        most = max(1, min(LARGEST_BATCH, int(TASK_SECONDS / self.pace))) if self.pace else BATCH
        return min(most, max(1, math.ceil(len(self.jobs) / max(cpus, 1))))


class ReadyJobs:
    """Which jobs make the next task.

    ranks: of all jobs that may be added. paces: how many seconds one takes, where that was measured. occupies: CPUs and
    GPUs of a job. turn: when it may be submitted. apart: jobs for which this differs share no task.
    """

    def __init__(
        self,
        ranks: Mapping[str, Rank],
        paces: Mapping[str, float],
        occupies: Callable[[Job], tuple[float, float]],
        turn: Callable[[Job], Turn],
        apart: Callable[[Job], Hashable],
    ) -> None:
        self._ranks, self._paces = ranks, paces
        self._occupies, self._turn, self._apart = occupies, turn, apart
        self._jobs: dict[str, Job] = {}
        self._groups: dict[Hashable, _Group] = {}

    def add(self, job: Job, *, alone: bool = False) -> None:
        """alone: it shares no task."""
        self._jobs[job.key] = job
        group = self._group(job, alone)
        heapq.heappush(group.jobs, (self._ranks[job.key], job.key))

    def _group(self, job: Job, alone: bool) -> _Group:
        takes = self._occupies(job)
        shared = job.stage in BATCHED and not alone
        alike = job.stage, job.needs, "quantizer" in job.inputs
        place = (*alike, job.inputs["dataset"], self._apart(job)) if shared else alike
        if place not in self._groups:
            self._groups[place] = _Group(takes, shared, pace=self._paces.get(job.key, 0.0))
        return self._groups[place]

    def took(self, job: Job, seconds: float) -> None:
        """Hears how long one took that has ended well."""
        group = self._group(job, alone=False)
        group.pace = seconds if not group.pace else 0.8 * group.pace + 0.2 * seconds

    def next_task(self, cpus: float, gpus: float) -> list[Job]:
        """The most urgent jobs that fit into so many free CPUs and GPUs; they are ready no more. Empty if none does."""
        fitting = [
            (turn == "last", group.jobs[0], group)
            for group in self._groups.values()
            if group.jobs
            and group.takes[0] <= cpus + 1e-6
            and group.takes[1] <= gpus + 1e-6
            and (turn := self._turn(self._jobs[group.jobs[0][1]])) != "not yet"
        ]
        if not fitting:
            return []
        _, _, chosen = min(fitting, key=lambda found: found[:2])
        count = min(chosen.size(cpus), len(chosen.jobs))
        return [self._jobs.pop(heapq.heappop(chosen.jobs)[1]) for _ in range(count)]

    def give_up(self) -> list[Job]:
        """All that are ready; none is any longer."""
        left = list(self._jobs.values())
        self._jobs.clear()
        for group in self._groups.values():
            group.jobs.clear()
        return left
