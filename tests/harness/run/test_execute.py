"""What a run's driver asks of its store while jobs run: that it does not answer just now ends no run."""

import io
import itertools
from types import SimpleNamespace

from rich.console import Console

from harness.plan import make_plan
from harness.run.events import EventLog, last_run
from harness.run.execute import _judge_watch, compute
from harness.run.schedule import JobResult, NoClaims, Remaining
from harness.work.bucket import StoreUnreachable
from harness.work.store import Store


class Pool:
    """Does at once what it is given."""

    def __init__(self):
        self.tasks, self.handles, self.clock = {}, itertools.count(), itertools.count()

    def now(self):
        return float(next(self.clock))

    def capacity(self):
        return 4.0, 4.0

    def occupies(self, job):  # noqa: ARG002
        return 1.0, 0.0

    def turn(self, job):  # noqa: ARG002
        return "now"

    def code(self, job):  # noqa: ARG002
        return None

    def submit(self, jobs):
        handle = next(self.handles)
        self.tasks[handle] = [JobResult(job.key, 1.0, "host") for job in jobs]
        return handle

    def wait(self, tasks, seconds):  # noqa: ARG002
        return [(handle, self.tasks.pop(handle)) for handle in tasks]

    def has_started(self, task):  # noqa: ARG002
        return True


class Away(Store):
    """A store that does not answer; every job is another run's at first."""

    def has(self, stage, key):  # noqa: ARG002
        raise StoreUnreachable("s3://x cannot be reached")

    def leases(self, worth):  # noqa: ARG002
        claims, asked = NoClaims(), set()
        claims.take = lambda key: key in asked or asked.add(key)
        claims.close = lambda: None
        return claims


def test_a_store_that_does_not_answer_just_now_ends_no_run(make_spec, tmp_path):
    plan, store = make_plan(make_spec()), Away(tmp_path / "store")
    store.create()
    watch = _judge_watch(SimpleNamespace(plan=plan, store=store), say=None)
    log = EventLog(tmp_path / "events.jsonl", watch)
    schedule = compute(plan, Remaining(tuple(plan.jobs), {}), store, Pool(), log, Console(file=io.StringIO()))
    assert schedule.failed == schedule.blocked == {}
    told = [(event.event, event.key) for event in last_run(tmp_path / "events.jsonl", print)]
    assert {key for event, key in told if event == "done"} == set(plan.jobs)
    assert {key for event, key in told if event == "elsewhere"} == set(plan.jobs), "so that it was asked of each"
