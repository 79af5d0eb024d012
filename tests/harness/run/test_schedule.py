"""The loop that walks a plan, on a pool of workers that exists in memory only and whose time is a number."""

# ruff: noqa: ARG001, ARG002, ARG005 - a pool asks with more than most answers need

import itertools
import socket
from dataclasses import replace

import pytest

from harness.plan import make_plan
from harness.run import schedule as scheduling
from harness.run.events import EventLog, last_run
from harness.run.losses import BLAMELESS_RETRIES, LONGEST_PAUSE_SECONDS, PAUSE_SECONDS, RETRIES, LostTask
from harness.run.schedule import STARVED_SECONDS, JobResult, Schedule, find_remaining
from harness.work.store import Store


class FakePool:
    """Does as ``behave(job, attempt)`` says: None is success, a string an exception, a LostTask a crash, "hang" hangs,
    a JobResult itself, "useless" a process in which nothing more can be done.

    Each ``wait`` ends the oldest task, as a whole, and moves the clock on.
    """

    def __init__(self, behave=lambda job, attempt: None, cpus=4.0, gpus=0.0, clock=None, seconds=0.25):
        self.behave, self.total = behave, (cpus, gpus)
        self.clock, self.seconds = clock or Clock(), seconds
        self.tasks, self.cancelled, self.queued = {}, set(), set()
        self.submitted, self.attempts = [], {}
        self.most = [0.0, 0.0]
        self.numbers = itertools.count()

    def now(self):
        return self.clock.now

    def capacity(self):
        return self.total

    def occupies(self, job):
        gpus = 1.0 if job.needs.gpus == "required" else job.needs.gpus or 0.0
        return job.needs.cpus, gpus if self.total[1] else 0.0

    def turn(self, job):
        return "now"

    def submit(self, jobs):
        handle = next(self.numbers)
        self.tasks[handle] = list(jobs)
        self.submitted.append([job.name for job in jobs])
        assert len({job.stage for job in jobs}) == 1
        taken = [self.occupies(task[0]) for task in self.tasks.values()]
        self.most = [max(most, sum(column)) for most, column in zip(self.most, zip(*taken, strict=True), strict=True)]
        return handle

    def wait(self, tasks, seconds):
        self.clock.now += seconds
        for handle in tasks:
            ending = self.end(handle)
            if ending is not None:
                del self.tasks[handle]
                return [(handle, ending)]
        return []

    def end(self, handle):
        if handle in self.cancelled:
            return LostTask("it was stopped")
        outcomes = []
        for job in self.tasks[handle]:
            attempt = self.attempts.get(job.key, 0)
            behavior = self.behave(job, attempt)
            if behavior == "hang":
                return None
            self.attempts[job.key] = attempt + 1
            if isinstance(behavior, LostTask):
                return behavior
            if isinstance(behavior, JobResult):
                outcomes.append(behavior)
                continue
            if behavior == "useless":
                return [*outcomes, JobResult(job.key, 1.0, "host", "CUDA error")]
            trace = f"trace of {behavior}" if behavior else ""
            outcomes.append(JobResult(job.key, self.seconds, "host", behavior or "", trace))
        return outcomes

    def has_started(self, task):
        return task not in self.queued

    def cancel(self, task):
        self.cancelled.add(task)


class Clock:
    now = 0.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def plan(make_spec):
    return make_plan(
        make_spec(methods=["flat", "learned", "plain"], seeds=[0, 1], resources={"quantizers": {"gpus": 0.5}})
    )


@pytest.fixture
def walk(tmp_path):
    """Walks a plan on a pool; gives the schedule and the events of the run."""

    def run(plan, pool, pending=None, tick=lambda running: None, **more):
        log = EventLog(tmp_path / "events.jsonl")
        log("run-started")
        whole = Schedule(plan, list(plan.jobs) if pending is None else pending, pool, log, tick, **more)
        try:
            whole.run()
        finally:
            run.events = list(last_run(tmp_path / "events.jsonl"))[1:]
        return whole, run.events

    return run


def said(events, kind):
    return [event.job for event in events if event.event == kind]


def job_named(plan, name):
    (job,) = [job for job in plan.jobs.values() if f"{job.stage}: {job.name}" == name]
    return job


@pytest.mark.parametrize(("cpus", "gpus"), [(2, 0), (3, 0.5), (4, 1), (64, 8)])
def test_every_job_runs_once_after_its_inputs_within_the_resources(plan, walk, cpus, gpus):
    pool = FakePool(cpus=cpus, gpus=gpus)
    done = set()

    def tick(running):
        for job in running:
            assert {key for _, key in job.inputs.values()} <= done

    def behave(job, attempt):
        done.add(job.key)

    pool.behave = behave
    whole, events = walk(plan, pool, tick=tick)
    assert done == set(plan.jobs)
    assert sorted(said(events, "started")) == sorted(said(events, "done")) == sorted(j.name for j in plan.jobs.values())
    assert whole.failed == whole.blocked == {}
    assert pool.most[0] <= cpus
    assert pool.most[1] <= gpus
    if cpus < 10:
        assert pool.most[0] > cpus - 2, "what is free is used"
    finished = set()
    for event in events:
        if event.event == "started":
            assert {key for _, key in plan.jobs[event.key].inputs.values()} <= finished
        elif event.event == "done":
            finished.add(event.key)
            assert (event.host, event.seconds) == ("host", pool.seconds)


def test_what_others_wait_for_goes_first_and_many_colors_before_few(make_spec, walk):
    plan = make_plan(make_spec(methods=[{"name": "learned", "colors": [2, 8, 4]}]))
    pool = FakePool(cpus=2)
    walk(plan, pool)
    order = [name for names in pool.submitted for name in names if name.startswith("learned")]
    assert [name.split()[2] for name in order[:3]] == ["8", "4", "2"]
    assert all("," in name for name in order[:3])


@pytest.mark.parametrize(
    ("seconds", "sizes"),
    [
        (0.25, [1, 1, 8, 8, 4, 8, 8, 4]),
        (0.5, [1, 1, 8, *[4] * 3, 8, *[4] * 3]),
        (60, [1, 1, 8, *[1] * 12, 8, *[1] * 12]),
        (0.01, [1, 1, 8, 12, 8, 12]),
    ],
)
def test_short_jobs_go_several_to_a_task_but_no_cpu_is_left_idle_for_it(make_spec, walk, seconds, sizes):
    plan = make_plan(make_spec(methods=[{"name": "flat", "colors": list(range(2, 22))}], datasets=["dots"]))
    pool = FakePool(cpus=1, seconds=seconds)
    walk(plan, pool)
    assert [len(names) for names in pool.submitted] == sizes
    pool = FakePool(cpus=10)
    walk(plan, pool)
    assert [len(names) for names in pool.submitted][:2] == [1, 1]
    assert max(map(len, pool.submitted)) <= 3


def test_a_batch_holds_jobs_of_one_dataset_and_of_one_size(make_spec, walk):
    datasets = ["dots", {"name": "dots", "params": {"n": 9}}]
    plan = make_plan(make_spec(methods=["flat", "plain", "learned"], datasets=datasets, colors=[2, 3, 4]))
    pool = FakePool(cpus=2, gpus=1)
    seen = []
    pool.submit, submit = lambda jobs: seen.append(jobs) or submit(jobs), pool.submit
    walk(plan, pool)
    batches = [jobs for jobs in seen if len(jobs) > 1]
    assert batches
    for jobs in batches:
        assert jobs[0].stage in ("applied", "cells")
        assert len({(job.inputs["dataset"], job.needs) for job in jobs}) == 1
    assert sum(map(len, seen)) == len(plan.jobs)


def test_only_what_is_pending_runs(plan, walk):
    cell = plan.cells[0].key
    pool = FakePool()
    _, events = walk(plan, pool, pending=[cell])
    assert [event.key for event in events] == [cell, cell]
    walk(plan, pool, pending=[])


def test_an_exception_is_not_retried_and_costs_only_what_rests_on_it(plan, walk):
    broken = job_named(plan, "quantizers: learned at 4 colors on dots, net, seed 1")
    pool = FakePool(lambda job, attempt: "ValueError: no" if job.key == broken.key else None)
    whole, events = walk(plan, pool)
    assert pool.attempts[broken.key] == 1
    assert whole.failed == {broken.key: "ValueError: no"}
    blocked = {plan.jobs[key].stage: sentence for key, sentence in whole.blocked.items()}
    assert blocked == dict.fromkeys(["applied", "cells"], f"{broken.name}: ValueError: no")
    assert len(whole.blocked) == 2
    assert all(broken.key in plan.ancestors(key) for key in whole.blocked)
    assert len(said(events, "done")) == len(plan.jobs) - 3
    (event,) = [event for event in events if event.event == "failed"]
    assert (event.message, event.traceback) == ("ValueError: no", "trace of ValueError: no")
    assert {event.message for event in events if event.event == "blocked"} == set(blocked.values())


def test_an_exception_in_a_batch_fails_its_own_job_only(plan, walk):
    broken = job_named(plan, "applied: flat at 2 colors on dots")
    pool = FakePool(lambda job, attempt: "oops" if job.key == broken.key else None, cpus=1)
    pool.occupies = lambda job: (1.0, 0.0)
    whole, events = walk(plan, pool)
    assert any(broken.name in names and len(names) > 1 for names in pool.submitted)
    assert set(whole.failed) == {broken.key}
    assert {plan.jobs[key].name for key in whole.blocked} == {
        f"flat at 2 colors on dots, net, seed {seed}" for seed in (0, 1)
    }
    assert said(events, "retried") == []


def test_when_the_first_job_fails_everything_else_is_blocked_and_the_walk_ends(plan, walk):
    whole, events = walk(plan, FakePool(lambda job, attempt: "disk full"))
    assert len(whole.failed) == 1
    assert len(whole.blocked) == len(plan.jobs) - 1
    assert set(whole.blocked.values()) == {"dots: disk full"}
    assert said(events, "done") == []


def test_a_job_that_is_lost_at_the_same_place_is_retried_with_growing_pauses_and_then_failed(plan, walk, clock):
    lost = job_named(plan, "classifiers: net on dots, seed 0")
    tried_at = []

    def behave(job, attempt):
        if job.key != lost.key:
            return None
        tried_at.append(clock.now)
        return LostTask("its worker process died")

    whole, events = walk(plan, FakePool(behave, clock=clock))
    assert len(tried_at) == 1 + RETRIES == 5
    assert whole.failed == {lost.key: "its worker process was lost 5 times at the same place: its worker process died"}
    assert [event.message for event in events if event.event == "retried"] == [
        f"its worker process died; retry {number} of 4" for number in (1, 2, 3, 4)
    ]
    assert said(events, "started").count(lost.name) == 5
    assert len(said(events, "done")) + len(whole.blocked) + 1 == len(plan.jobs)
    pauses = [then - before for before, then in itertools.pairwise(tried_at)]
    assert all(pause >= PAUSE_SECONDS * 2**number for number, pause in enumerate(pauses))


@pytest.mark.parametrize(
    ("losses", "comes_further", "how"),
    [
        (RETRIES, False, {}),
        (3 * RETRIES, True, {}),
        (3 * RETRIES, False, {"preempted": True}),
        (BLAMELESS_RETRIES, False, {"blamed": False}),
    ],
)
def test_a_job_ends_well_that_is_lost_less_often_or_comes_further_or_is_preempted(
    plan, walk, clock, losses, comes_further, how
):
    lost = job_named(plan, "quantizers: learned at 2 colors on dots, net, seed 0")
    pool = FakePool(
        lambda job, attempt: LostTask("gone", **how) if job.key == lost.key and attempt < losses else None,
        clock=clock,
    )
    epochs = lambda job: pool.attempts.get(job.key, 0) // 2 if comes_further else 0  # noqa: E731
    whole, events = walk(plan, pool, place=epochs)
    assert whole.failed == whole.blocked == {}
    assert len(said(events, "retried")) == losses


def test_a_job_that_came_further_is_given_up_once_it_no_longer_does(plan, walk, clock):
    lost = job_named(plan, "quantizers: learned at 2 colors on dots, net, seed 0")
    pool = FakePool(lambda job, attempt: LostTask("gone") if job.key == lost.key else None, clock=clock)
    whole, _ = walk(plan, pool, place=lambda job: min(pool.attempts.get(job.key, 0), 3))
    assert pool.attempts[lost.key] == 3 + RETRIES
    assert set(whole.failed) == {lost.key}


def test_losses_that_a_job_is_not_blamed_for_do_not_add_up_with_the_others(plan, walk, clock):
    lost = job_named(plan, "quantizers: learned at 2 colors on dots, net, seed 0")
    never_blamed = FakePool(
        lambda job, attempt: LostTask("gone", blamed=False) if job.key == lost.key else None, clock=clock
    )
    whole, _ = walk(plan, never_blamed)
    assert whole.failed[lost.key] == (
        "its worker process was lost 12 times, before it came to the job or with its node: gone"
    )
    in_turn = FakePool(
        lambda job, attempt: LostTask("gone", blamed=attempt % 2 == 1) if job.key == lost.key else None, clock=clock
    )
    whole, _ = walk(plan, in_turn)
    assert whole.failed[lost.key] == "its worker process was lost 5 times at the same place: gone"
    assert in_turn.attempts[lost.key] == 2 * (RETRIES + 1)


def test_where_a_job_was_lost_is_told_only_if_it_is_known(plan, walk, clock):
    lost = job_named(plan, "quantizers: learned at 2 colors on dots, net, seed 0")
    hosts = ["", "far/1"]
    pool = FakePool(
        lambda job, attempt: LostTask("gone", hosts[attempt]) if job.key == lost.key and attempt < 2 else None,
        clock=clock,
    )
    _, events = walk(plan, pool)
    assert [event.host for event in events if event.event == "retried"] == hosts
    assert {event.host for event in events if event.event == "started"} == {socket.gethostname()}


def test_a_batch_that_crashed_is_run_again_one_by_one(make_spec, walk, clock):
    plan = make_plan(make_spec(methods=[{"name": "flat", "colors": [2, 3, 4, 5]}]))
    killer = job_named(plan, "applied: flat at 3 colors on dots")
    pool = FakePool(lambda job, attempt: LostTask("crash") if job.key == killer.key else None, cpus=1, clock=clock)
    whole, events = walk(plan, pool)
    applied = [names for names in pool.submitted if names[0].endswith("colors on dots")]
    assert sorted(map(len, applied)) == [1] * (4 + RETRIES) + [4]
    assert sum(killer.name in names for names in applied) == 1 + 1 + RETRIES
    assert set(whole.failed) == {killer.key}
    assert len(whole.blocked) == 1
    retried = [event for event in events if event.event == "retried"]
    assert sum(event.message == "crash; run again alone" for event in retried) == 4
    assert sum(event.message.startswith("crash; retry") for event in retried) == RETRIES


def test_what_hangs_past_its_limit_is_stopped_and_failed_with_the_limit(plan, walk, clock):
    hanging = job_named(plan, "datasets: dots")
    assert hanging.needs.seconds == 60
    pool = FakePool(lambda job, attempt: "hang" if job.key == hanging.key else None, clock=clock)
    whole, events = walk(plan, pool)
    assert whole.failed == {hanging.key: "stopped after 60 s, its limit"}
    assert 60 < clock.now < 62
    assert said(events, "retried") == []
    assert len(whole.blocked) == len(plan.jobs) - 1


def test_the_limit_counts_from_the_start_and_not_from_the_queue(plan, walk, clock):
    first = job_named(plan, "datasets: dots")

    class Busy(FakePool):
        def end(self, handle):
            if clock.now < 500 and first in self.tasks[handle]:
                self.queued.add(handle)
                return None
            self.queued.discard(handle)
            return super().end(handle)

    whole, _ = walk(plan, Busy(clock=clock))
    assert clock.now > 500 > first.needs.seconds
    assert whole.failed == {}


def test_siblings_of_what_hangs_go_on(make_spec, walk, clock):
    plan = make_plan(make_spec(seeds=[0, 1], resources={"classifiers": {"seconds": 90}}))
    hanging = job_named(plan, "classifiers: net on dots, seed 0")
    pool = FakePool(lambda job, attempt: "hang" if job.key == hanging.key else None, clock=clock)
    whole, events = walk(plan, pool)
    assert set(whole.failed) == {hanging.key}
    assert "learned at 2 colors on dots, net, seed 1" in said(events, "done")
    assert "flat at 2 colors on dots" in said(events, "done")
    assert "flat at 2 colors on dots, net, seed 0" not in said(events, "done")


def test_a_batch_past_its_limit_is_run_again_one_by_one(make_spec, walk, clock):
    plan = make_plan(make_spec(methods=[{"name": "flat", "colors": [2, 3, 4]}], resources={"applied": {"seconds": 5}}))
    hanging = job_named(plan, "applied: flat at 3 colors on dots")
    pool = FakePool(lambda job, attempt: "hang" if job.key == hanging.key else None, cpus=1, clock=clock)
    whole, events = walk(plan, pool)
    assert whole.failed == {hanging.key: "stopped after 5 s, its limit"}
    messages = {event.message for event in events if event.event == "retried"}
    assert messages == {"one of a batch ran past its limit; run again alone"}
    assert len(whole.blocked) == 1


def test_what_ends_while_it_is_being_stopped_is_done(plan, walk, clock):
    slow = job_named(plan, "datasets: dots")
    pool = FakePool(lambda job, attempt: "hang" if job.key == slow.key and clock.now < 60.5 else None, clock=clock)
    pool.cancel = lambda task: None
    whole, _ = walk(plan, pool)
    assert whole.failed == {}


def test_ctrl_c_stops_everything_and_is_passed_on(plan, walk):
    pool = FakePool(lambda job, attempt: "hang" if job.stage != "datasets" else None, cpus=4)
    ticks = itertools.count()

    def tick(running):
        if next(ticks) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk(plan, pool, tick=tick)
    assert pool.tasks
    assert pool.cancelled == set(pool.tasks)
    still_running = sorted(job.name for jobs in pool.tasks.values() for job in jobs)
    assert sorted(said(walk.events, "interrupted")) == still_running


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.create()
    return store


def finish(store, job):
    with store.write(job.stage, job.key) as folder:
        (folder / "about.json").write_text("{}")
        (folder / "result").write_text(job.name)


def names(plan, found):
    return [f"{plan.jobs[key].stage}: {plan.jobs[key].name}" for key in found.pending]


def test_with_an_empty_store_everything_is_pending_inputs_first(plan, store):
    found = find_remaining(plan, store)
    assert set(found.pending) == set(plan.jobs)
    assert found.damaged == {}
    for place, key in enumerate(found.pending):
        assert {parent for _, parent in plan.jobs[key].inputs.values()} <= set(found.pending[:place])


def test_a_stored_cell_needs_nothing_that_it_rests_on(plan, store):
    for cell in plan.cells:
        finish(store, plan.jobs[cell.key])
    assert find_remaining(plan, store).pending == ()
    learned = next(cell for cell in plan.cells if cell.method == "learned")
    (store.path("cells", learned.key) / "result").unlink()
    found = find_remaining(plan, store)
    assert names(plan, found) == [
        "datasets: dots",
        "classifiers: net on dots, seed 0",
        "quantizers: learned at 2 colors on dots, net, seed 0",
        "applied: learned at 2 colors on dots, net, seed 0",
        "cells: learned at 2 colors on dots, net, seed 0",
    ]


def test_what_is_damaged_is_pending_again_and_said(plan, store):
    for job in plan.jobs.values():
        finish(store, job)
    damaged = job_named(plan, "applied: flat at 2 colors on dots")
    (store.path("applied", damaged.key) / "result").write_text("changed")
    found = find_remaining(plan, store)
    assert found.pending == (damaged.key,), "its cells are sound, but other commands read it"
    cell = next(cell for cell in plan.cells if cell.method == "flat" and cell.level == 2 and cell.seed == 0)
    (store.path("cells", cell.key) / "result").write_text("changed too")
    found = find_remaining(plan, store)
    assert found.pending == (damaged.key, cell.key)
    assert sorted(found.damaged.values()) == sorted(
        f"{plan.jobs[key].name}: {stage}/{key[:12]} was damaged (result), it is computed again"
        for stage, key in (("applied", damaged.key), ("cells", cell.key))
    )


def test_a_failure_is_never_cached(plan, store, walk):
    broken = job_named(plan, "classifiers: net on dots, seed 1")

    def attempt(fails):
        def behave(job, attempt):
            if fails and job.key == broken.key:
                return "RuntimeError: for now"
            return finish(store, job)

        found = find_remaining(plan, store)
        pool = FakePool(behave)
        whole, _ = walk(plan, pool, pending=found.pending)
        return set(found.pending), whole

    pending, whole = attempt(fails=True)
    assert pending == set(plan.jobs)
    rest = {broken.key, *whole.blocked}
    assert attempt(fails=True)[0] == rest
    pending, whole = attempt(fails=False)
    assert pending == rest
    assert whole.failed == whole.blocked == {}
    assert find_remaining(plan, store).pending == ()


@pytest.mark.parametrize("holds_all_together", [False, True])
def test_jobs_that_no_node_is_left_for_fail_in_the_end_instead_of_waiting_for_ever(
    plan, walk, clock, holds_all_together
):
    pool = FakePool(cpus=4.0 if holds_all_together else 0.5, clock=clock)
    if holds_all_together:
        pool.turn = lambda job: "not yet"
    whole, _ = walk(plan, pool)
    assert clock.now > scheduling.STARVED_SECONDS
    assert set(whole.failed) | set(whole.blocked) == set(plan.jobs)
    assert {"no node that is left has the 1 CPUs, 0 GPUs and the memory it needs"} == set(whole.failed.values())


class Shared:
    """Jobs that another schedule has, each until the clock shows its time; then it is done, or not."""

    def __init__(self, until, clock):
        self.until, self.clock, self.mine, self.refreshed = until, clock, set(), 0

    def take_free(self, keys):
        free = {key for key in keys if self.clock.now >= self.until.get(key, 0.0)}
        self.mine |= free
        return free

    def holder(self, key):
        return "host-2, process 7"

    def release(self, keys):
        self.mine -= set(keys)

    def refresh(self):
        self.refreshed += 1


@pytest.mark.parametrize("is_done", [True, False])
def test_a_job_that_another_run_has_waits_and_is_run_only_if_that_did_not_do_it(plan, walk, clock, is_done):
    other = job_named(plan, "classifiers: net on dots, seed 0")
    claims = Shared({other.key: 2 * STARVED_SECONDS}, clock)
    pool = FakePool(clock=clock)
    whole, events = walk(plan, pool, claims=claims, is_done=lambda job: is_done and job.key == other.key)
    assert whole.failed == whole.blocked == {}
    assert [(e.job, e.message) for e in events if e.event == "elsewhere"] == [
        (other.name, "another run computes it (host-2, process 7)")
    ]
    assert said(events, "cached") == ([other.name] if is_done else [])
    assert ([other.name] in pool.submitted) is not is_done
    assert len(said(events, "done")) == len(plan.jobs) - is_done
    assert claims.mine == set()
    assert claims.refreshed > 100
    assert min(len(names) for names in pool.submitted) > 0


def test_what_was_taken_is_given_back_when_it_fails_or_is_interrupted(plan, walk, clock):
    claims = Shared({}, clock)
    walk(plan, FakePool(lambda job, attempt: "broken", clock=clock), claims=claims)
    assert claims.mine == set()

    def stop(running):
        if running:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk(plan, FakePool(clock=clock), tick=stop, claims=claims)
    assert claims.mine == set()


def test_what_a_worker_finds_done_is_not_told_as_done_again(plan, walk):
    there = job_named(plan, "datasets: dots")

    class Finding(FakePool):
        def end(self, handle):
            return [replace(result, found=result.key == there.key) for result in super().end(handle)]

    whole, events = walk(plan, Finding())
    assert whole.failed == whole.blocked == {}
    assert said(events, "cached") == [there.name]
    assert there.name not in said(events, "done")
    assert len(said(events, "done")) == len(plan.jobs) - 1


def out_of_gpu_memory(job):
    return JobResult(job.key, 1.0, "host", "OutOfMemoryError: CUDA out of memory", "trace", out_of_gpu_memory=True)


def test_a_training_that_ran_out_of_gpu_memory_is_run_again_once_on_a_whole_gpu(plan, walk):
    big = job_named(plan, "quantizers: learned at 2 colors on dots, net, seed 0")
    assert big.needs.gpus == 0.5
    shares = []

    def behave(job, attempt):
        if job.key != big.key:
            return None
        shares.append(pool.occupies(job)[1])
        return out_of_gpu_memory(job) if shares[-1] < 1 else None

    pool = FakePool(behave, gpus=1.0)
    whole, events = walk(plan, pool)
    assert whole.failed == whole.blocked == {}
    assert shares == [0.5, 1.0]
    assert pool.most[1] <= 1
    (retried,) = [event for event in events if event.event == "retried"]
    assert (retried.job, retried.host) == (big.name, "host")
    assert retried.message == "the GPU had no memory left; run again alone on a whole GPU"


@pytest.mark.parametrize(
    ("gpus", "attempts", "advice"),
    [
        (0.5, 2, "lower its batch size or width, or have it run on CPUs (resources.quantizers/learned.gpus: 0)"),
        (1, 1, "lower its batch size or width, or have it run on CPUs (resources.quantizers/learned.gpus: 0)"),
        ("required", 1, "lower its batch size or width"),
    ],
)
def test_what_a_whole_gpu_has_too_little_memory_for_fails_with_advice(make_spec, walk, gpus, attempts, advice):
    plan = make_plan(
        make_spec(methods=[{"name": "learned", "colors": [2, 3]}], resources={"quantizers": {"gpus": gpus}})
    )
    big = job_named(plan, "quantizers: learned at 2 colors on dots, net, seed 0")
    pool = FakePool(lambda job, attempt: out_of_gpu_memory(job) if job.key == big.key else None, gpus=2.0)
    whole, events = walk(plan, pool)
    assert pool.attempts[big.key] == attempts
    assert whole.failed == {big.key: f"a whole GPU has too little memory for it: {advice}"}
    assert len(said(events, "retried")) == attempts - 1
    assert [event.traceback for event in events if event.event == "failed"] == ["trace"]


def test_one_of_a_batch_that_ran_out_of_gpu_memory_is_run_again_alone_and_the_others_are_done(make_spec, walk):
    methods = [{"name": "learned", "colors": [2, 3, 4, 5]}]
    plan = make_plan(make_spec(methods=methods, resources={"quantizers": {"gpus": 1}, "applied": {"gpus": 1}}))
    big = job_named(plan, "applied: learned at 4 colors on dots, net, seed 0")
    behave = lambda job, attempt: out_of_gpu_memory(job) if job.key == big.key and not attempt else None  # noqa: E731
    pool, tried = FakePool(behave, cpus=2, gpus=1.0), []
    pool.submit, submit = lambda jobs: tried.append([job.key for job in jobs]) or submit(jobs), pool.submit
    whole, events = walk(plan, pool)
    assert whole.failed == {}
    assert said(events, "retried") == [big.name]
    first, second = (keys for keys in tried if big.key in keys)
    assert len(first) > 1
    assert second == [big.key]


def store_unreachable(job):
    return JobResult(job.key, 1.0, "host", "StoreUnreachable: s3://x", "trace", store_unreachable=True)


def test_a_job_that_could_not_reach_the_store_is_retried_with_growing_pauses_and_then_failed(plan, walk, clock):
    away = job_named(plan, "classifiers: net on dots, seed 0")
    tried_at = []

    def behave(job, attempt):
        if job.key != away.key:
            return None
        tried_at.append(clock.now)
        return store_unreachable(job)

    whole, events = walk(plan, FakePool(behave, clock=clock))
    assert len(tried_at) == 1 + BLAMELESS_RETRIES == 12
    assert whole.failed == {away.key: "the store could not be reached in 12 tries: StoreUnreachable: s3://x"}
    assert [event.message for event in events if event.event == "retried"] == [
        f"the store could not be reached; retry {number} of 11" for number in range(1, 12)
    ]
    assert [event.traceback for event in events if event.event == "failed"] == ["trace"]
    pauses = [then - before for before, then in itertools.pairwise(tried_at)]
    assert all(pause >= min(PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS) for number, pause in enumerate(pauses))


def test_a_store_that_could_not_be_reached_is_not_held_against_a_job_that_is_lost(plan, walk, clock):
    unlucky = job_named(plan, "quantizers: learned at 2 colors on dots, net, seed 0")

    def behave(job, attempt):
        if job.key != unlucky.key or attempt >= RETRIES + BLAMELESS_RETRIES:
            return None
        return LostTask("gone") if attempt < RETRIES else store_unreachable(job)

    whole, events = walk(plan, FakePool(behave, clock=clock))
    assert whole.failed == whole.blocked == {}
    assert len(said(events, "retried")) == RETRIES + BLAMELESS_RETRIES


def test_short_jobs_that_could_not_reach_the_store_share_a_task_again(make_spec, walk, clock):
    plan = make_plan(make_spec(methods=[{"name": "flat", "colors": [2, 3, 4, 5]}]))
    behave = lambda job, attempt: store_unreachable(job) if job.stage == "applied" and not attempt else None  # noqa: E731
    pool = FakePool(behave, cpus=1, clock=clock)
    whole, _ = walk(plan, pool)
    assert whole.failed == {}
    applied = [names for names in pool.submitted if names[0].endswith("colors on dots")]
    assert list(map(len, applied)) == [4, 4]


def test_jobs_after_one_that_left_its_process_useless_are_run_again_alone(make_spec, walk):
    plan = make_plan(make_spec(methods=[{"name": "flat", "colors": [2, 3, 4, 5]}]))
    bad = job_named(plan, "applied: flat at 4 colors on dots")
    pool = FakePool(lambda job, attempt: "useless" if job.key == bad.key else None, cpus=1)
    whole, events = walk(plan, pool)
    assert whole.failed == {bad.key: "CUDA error"}
    (batch,) = [names for names in pool.submitted if bad.name in names]
    after = batch[batch.index(bad.name) + 1 :]
    assert after
    assert said(events, "retried") == after
    assert all([name] in pool.submitted for name in after)


def test_jobs_wait_for_their_turn(make_spec, walk):
    plan = make_plan(make_spec(methods=["flat", "plain"], colors=2))
    last, never = (job_named(plan, f"applied: {name} on dots") for name in ("flat at 2 colors", "plain"))
    pool = FakePool(cpus=2)
    turns = {last.key: "last", never.key: "not yet"}
    pool.turn = lambda job: turns.get(job.key, "now")

    def tick(running):
        if not running:
            turns.clear()

    _, events = walk(plan, pool, tick=tick)
    started = said(events, "started")
    assert started.index("net on dots, seed 0") < started.index(last.name) < started.index(never.name)
    assert sorted(said(events, "done")) == sorted(job.name for job in plan.jobs.values())
