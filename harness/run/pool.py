"""Jobs as tasks of the Ray cluster that this process has joined: where each goes, and what became of it."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from harness.contracts import BadInput
from harness.plan import Job, usual_needs
from harness.run.losses import ASKED_TO_END, NODE_LOST, LostTask
from harness.run.marks import Mark
from harness.run.placing import Node, Placing, Turn, Work
from harness.run.ready import BATCHED
from harness.run.schedule import JobResult, share
from harness.run.worker import ClusterBoard, WorkerSetup, execute, plainly
from harness.sources import Source
from harness.work.foreign_code import ForeignCode
from harness.work.store import Store

_REFRESH_SECONDS = 2.0
"""How old what is known of the cluster may be."""


class RayPool:
    """Tasks on the cluster that ``connect`` joined.

    Jobs that run code which is not built in get worker processes that no other code is run in, before or after.

    sources: plugins that workers can't import by themselves. code: whose code a job runs.
    """

    def __init__(
        self,
        store: Store,
        sources: Sequence[Source] = (),
        code: Callable[[Job], ForeignCode] = lambda _job: ForeignCode(),
    ) -> None:
        import ray

        self._ray = ray
        self.code = code
        self._store, self._sources = store, sources
        self._payloads: dict[ForeignCode, Any] = {}
        self._marks: dict[Hashable, Mark] = {}
        self._sent: dict[Hashable, Work] = {}
        self._begun_on: dict[Hashable, str] = {}
        self._placing = Placing()
        self._short_on_gpu = _KeptProcesses(ray)
        self._task = ray.remote(max_retries=0, max_calls=0)(execute)
        self._task_in_fresh_process = ray.remote(max_retries=0, max_calls=1)(execute)
        self._refreshed = -_REFRESH_SECONDS
        self._capacity = (0.0, 0.0)
        self._alive: list[Mapping[str, float]] = []
        self._works: dict[Hashable, Work] = {}
        self._lost_nodes: set[str] = set()
        self.has_gpus = ray.cluster_resources().get("GPU", 0) > 0

    def now(self) -> float:
        return time.monotonic()

    def capacity(self) -> tuple[float, float]:
        self._refresh()
        return self._capacity

    def _refresh(self) -> None:
        if time.monotonic() - self._refreshed > _REFRESH_SECONDS:
            total = self._ray.cluster_resources()
            self._capacity = total.get("CPU", 0.0), total.get("GPU", 0.0)
            nodes = self._ray.nodes()
            self._lost_nodes = {node["NodeID"] for node in nodes if not node["Alive"]}
            self._alive = [node["Resources"] for node in nodes if node["Alive"]]
            self._works.clear()
            self._placing.look(_known(node["NodeID"], node["Resources"]) for node in nodes if node["Alive"])
            self._refreshed = time.monotonic()

    def occupies(self, job: Job) -> tuple[float, float]:
        return share(job.needs, self.has_gpus)

    def check(self, jobs: Iterable[Job]) -> None:
        """Raises BadInput for a job that no node of the cluster could ever run."""
        nodes = self._nodes()
        different = {(job.stage, job.needs, job.least_memory, "quantizer" in job.inputs): job for job in jobs}
        for job in different.values():
            cpus, gpus = self.occupies(job)
            self._placing.count(cpus, gpus)
            memory = max(self._memory(job, nodes) or 0, job.least_memory)
            wanted = {"CPU": cpus, "GPU": gpus, "memory": float(memory)}
            if not any(_has(node, wanted) for node in nodes):
                has = "; ".join(_in_words(node) for node in nodes)
                raise BadInput(
                    f"resources.{job.stage}: {job.name} needs {_in_words(wanted)}, which no node of this cluster has "
                    f"({has})."
                )

    def _nodes(self) -> list[Mapping[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _memory(self, job: Job, nodes: Sequence[Mapping[str, float]]) -> int | None:
        """Bytes to reserve: as stated, but what is merely usual only as far as a node has so much.

        A small machine then runs such jobs one by one instead of refusing them.
        """
        wanted = job.needs.memory
        if wanted is None or wanted != usual_needs(job.stage, "quantizer" in job.inputs).memory:
            return wanted
        cpus, gpus = self.occupies(job)
        room = [node.get("memory", 0.0) for node in nodes if _has(node, {"CPU": cpus, "GPU": gpus})]
        return int(min(wanted, max(room, default=wanted)))

    def turn(self, job: Job) -> Turn:
        return self._placing.decide(self._work(job))[0]

    def _work(self, job: Job) -> Work:
        self._refresh()
        size = job.stage, job.needs, "quantizer" in job.inputs
        if size not in self._works:
            memory = float(self._memory(job, self._alive) or 0)
            self._works[size] = Work(*self.occupies(job), memory, job.stage in BATCHED)
        return self._works[size]

    def submit(self, jobs: Sequence[Job]) -> Hashable:
        first = jobs[0]
        code, work = self.code(first), self._work(first)
        _, node = self._placing.decide(work)
        options = {
            "num_cpus": work.cpus,
            "num_gpus": work.gpus,
            "memory": self._memory(first, self._alive),
            "scheduling_strategy": self._on(node),
            **_process_of(code),
        }
        mark = Mark(ClusterBoard(), uuid.uuid4().hex)
        name, task = f"{first.stage}: {first.name}", (self._payload(code), list(jobs), work.gpus > 0, mark)
        handle: Hashable
        if work.gpus and work.short:
            handle = self._short_on_gpu.submit(options, name, task)
        else:
            # A training's process ends with it, and all of its GPU memory is free for sure.
            kind = self._task_in_fresh_process if work.gpus else self._task
            handle = kind.options(name=name, **options).remote(*task)
        self._marks[handle] = mark
        self._sent[handle] = work
        self._placing.enter(handle, work, node)
        return handle

    def _on(self, node: Node | None) -> Any:
        if node is None:
            return "SPREAD"
        return self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node.name, soft=True)

    def _payload(self, code: ForeignCode) -> Any:
        if code not in self._payloads:
            self._payloads[code] = self._ray.put(WorkerSetup.of_driver(self._store, self._sources, code))
        return self._payloads[code]

    def has_started(self, task: Hashable) -> bool:
        return self._marks[task].begun

    def wait(self, tasks: Sequence[Any], seconds: float) -> list[tuple[Hashable, list[JobResult] | LostTask]]:
        self._short_on_gpu.end_idle()
        if not tasks:
            time.sleep(seconds)
            return []
        ended, running = self._ray.wait(list(tasks), num_returns=1, timeout=seconds)
        if ended and running:
            more, running = self._ray.wait(running, num_returns=len(running), timeout=0)
            ended += more
        left_behind = [task for task in running if self._is_left_behind(task)]
        return [*((task, self._ending(task)) for task in ended), *((task, self._give_up(task)) for task in left_behind)]

    def _is_left_behind(self, task: Any) -> bool:
        """Whether it runs on a lost node, which Ray reports only once the connection to its worker breaks, or waits for
        what no node that is left has, which Ray never reports."""
        self._refresh()
        if not self._lost_nodes:
            return False
        node = self._begun_on.get(task) or self._marks[task].worker.node
        if not node:
            return not self._placing.could_hold(self._sent[task])
        self._begun_on[task] = node
        return node in self._lost_nodes

    def _give_up(self, task: Any) -> LostTask:
        if task not in self._begun_on:
            self.cancel(task)
        return self._lost(task, NODE_LOST)

    def _lost(self, task: Any, reason: str) -> LostTask:
        worker = self._marks[task].worker
        self._leave(task, good=False)
        blamed = worker.at_a_job and reason != NODE_LOST
        reason = ASKED_TO_END if worker.asked_to_end else reason
        return LostTask(reason, worker.host, worker.log, blamed, worker.asked_to_end)

    def _ending(self, task: Any) -> list[JobResult] | LostTask:
        try:
            outcomes: list[JobResult] = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return self._lost(task, plainly(error))
        self._leave(task, good=all(outcome.ok for outcome in outcomes))
        return outcomes

    def _leave(self, task: Any, good: bool) -> None:
        """Forgets a task. good: whether its process may be used again."""
        self._marks.pop(task).remove()
        self._sent.pop(task)
        self._begun_on.pop(task, None)
        self._placing.leave(task)
        if task in self._short_on_gpu:
            self._short_on_gpu.leave(task, good)

    def cancel(self, task: Any) -> None:
        if task in self._short_on_gpu:
            self._short_on_gpu.kill(task)
        else:
            self._ray.cancel(task, force=True)


class _KeptProcesses:
    """Worker processes for short jobs on GPUs, which would else import torch anew for each task.

    Each is a Ray actor: a plain task may be assigned another GPU than the one before it in the same process, and CUDA,
    once it has begun in a process, stays with the GPUs that it saw then. An actor's are its own until it ends. It ends,
    and its CUDA context with it, as soon as it gets no further task of its size.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._process = ray.remote(max_restarts=0, max_task_retries=0)(_Process)
        self._idle: list[tuple[str, Any]] = []
        self._busy: dict[Any, tuple[str, Any]] = {}

    def __contains__(self, task: Any) -> bool:
        return task in self._busy

    def submit(self, options: Mapping[str, Any], name: str, task: Sequence[Any]) -> Any:
        kind = repr(options)
        kept = next((kept for kept in self._idle if kept[0] == kind), None)
        if kept is None:
            kept = kind, self._process.options(**options).remote()
        else:
            self._idle.remove(kept)
        handle = kept[1].run.options(name=name).remote(*task)
        self._busy[handle] = kept
        return handle

    def leave(self, task: Any, good: bool) -> None:
        """Forgets a task. good: whether its process may be used again."""
        if not good:
            self.kill(task)
        kept = self._busy.pop(task)
        if good:
            self._idle.append(kept)

    def kill(self, task: Any) -> None:
        self._ray.kill(self._busy[task][1])

    def end_idle(self) -> None:
        for _, process in self._idle:
            self._ray.kill(process)
        self._idle.clear()


class _Process:
    def run(self, *task: Any) -> list[JobResult]:
        return execute(*task)


def _known(name: str, resources: Mapping[str, float]) -> Node:
    return Node(name, *(resources.get(kind, 0.0) for kind in ("CPU", "GPU", "memory")))


def _has(node: Mapping[str, float], wanted: Mapping[str, float]) -> bool:
    return all(node.get(name, 0.0) >= amount for name, amount in wanted.items())


def _process_of(code: ForeignCode) -> dict[str, Any]:
    """Ray runs tasks whose environments differ in processes that differ."""
    if not code.names:
        return {}
    return {"runtime_env": {"env_vars": {"FEWCOLORS_CODE": hashlib.sha256(repr(code).encode()).hexdigest()}}}


def _in_words(resources: Mapping[str, float]) -> str:
    amounts = {name: resources.get(name, 0.0) for name in ("CPU", "GPU", "memory")}
    memory = f"{amounts.pop('memory') / 2**30:.3g} GiB of memory"
    return ", ".join([*(f"{amount:g} {name}" for name, amount in amounts.items()), memory])
