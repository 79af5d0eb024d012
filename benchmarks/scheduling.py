"""How fast many short jobs are planned, run and found done, beside the rate of Ray's own empty tasks.

    python benchmarks/scheduling.py --cells 10000
    python benchmarks/scheduling.py --cells 500 --profile

Each cell is two jobs, one that applies a method to a few tiny images and one that judges them, each with its artifact
and checksums. Then the same plan with jobs that do nothing but store a file: what is left is scheduling. All is done by
processes of this machine, so compare the rates of one run.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from harness.plan import Job
from harness.run.cluster import connect
from harness.run.events import EventLog
from harness.run.execute import Request, compute, prepare_content, request_for
from harness.run.marks import Mark
from harness.run.pool import RayPool
from harness.run.schedule import JobResult, Remaining, find_remaining
from harness.run.worker import WorkerSetup
from harness.sources import read_source
from harness.work.foreign_code import ForeignCode, foreign_code_of
from harness.work.jobs import Context, run_job
from harness.work.remote import open_store

EMPTY_TASKS = 2000
WHOLE = 1000
"""How many jobs are run as they are; all of them are run with nothing to do but store a file."""
WARM = 64
"""Jobs whose time does not count: worker processes start with them."""
PROFILED_LINES = 25
PLUGINS = """
import numpy as np
import torch

import fewcolors as fc


@fc.dataset("specks")
class Specks:
    def load(self):
        split = fc.Split.of(np.random.default_rng(0).integers(0, 256, (16, 4, 4, 3), np.uint8), np.arange(16) % 2)
        return fc.DatasetArrays(split, split, ("even", "odd"))


@fc.classifier("linear")
class Linear:
    epochs: int = 1
    rate: float = 0.1

    def build(self, classes):
        return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(48, classes))

    def fit(self, lesson):
        return self.build(len(lesson.classes))


@fc.quantizer("shades")
class Shades:
    number: int = 0

    def palettize(self, images, colors):
        indices = (images.mean(axis=3) * colors // 256).astype(np.uint8)
        shades = np.linspace(0, 255, colors).astype(np.uint8)
        return fc.Palettized(indices, np.broadcast_to(shades[None, :, None], (len(images), colors, 3)).copy())
"""


def content(cells: int) -> dict[str, object]:
    return {
        "name": "scheduling",
        "datasets": ["specks"],
        "classifiers": ["linear"],
        "methods": [{"name": "shades", "params": {"number": number}} for number in range(cells)],
        "colors": [2],
        "seeds": [0],
        "reports": ["tables"],
    }


@contextmanager
def stage(name: str, count: int = 0) -> Iterator[None]:
    """Prints how long the block takes, the driver's own processor time and its greatest memory so far."""
    wall, own = time.perf_counter(), time.process_time()
    yield
    wall, own = time.perf_counter() - wall, time.process_time() - own
    rate = f"{count / wall:10,.0f}/s" if count else " " * 12
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"{name:<32} {wall:8.2f} s {rate}   driver {own:7.2f} s, at most {peak:,.0f} MiB",
        file=sys.__stdout__,
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--cpus", type=int, default=None, help="of the cluster that is started (default: all)")
    parser.add_argument("--profile", action="store_true", help="where a short job's time goes, in one process")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), asked.cells, asked.cpus)
        if asked.profile:
            profile(Path(name) / "profiled", asked.cells)


def prepare(folder: Path, cells: int) -> Request:
    folder.mkdir(exist_ok=True)
    (folder / "specks.py").write_text(PLUGINS)
    return prepare_content(content(cells), folder / "store", [read_source(str(folder / "specks.py"))])


def measure(folder: Path, cells: int, cpus: int | None) -> None:
    with stage("plan"):
        request = prepare(folder, cells)
    jobs = len(request.remaining.pending)
    with connect(None, cpus):
        import ray

        empty = ray.remote(_nothing)
        ray.get([empty.remote() for _ in range(8)])
        with stage("empty tasks of Ray", EMPTY_TASKS):
            ray.get([empty.remote() for _ in range(EMPTY_TASKS)])
        run(request, folder, "begun", WARM)
        whole = min(jobs - WARM, WHOLE)
        with stage("jobs", whole):
            run(request, folder, "whole", whole)
        storing = replace(request, store=open_store(folder / "another store"))
        run(storing, folder, "storing begun", WARM, only_storing=True)
        with stage("jobs that only store a file", jobs - WARM):
            run(storing, folder, "storing", jobs, only_storing=True)
        with stage("empty tasks of Ray", EMPTY_TASKS):
            ray.get([empty.remote() for _ in range(EMPTY_TASKS)])
    with stage("planned again and found done"):
        again = request_for(request.spec, storing.store, request.registry, request.sources)
    assert not again.remaining.pending


def run(request: Request, folder: Path, name: str, most: int, *, only_storing: bool = False) -> None:
    """Jobs of a request that are not done, at most so many, on the cluster that was joined."""
    import ray

    request.store.create()
    todo = Remaining(find_remaining(request.plan, request.store).pending[:most], {})

    def code(job: Job) -> ForeignCode:
        return foreign_code_of(job, request.plan.jobs, request.registry)

    pool = RayPool(request.store, request.sources, code)
    if only_storing:
        pool._task = ray.remote(max_retries=0, max_calls=0)(_only_store)
    log = EventLog(folder / f"{name}.jsonl")
    schedule = compute(request.plan, todo, request.store, pool, log, Console(file=(folder / "console").open("w")))
    assert schedule is not None
    assert not schedule.failed, next(iter(schedule.failed.values()))


def _only_store(driver: WorkerSetup, jobs: list[Job], on_gpu: bool, mark: Mark) -> list[JobResult]:
    from harness.run import worker

    def store_a_file(job: Job, context: Context) -> None:
        with context.store.write(job.stage, job.key) as folder:
            (folder / "name.txt").write_text(job.name)

    worker.__dict__["run_job"] = store_a_file
    return worker.execute(driver, jobs, on_gpu, mark)


def profile(folder: Path, cells: int) -> None:
    request = prepare(folder, cells)
    request.store.create()
    context = Context(request.store, request.registry)
    jobs = [request.plan.jobs[key] for key in request.remaining.pending]
    warm = 8
    for job in jobs[:warm]:
        run_job(job, context)
    profiler = cProfile.Profile()
    profiler.enable()
    with stage("jobs in one process, profiled", len(jobs) - warm):
        for job in jobs[warm:]:
            run_job(job, context)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(PROFILED_LINES)


def _nothing() -> None:
    return None


if __name__ == "__main__":
    main()
