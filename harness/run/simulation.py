"""How long a plan would take on a cluster: its jobs scheduled as a run does it, on nodes that exist in numbers only."""

from __future__ import annotations

import heapq
import itertools
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.contracts import BadInput
from harness.plan import Job, Plan
from harness.run.durations import Durations, Kind
from harness.run.events import EventLog
from harness.run.losses import LostTask
from harness.run.placing import Turn
from harness.run.ready import time_to_the_end
from harness.run.schedule import JobResult, Schedule, kind_of, share
from harness.spec.file import read_mapping
from harness.spec.schema import STAGES

CPUS_PER_GPU = 16
MOST_NODES, MOST_OF_A_NODE = 1_024, 1_024
_CLUSTER = re.compile(r"(\d{1,5})x(\d{1,4})(?:x([A-Za-z][A-Za-z0-9 _.-]{0,40}))?(?::(\d{1,5}))?", re.ASCII)

Origin = Literal["given", "measured", "taken from others", "guessed"]


@dataclass(frozen=True)
class Cluster:
    """Nodes of one kind. gpu: what it is called, which decides nothing."""

    nodes: int
    gpus: int
    gpu: str
    cpus: int

    @classmethod
    def parse(cls, text: str) -> Cluster:
        """``8x8xH100:128``: 8 nodes with 8 GPUs and 128 CPUs each. Raises BadInput."""
        found = _CLUSTER.fullmatch(text)
        if found is None:
            raise BadInput(
                f"--cluster {text}: write nodes x GPUs of each, the GPU's name and CPUs if you like: 8x8xH100, 2x4:64, "
                "10x0:32."
            )
        nodes, gpus = int(found[1]), int(found[2])
        cpus = gpus * CPUS_PER_GPU if found[4] is None else int(found[4])
        if not 1 <= nodes <= MOST_NODES or gpus > MOST_OF_A_NODE:
            raise BadInput(f"--cluster {text}: 1 to {MOST_NODES:,} nodes, each with at most {MOST_OF_A_NODE:,} GPUs.")
        if not cpus:
            raise BadInput(f"--cluster {text}: each node needs CPUs: {nodes}x{gpus}:32 has 32 on each.")
        return cls(nodes, gpus, found[3] or "GPU", cpus)

    def __str__(self) -> str:
        nodes = "1 node" if self.nodes == 1 else f"{self.nodes:,} nodes"
        each = f"{self.gpus} {self.gpu} and {self.cpus} CPUs" if self.gpus else f"{self.cpus} CPUs"
        return f"{nodes} with {each}{' each' if self.nodes > 1 else ''}"


class Expected:
    """How long each kind of job is expected to take, and how that is known.

    given: seconds by stage, or by ``stage/plugin``, which comes first. measured: what runs before took.
    """

    def __init__(self, given: Mapping[str, float], measured: Durations) -> None:
        self._given, self._measured = given, measured

    def check(self, jobs: Iterable[Job]) -> None:
        """Raises BadInput where something is given that none of the jobs is."""
        names = {name for job in jobs for name in (job.stage, f"{job.stage}/{job.plugin}")}
        for name in self._given:
            if name not in names:
                raise BadInput(f"--durations: {name}: the spec has no such job; it has {', '.join(sorted(names))}.")

    def of(self, kind: Kind) -> tuple[float, Origin]:
        """Seconds."""
        for name in (f"{kind.stage}/{kind.plugin}", kind.stage):
            if name in self._given:
                return self._given[name], "given"
        if kind in self._measured:
            return self._measured.expected(kind), "measured"
        known = self._measured.usual(kind) is not None
        return self._measured.expected(kind), "taken from others" if known else "guessed"


def read_durations(path: Path) -> dict[str, float]:
    """Reads ``stage: seconds`` and ``stage/plugin: seconds`` from a YAML file. Raises BadInput."""
    content = read_mapping(path, "file of durations", "seconds of each stage, such as 'quantizers/colorcnn: 3600'")
    for name, seconds in content.items():
        if str(name).partition("/")[0] not in STAGES:
            raise BadInput(f"--durations {path}: {name!r} is none of {', '.join(STAGES)}, nor one with /plugin.")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e9:
            raise BadInput(f"--durations {path}: {name}: {seconds!r} must be a number of seconds above 0.")
    return {str(name): float(seconds) for name, seconds in content.items()}


class SimulatedPool:
    """Nodes on which a job takes as long as it is expected to, and nothing else takes any time."""

    def __init__(self, cluster: Cluster, seconds: Callable[[Job], float]) -> None:
        self.cluster, self._seconds = cluster, seconds
        self._free = [[float(cluster.cpus), float(cluster.gpus)] for _ in range(cluster.nodes)]
        self._queue: list[tuple[int, Sequence[Job]]] = []
        self._running: list[tuple[float, int, int, Sequence[Job]]] = []
        self._numbers = itertools.count()
        self._now = 0.0
        self.busy = [0.0, 0.0]

    def now(self) -> float:
        return self._now

    def capacity(self) -> tuple[float, float]:
        return float(self.cluster.nodes * self.cluster.cpus), float(self.cluster.nodes * self.cluster.gpus)

    def occupies(self, job: Job) -> tuple[float, float]:
        return share(job.needs, self.cluster.gpus > 0)

    def turn(self, job: Job) -> Turn:  # noqa: ARG002 - all nodes are alike
        return "now"

    def check(self, jobs: Sequence[Job]) -> None:
        """Raises BadInput for a job that no node could ever run."""
        for job in jobs:
            cpus, gpus = self.occupies(job)
            if cpus > self.cluster.cpus or gpus > self.cluster.gpus:
                raise BadInput(
                    f"--cluster: {job.name} needs {cpus:g} CPUs and {gpus:g} GPUs, a node has {self.cluster.cpus} and "
                    f"{self.cluster.gpus}."
                )

    def submit(self, jobs: Sequence[Job]) -> Hashable:
        number = next(self._numbers)
        self._queue.append((number, jobs))
        self._begin_what_fits()
        return number

    def wait(self, tasks: Sequence[Hashable], seconds: float) -> list[tuple[Hashable, list[JobResult] | LostTask]]:
        if not tasks:
            self._now += seconds
            return []
        self._now = self._running[0][0]
        ended: list[tuple[Hashable, list[JobResult] | LostTask]] = []
        while self._running and self._running[0][0] <= self._now:
            _, number, node, jobs = heapq.heappop(self._running)
            self._take(node, jobs[0], -1)
            ended.append((number, [JobResult(job.key, self._seconds(job), "") for job in jobs]))
        self._begin_what_fits()
        return ended

    def has_started(self, task: Hashable) -> bool:  # noqa: ARG002 - no job here meets its limit
        return False

    def cancel(self, task: Hashable) -> None: ...

    def _begin_what_fits(self) -> None:
        still = []
        for number, jobs in self._queue:
            node = self._emptiest_for(jobs[0])
            if node is None:
                still.append((number, jobs))
                continue
            seconds = sum(map(self._seconds, jobs))
            self.busy = [busy + seconds * taken for busy, taken in zip(self.busy, self.occupies(jobs[0]), strict=True)]
            self._take(node, jobs[0], 1)
            heapq.heappush(self._running, (self._now + seconds, number, node, jobs))
        self._queue = still

    def _take(self, node: int, job: Job, sign: int) -> None:
        cpus, gpus = self.occupies(job)
        self._free[node][0] -= sign * cpus
        self._free[node][1] -= sign * gpus

    def _emptiest_for(self, job: Job) -> int | None:
        cpus, gpus = self.occupies(job)
        fitting = (n for n, free in enumerate(self._free) if free[0] >= cpus - 1e-6 and free[1] >= gpus - 1e-6)
        return max(fitting, key=lambda n: (self._free[n][1], self._free[n][0]), default=None)


@dataclass(frozen=True)
class Forecast:
    """How a run would go.

    seconds: from its start to its end. critical: its longest chain of jobs, first to last, and seconds of that.
    busy_cpus, busy_gpus: shares of the time that what there is would be occupied; GPUs: None where there are none.
    no_less: what no schedule could be quicker than.
    """

    jobs: int
    seconds: float
    critical: tuple[Job, ...]
    critical_seconds: float
    busy_cpus: float
    busy_gpus: float | None
    no_less: float
    origins: Counter[Origin]


def forecast(plan: Plan, pending: Sequence[str], cluster: Cluster, expected: Expected) -> Forecast:
    """Walks through the pending jobs of a plan in numbers only. Raises BadInput for a job that no node could run."""
    expected.check(plan.jobs.values())
    jobs = [plan.jobs[key] for key in pending]
    durations = Durations()

    def seconds(job: Job) -> float:
        return durations.expected(kinds[job.key])

    pool = SimulatedPool(cluster, seconds)
    pool.check(jobs)
    kinds = {job.key: kind_of(job, pool) for job in jobs}
    found = {kind: expected.of(kind) for kind in kinds.values()}
    for kind, (length, _) in found.items():
        durations.add(kind, length)
    Schedule(plan, pending, pool, _NoLog(), lambda _running: None, durations=durations).run()
    chain = _longest_chain(plan, pending, seconds)
    in_chain = sum(map(seconds, chain))
    shares = [busy / total if total else 0.0 for busy, total in zip(pool.busy, pool.capacity(), strict=True)]
    took = pool.now()
    return Forecast(
        jobs=len(pending),
        seconds=took,
        critical=chain,
        critical_seconds=in_chain,
        busy_cpus=shares[0] / took if took else 0.0,
        busy_gpus=None if not cluster.gpus else shares[1] / took if took else 0.0,
        no_less=max(in_chain, *shares),
        origins=Counter(found[kind][1] for kind in kinds.values()),
    )


def _longest_chain(plan: Plan, pending: Sequence[str], seconds: Callable[[Job], float]) -> tuple[Job, ...]:
    left = time_to_the_end(plan, pending, seconds)
    follow: dict[str, list[str]] = {}
    for key in pending:
        for _, parent in plan.jobs[key].inputs.values():
            follow.setdefault(parent, []).append(key)
    chain: list[Job] = []
    ahead = [key for key in pending if not any(parent in left for _, parent in plan.jobs[key].inputs.values())]
    while ahead:
        key = max(ahead, key=left.__getitem__)
        chain.append(plan.jobs[key])
        ahead = follow.get(key, [])
    return tuple(chain)


class _NoLog(EventLog):
    """Nothing happens that anybody would want to read of."""

    def __init__(self) -> None: ...

    def __call__(self, *_event: Any, **_more: Any) -> None: ...
