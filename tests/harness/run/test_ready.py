"""Which of the jobs that could run goes first."""

import pytest

from harness.plan import make_plan
from harness.run.ready import BATCH, ReadyJobs, rank_jobs, time_to_the_end

SECONDS = {"datasets": 1.0, "classifiers": 10.0, "quantizers": 100.0, "applied": 2.0, "cells": 3.0}


@pytest.fixture
def plan(make_spec):
    return make_plan(make_spec(methods=["flat", "learned"], datasets=["dots"], colors=2))


def by_stage(job):
    return SECONDS[job.stage]


def test_a_job_counts_with_the_longest_chain_that_follows_it(plan):
    left = time_to_the_end(plan, plan.jobs, by_stage)
    found = {(job.stage, job.plugin): left[key] for key, job in plan.jobs.items()}
    assert found[("cells", "net")] == 3
    assert found[("applied", "learned")] == found[("applied", "flat")] == 5
    assert found[("quantizers", "learned")] == 105
    assert found[("classifiers", "net")] == 115
    assert found[("datasets", "dots")] == 116


def test_only_what_is_to_be_done_counts(plan):
    pending = [key for key, job in plan.jobs.items() if job.stage not in ("quantizers", "applied")]
    left = time_to_the_end(plan, pending, by_stage)
    assert left == {key: {"datasets": 14, "classifiers": 13, "cells": 3}[plan.jobs[key].stage] for key in pending}


def ready(plan, seconds, turns=None, paces=None):
    def turn(job):
        return (turns or {}).get(job.stage, "now")

    jobs = ReadyJobs(rank_jobs(plan, plan.jobs, seconds), paces or {}, lambda _: (1.0, 0.0), turn, lambda _: None)
    for job in reversed(plan.jobs.values()):
        jobs.add(job)
    return jobs


def order(jobs):
    found = []
    while task := jobs.next_task(1, 0):
        found += [job.stage for job in task]
    return found


def test_the_longest_way_to_the_end_begins_first(plan):
    assert order(ready(plan, by_stage)) == ["datasets", "classifiers", "quantizers", *["applied"] * 2, *["cells"] * 2]
    slow_cells = order(ready(plan, lambda job: 1000.0 if job.plugin == "flat" else by_stage(job)))
    assert slow_cells == ["datasets", "applied", "classifiers", "quantizers", "applied", *["cells"] * 2]


def test_jobs_whose_turn_is_last_go_after_the_others_and_some_not_at_all(plan):
    jobs = ready(plan, by_stage, {"classifiers": "last", "datasets": "not yet"})
    assert order(jobs) == ["quantizers", *["applied"] * 2, *["cells"] * 2, "classifiers"]


def test_what_was_measured_before_decides_how_many_go_to_the_first_task(make_spec):
    plan = make_plan(make_spec(methods=[{"name": "flat", "colors": list(range(2, 32))}], datasets=["dots"]))
    applied = [key for key, job in plan.jobs.items() if job.stage == "applied"]

    def first(paces):
        jobs = ready(plan, by_stage, paces=paces)
        return next(len(task) for task in iter(lambda: jobs.next_task(1, 0), []) if task[0].stage == "applied")

    assert [first(dict.fromkeys(applied, pace)) for pace in (600.0, 0.5, 0.1)] == [1, 4, 20]
    assert first({}) == BATCH
