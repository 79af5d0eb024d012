"""A worker of the cluster: what it takes over from the driver, and how it does the jobs of a task."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness import environment
from harness.complaints import one_line, printable, traceback_of
from harness.contracts import DamagedCheckpoint, EpochCallback
from harness.discovery import discover
from harness.plan import Job
from harness.registry import Registry
from harness.run.events import utc_now
from harness.run.losses import NODE_LOST, OUT_OF_MEMORY, PROCESS_DIED, why_actor_died
from harness.run.marks import Mark, Worker
from harness.run.schedule import JobResult
from harness.sources import Source
from harness.work.bucket import is_unreachable
from harness.work.foreign_code import ForeignCode
from harness.work.jobs import Context, run_job
from harness.work.remote import open_store
from harness.work.store import Store


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
        raise ConnectionError(plainly(error)) from None


def plainly(error: Exception) -> str:
    known = {
        "WorkerCrashedError": PROCESS_DIED,
        "ActorDiedError": why_actor_died(str(error)),
        "OutOfMemoryError": OUT_OF_MEMORY,
        "NodeDiedError": NODE_LOST,
        "LocalRayletDiedError": NODE_LOST,
        "TaskCancelledError": "it was stopped",
    }
    lines = str(error).strip().splitlines()
    return known.get(type(error).__name__, printable(f"{type(error).__name__}: {lines[-1] if lines else ''}"))


def execute(driver: WorkerSetup, jobs: list[Job], on_gpu: bool, mark: Mark) -> list[JobResult]:
    """Runs in a worker: each job, whatever becomes of its siblings. A job someone else has finished is not run.

    mark: the task's.
    """
    with mark.working(this_worker()) as at_a_job:
        load_libraries(jobs[0])
        at_a_job()
        results = []
        for job in jobs:
            results.append(_job_result(job, driver, on_gpu))
            if not environment.gpu_goes_on():
                break
        return results


def this_worker() -> Worker:
    """Of this process, as its mark tells of it."""
    return Worker(_node(), _host(), _prints_to())


def load_libraries(job: Job) -> None:
    """Imports torch where the job needs it, which takes seconds. Why it cannot be imported is for the job to say."""
    if job.stage in ("classifiers", "quantizers", "cells") or "quantizer" in job.inputs:
        with contextlib.suppress(ImportError, OSError):
            importlib.import_module("harness.learning")


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
    found = out_of_gpu_memory = store_unreachable = False
    with _damaged_checkpoints() as remarks:
        try:
            found = store.has(job.stage, job.key)
            if not found:
                run_job(job, driver.enter(on_gpu))
        except BaseException as error:  # noqa: BLE001 - whatever a plugin does, its siblings go on
            store_unreachable = is_unreachable(error)
            try:
                stored = store.has(job.stage, job.key)
            except OSError as unknown:
                stored, store_unreachable = False, store_unreachable or is_unreachable(unknown)
            if not stored:
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
        store_unreachable,
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
