"""What a job reserves on nodes of different sizes, without a cluster."""

import types

import pytest

from harness.contracts import BadInput
from harness.plan import DEFAULT_NEEDS, make_plan
from harness.run.losses import NODE_LOST, LostTask
from harness.run.marks import Worker
from harness.run.placing import Placing
from harness.run.pool import RayPool, _KeptProcesses


def pool_of(*nodes, gpus=False):
    pool = RayPool.__new__(RayPool)
    alive = [{"Alive": True, "Resources": dict(zip(("CPU", "memory", "GPU"), node, strict=False))} for node in nodes]
    pool._ray = types.SimpleNamespace(nodes=lambda: [*alive, {"Alive": False, "Resources": {"CPU": 9, "memory": 9e9}}])
    pool.has_gpus, pool._placing = gpus, Placing()
    return pool


@pytest.fixture
def job_of(make_spec):
    def job(stage, **changes):
        jobs = make_plan(make_spec(methods=["flat"], colors=2, **changes)).jobs.values()
        return next(job for job in jobs if job.stage == stage)

    return job


def reserved(pool, job):
    pool.check([job])
    return pool._memory(job, pool._nodes())


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([(2, 2.8e9)], 1_400_000_000),
        ([(2, 0.5e9)], 500_000_000),
        ([(2, 0.5e9), (1, 0.9e9)], 900_000_000),
        ([(1, 0.5e9), (0, 3e9)], 500_000_000),
    ],
)
def test_a_small_machine_reserves_what_it_has_of_what_is_usual(job_of, nodes, expected):
    assert DEFAULT_NEEDS["cells"].memory == 1_400_000_000
    assert reserved(pool_of(*nodes), job_of("cells")) == expected


def test_a_job_on_a_gpu_counts_the_memory_beside_a_gpu(job_of):
    assert reserved(pool_of((4, 9e9, 0), (4, 1e9, 1), gpus=True), job_of("cells")) == 1_000_000_000


def test_what_a_spec_states_is_refused_where_no_node_has_it(job_of):
    job = job_of("cells", resources={"cells": {"memory": 1_000_000_000}})
    assert reserved(pool_of((2, 2e9)), job) == 1_000_000_000
    with pytest.raises(BadInput, match=r"^resources\.cells: .* GiB of memory, which no node of this cluster has"):
        reserved(pool_of((2, 0.5e9)), job)


def test_a_job_that_states_none_reserves_none(job_of):
    assert reserved(pool_of((2, 1.0)), job_of("classifiers")) is None


@pytest.mark.parametrize(
    ("reason", "at_a_job", "blamed"),
    [("its worker process died", True, True), ("its worker process died", False, False), (NODE_LOST, True, False)],
)
def test_a_job_is_blamed_only_if_its_process_died_alone_and_had_come_to_it(monkeypatch, reason, at_a_job, blamed):
    pool = pool_of()
    pool._marks = {"task": types.SimpleNamespace(worker=Worker("node", "far/1", "log", at_a_job))}
    monkeypatch.setattr(pool, "_leave", lambda _task, good: None)  # noqa: ARG005
    assert pool._lost("task", reason) == LostTask(reason, "far/1", "log", blamed)


class FakeRay:
    """Actors that only count."""

    def __init__(self):
        self.begun, self.killed = [], []

    def remote(self, **_options):
        return lambda _class: self

    def options(self, **options):
        number = len(self.begun)
        task = types.SimpleNamespace(remote=lambda *_: object())
        run = types.SimpleNamespace(options=lambda **_: task)
        actor = types.SimpleNamespace(number=number, run=run)
        return types.SimpleNamespace(remote=lambda: self.begun.append(options) or actor)

    def kill(self, actor):
        self.killed.append(actor.number)


def test_a_process_on_a_gpu_is_used_again_by_tasks_of_its_size_and_ends_when_there_is_none():
    ray = FakeRay()
    kept = _KeptProcesses(ray)
    quarter, half = {"num_gpus": 0.25}, {"num_gpus": 0.5}
    first, second = kept.submit(quarter, "a", []), kept.submit(quarter, "b", [])
    assert ray.begun == [quarter, quarter], "one is busy"
    kept.leave(first, good=True)
    third = kept.submit(half, "c", [])
    fourth = kept.submit(quarter, "d", [])
    assert ray.begun == [quarter, quarter, half]
    kept.end_idle()
    assert ray.killed == []
    kept.leave(second, good=True)
    kept.end_idle()
    assert ray.killed == [1]
    kept.leave(third, good=False)
    assert ray.killed == [1, 2], "after a failed job it is not used again"
    assert fourth in kept
    assert third not in kept
