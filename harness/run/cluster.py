"""The one module that talks to Ray: joining or starting a cluster, and jobs as its tasks."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness import environment
from harness.complaints import one_line, printable, traceback_of
from harness.contracts import BadInput, DamagedCheckpoint, EpochCallback
from harness.discovery import discover
from harness.plan import Job, usual_needs
from harness.registry import Registry
from harness.run.events import utc_now
from harness.run.lifelines import Lifeline, Lifelines, head_patience, raylet_line
from harness.run.marks import Mark, Worker
from harness.run.placing import Node, Placing, Turn, Work
from harness.run.ready import BATCHED
from harness.run.schedule import JobResult, LostTask, share
from harness.run.sending import code_to_send, runtime_env
from harness.sources import Source
from harness.work.foreign_code import ForeignCode
from harness.work.jobs import Context, run_job
from harness.work.remote import open_store
from harness.work.store import Store

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")

OBJECT_STORE_BYTES = 128 << 20
"""Of a cluster of our own: jobs pass keys, not arrays."""
IDLE_WORKERS = 6
"""How many more worker processes than CPUs a cluster of our own keeps."""
_REFRESH_SECONDS = 2.0
"""How old what is known of the cluster may be."""
_CONNECT_SECONDS = 10.0
_NODE_LOST = "its node was lost"


@contextlib.contextmanager
def connect(address: str | None, cpus: int | None = None, gpus: int | None = None) -> Iterator[None]:
    """Joins the cluster at ``address`` or ``RAY_ADDRESS``, else starts one on this machine; leaves it at the end.

    cpus, gpus: of a cluster started here (GPUs may be logical). A process that has joined a cluster already (a
    notebook that called ``ray.init``) works on that one and stays in it. Raises BadInput where a cluster can't be
    joined.
    """
    before = signal.getsignal(signal.SIGTERM)
    if _has_joined():
        if (address, cpus, gpus) != (None, None, None):
            raise BadInput(
                "this process has called ray.init and stays on that Ray cluster: leave --address, --cpus and --gpus "
                "out, or call ray.shutdown() first."
            )
        with _quiet_and_stoppable(before):
            yield
        return
    target = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {}
    if target == "local":
        own = {
            "num_cpus": cpus,
            "num_gpus": gpus,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
        # Ray would end processes that wait for more than a second, and start them again, once code that is not built
        # in has processes of its own.
        os.environ.setdefault("RAY_num_workers_soft_limit", str((cpus or os.cpu_count() or 1) + IDLE_WORKERS))
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    else:
        if cpus is not None or gpus is not None:
            raise BadInput(f"--cpus and --gpus describe a cluster started here, {target} has its own.")
        _check_listens(target)
    import ray

    try:
        _join(target, own)
    except Exception as error:  # noqa: BLE001 - Ray raises bare ones where it cannot be started
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        if own:
            raise BadInput(
                f"Ray cannot be started on this machine: {reason} (is it short of memory, or very busy?); "
                "nothing has run yet, start again."
            ) from None
        raise BadInput(
            f"the Ray cluster at {target} cannot be joined: {reason} "
            "(is it running, and does this machine have its token: RAY_AUTH_MODE, RAY_AUTH_TOKEN_PATH?)."
        ) from None
    lines = _lifelines(target)
    with _quiet_and_stoppable(before), contextlib.closing(Lifelines(*lines)) as lifelines:
        try:
            with lifelines.told():
                yield
        finally:
            with lifelines.told():
                ray.shutdown()  # may wait for what is lost, and be interrupted


def _join(target: str, own: Mapping[str, Any]) -> None:
    """Joins or starts a cluster; where nodes are on other machines, they are sent the code."""
    import ray

    def init(**more: Any) -> None:
        ray.init(address=target, log_to_driver=False, logging_level=logging.ERROR, **own, **more)

    init()
    if own:
        return
    addresses = [node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]]
    modules = code_to_send(addresses, ray.util.get_node_ip_address(), os.environ)
    if modules:
        # Ray sends code only for a whole connection, and who is there is known only now.
        ray.shutdown()
        init(runtime_env=runtime_env(modules))


def _lifelines(target: str) -> list[Lifeline]:
    """Of a driver that is a part of the cluster; that of a ``ray://`` has others."""
    import ray

    if target.startswith("ray://"):
        return []
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    head = Lifeline("the head of the Ray cluster", host.strip("[]"), int(port), head_patience(os.environ))
    here = (
        raylet_line(node["NodeManagerAddress"], node["NodeManagerPort"])
        for node in ray.nodes()
        if node["NodeID"] == context.get_node_id()
    )
    return [head, *here]


def exports_metrics() -> bool:
    """Whether a node of the cluster serves metrics to Prometheus: Ray was installed and started with its dashboard."""
    import ray

    return ray.is_initialized() and any(node.get("MetricsExportPort") for node in ray.nodes() if node["Alive"])


def _has_joined() -> bool:
    """Whether this process is part of a Ray cluster; Ray is not loaded to find out."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


@contextlib.contextmanager
def _quiet_and_stoppable(before: Any) -> Iterator[None]:
    """Nothing is printed, and SIGTERM ends a run as Ctrl-C does; afterwards it does what it did before.

    Only the main thread can set signal handlers; a run in another thread does without them.
    """
    main = threading.current_thread() is threading.main_thread()
    if main:
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Ray prints a paragraph for every lost worker, from a thread of its own; the events say the same.
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield
    finally:
        if main:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _interrupt(signum: int, frame: object) -> None:  # noqa: ARG001 - a signal handler's arguments
    """A batch system's SIGTERM ends a run as Ctrl-C does. (Ray's own handler would dump a stack and be gone.)"""
    raise KeyboardInterrupt


def _check_listens(address: str) -> None:
    """Checks that something listens there; Ray itself would wait for minutes. Raises BadInput."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise BadInput(
            f"the Ray cluster at {address} cannot be joined: no reply from that address ({error.strerror or error})."
        ) from None


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
        self._task = ray.remote(max_retries=0, max_calls=0)(_execute)
        self._task_in_fresh_process = ray.remote(max_retries=0, max_calls=1)(_execute)
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
        return self._lost(task, _NODE_LOST)

    def _lost(self, task: Any, reason: str) -> LostTask:
        worker = self._marks[task].worker
        self._leave(task, good=False)
        reason = "its worker process was asked to end" if worker.asked_to_end else reason
        return LostTask(reason, worker.host, worker.log, worker.asked_to_end)

    def _ending(self, task: Any) -> list[JobResult] | LostTask:
        try:
            outcomes: list[JobResult] = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return self._lost(task, _plainly(error))
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
        return _execute(*task)


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


def _plainly(error: Exception) -> str:
    known = {
        "WorkerCrashedError": "its worker process died",
        "ActorDiedError": "its worker process died",
        "OutOfMemoryError": "its worker process was stopped: the node was out of memory",
        "NodeDiedError": _NODE_LOST,
        "TaskCancelledError": "it was stopped",
    }
    lines = str(error).strip().splitlines()
    return known.get(type(error).__name__, printable(f"{type(error).__name__}: {lines[-1] if lines else ''}"))


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker takes over from the driver: the store, the folder, our environment variables, plugins.

    origins: where the plugins came from that its jobs run; no other that is not built in is imported.
    """

    store: str
    folder: str
    environment: dict[str, str]
    sources: tuple[Source, ...]
    origins: tuple[str, ...] = ()

    @classmethod
    def of_driver(cls, store: Store, sources: Sequence[Source], code: ForeignCode) -> WorkerSetup:
        own = {name: value for name, value in os.environ.items() if name.startswith("FEWCOLORS_")}
        needed = tuple(source for source in sources if source.path in code.origins)
        return cls(store.name, str(Path.cwd()), own, needed, code.origins)

    def enter(self, on_gpu: bool, on_epoch: EpochCallback | None = None) -> Context:
        """Makes this process one that works for the driver."""
        os.environ.update(self.environment)
        with contextlib.suppress(OSError):
            os.chdir(self.folder)
        return Context(open_store(self.store), _registry(self.sources, self.origins), _device(on_gpu), on_epoch)


class ClusterBoard:
    """The key-value table that every Ray cluster has: it needs no disk that nodes share."""

    _namespace = "fewcolors"

    def read(self, name: str) -> str:
        from ray.experimental import internal_kv

        with _as_os_error():
            return (internal_kv._internal_kv_get(name, namespace=self._namespace) or b"").decode()

    def write(self, name: str, text: str) -> None:
        from ray.experimental import internal_kv

        with _as_os_error():
            internal_kv._internal_kv_put(name, text, namespace=self._namespace)

    def remove(self, name: str) -> None:
        from ray.experimental import internal_kv

        with _as_os_error():
            internal_kv._internal_kv_del(name, namespace=self._namespace)


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    """Ray's own errors of a head that cannot be reached are of many classes."""
    from ray.exceptions import RayError

    try:
        yield
    except (RayError, RuntimeError) as error:
        raise ConnectionError(_plainly(error)) from None


def _execute(driver: WorkerSetup, jobs: list[Job], on_gpu: bool, mark: Mark) -> list[JobResult]:
    """Runs in a worker: each job, whatever becomes of its siblings. A job someone else has finished is not run.

    mark: the task's.
    """
    with mark.working(Worker(_node(), _host(), _prints_to())):
        results = []
        for job in jobs:
            results.append(_job_result(job, driver, on_gpu))
            if not environment.gpu_goes_on():
                break
        return results


def _prints_to() -> str:
    """The files that Ray sent this worker's standard output and errors to, less their endings."""
    with contextlib.suppress(OSError):
        path = os.readlink("/proc/self/fd/2")
        return path.removesuffix(".err") if path.endswith(".err") else ""
    return ""


def _host() -> str:
    """This machine's name and the Ray node's: several nodes may share a machine."""
    return f"{socket.gethostname()}/{_node()[:8]}"


def _node() -> str:
    import ray

    node: str = ray.get_runtime_context().get_node_id()
    return node


def _job_result(job: Job, driver: WorkerSetup, on_gpu: bool) -> JobResult:
    began, started, message, text = utc_now(), time.perf_counter(), "", ""
    store = open_store(driver.store)
    found = out_of_gpu_memory = False
    with _damaged_checkpoints() as remarks:
        try:
            found = store.has(job.stage, job.key)
            if not found:
                run_job(job, driver.enter(on_gpu))
        except BaseException as error:  # noqa: BLE001 - whatever a plugin does, its siblings go on
            if not store.has(job.stage, job.key):
                message, text = one_line(error), traceback_of(error)
                out_of_gpu_memory = on_gpu and environment.is_out_of_gpu_memory(error)
    seconds = time.perf_counter() - started
    return JobResult(
        job.key,
        seconds,
        _host(),
        message,
        text,
        tuple(remarks),
        began,
        _prints_to(),
        found,
        out_of_gpu_memory,
    )


@contextlib.contextmanager
def _damaged_checkpoints() -> Iterator[list[str]]:
    """Collects what is said of damaged checkpoints within it; other warnings go their way."""
    remarks: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", DamagedCheckpoint)
        show = warnings.showwarning

        def collect(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, DamagedCheckpoint):
                remarks.append(printable(str(message)))
            else:
                show(message, category, *where, **more)

        warnings.showwarning = collect
        yield remarks


@cache
def _registry(sources: tuple[Source, ...], origins: tuple[str, ...]) -> Registry:
    return discover(sources, origins=origins)


def _device(on_gpu: bool) -> str:
    if not on_gpu:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
