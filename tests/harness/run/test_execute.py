"""What a run's driver asks of its store while jobs run: that it does not answer just now ends no run."""

import io
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from rich.console import Console

from harness.plan import make_plan
from harness.run.aside import AtOnce
from harness.run.events import EventLog, last_run
from harness.run.execute import _judge_watch, compute
from harness.run.schedule import JobResult, NoClaims, Remaining
from harness.work import remote_leases
from harness.work.bucket import StoreUnreachable
from harness.work.leases import name_of_run
from harness.work.remote import open_store
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
        claims.take_free = lambda keys: {key for key in keys if key in asked or asked.add(key)}
        claims.close = lambda: None
        return claims


def test_a_store_that_does_not_answer_just_now_ends_no_run(make_spec, tmp_path):
    plan, store = make_plan(make_spec()), Away(tmp_path / "store")
    store.create()
    watch = _judge_watch(SimpleNamespace(plan=plan, store=store), say=None, aside=AtOnce())
    log = EventLog(tmp_path / "events.jsonl", watch)
    schedule = compute(plan, Remaining(tuple(plan.jobs), {}), store, Pool(), log, Console(file=io.StringIO()))
    assert schedule.failed == schedule.blocked == {}
    told = [(event.event, event.key) for event in last_run(tmp_path / "events.jsonl", print)]
    assert {key for event, key in told if event == "done"} == set(plan.jobs)
    assert {key for event, key in told if event == "elsewhere"} == set(plan.jobs), "so that it was asked of each"


class Looking(Pool):
    """Notes whose leases there are while a job runs."""

    def __init__(self, store):
        super().__init__()
        self.leases, self.seen = store.leases(lambda _key: True), set()

    def wait(self, tasks, seconds):
        self.seen.update(self.leases.names())
        return super().wait(tasks, seconds)


def test_a_run_has_a_lease_as_long_as_it_is_at_work(make_spec, tmp_path):
    plan, store = make_plan(make_spec()), Store(tmp_path / "store")
    store.create()
    pool = Looking(store)
    log = EventLog(tmp_path / "events.jsonl")
    compute(plan, Remaining(tuple(plan.jobs), {}), store, pool, log, Console(file=io.StringIO()))
    assert {name.rpartition("-")[0] for name in pool.seen - plan.jobs.keys()} == {name_of_run(plan.jobs)}
    assert pool.leases.names() == []


class Slow(Store):
    """A store far away that answers what is asked of one job, of trainings and of leases only once it is let."""

    distant = True

    def __init__(self, root, key):
        super().__init__(root)
        self.key, self.let = key, threading.Event()

    def _answer(self):
        self.let.wait(20)

    def watched(self, key):
        self._answer()
        return super().watched(key)

    def leases(self, worth):  # noqa: ARG002
        claims = NoClaims()
        claims.take_free = lambda keys: (self._answer() if self.key in keys else None, set(keys))[1]
        claims.refresh = self._answer
        claims.close = lambda: None
        return claims


class Watching(Pool):
    """Lets the store answer once a number of jobs are done, or nothing has been for a while."""

    def __init__(self, store, count):
        super().__init__()
        self.store, self.count, self.done = store, count, []

    def wait(self, tasks, seconds):
        time.sleep(0.001)
        ended = super().wait(tasks, seconds)
        self.done += [result.key for _, results in ended for result in results]
        if len(self.done) == self.count:
            self.store.let.set()
        return ended


def test_no_job_waits_for_what_is_asked_about_another(make_spec, tmp_path):
    plan = make_plan(make_spec(datasets=["dots", {"name": "dots", "params": {"n": 6}}]))
    slow = next(job.key for job in plan.jobs.values() if job.stage == "datasets" and job.params["n"] == 6)
    others = {key for key, job in plan.jobs.items() if slow not in (key, *(k for _, k in job.inputs.values()))}
    others = {key for key in others if others.issuperset(k for _, k in plan.jobs[key].inputs.values())}
    store = Slow(tmp_path / "store", slow)
    store.create()
    pool, log = Watching(store, len(others)), EventLog(tmp_path / "events.jsonl")
    schedule = compute(plan, Remaining(tuple(plan.jobs), {}), store, pool, log, Console(file=io.StringIO()))
    assert schedule.failed == schedule.blocked == {}
    assert set(pool.done[: len(others)]) == others
    assert set(pool.done) == set(plan.jobs)


class Working(Pool):
    """Does as workers do: what is stored already is only found."""

    def __init__(self, store, computed):
        super().__init__()
        self.store, self.computed = store, computed

    def capacity(self):
        return 2.0, 2.0

    def submit(self, jobs):
        handle = super().submit(jobs)
        self.tasks[handle] = jobs
        return handle

    def wait(self, tasks, seconds):
        time.sleep(min(seconds, 0.01))
        return [(handle, [self._do(job) for job in self.tasks.pop(handle)]) for handle in tasks[:1]]

    def _do(self, job):
        found = self.store.has(job.stage, job.key)
        if not found:
            self.computed.append(job.key)
            with self.store.write(job.stage, job.key) as folder:
                (folder / "made").write_text("")
        return JobResult(job.key, 0.01, "host", found=found)


def test_drivers_with_a_store_at_a_uri_compute_each_job_once(make_spec, tmp_path, monkeypatch):
    monkeypatch.setattr(remote_leases, "LOOK_SECONDS", 0.02)
    plan = make_plan(make_spec(methods=["flat", "learned", "plain"], colors=[2, 3, 4, 5], seeds=[0, 1]))
    computed, logs = [], []

    def drive(number):
        log = EventLog(tmp_path / f"events-{number}.jsonl")
        logs.append(log)
        pool = Working(stores[number], computed)
        compute(plan, Remaining(tuple(plan.jobs), {}), stores[number], pool, log, Console(file=io.StringIO()))

    stores = []
    for number in range(2):
        monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / f"machine-{number}"))
        stores.append(open_store(f"file://{tmp_path}/shared"))
        stores[number].create()
    with ThreadPoolExecutor(2) as drivers:
        list(drivers.map(drive, range(2)))
    assert sorted(computed) == sorted(plan.jobs)
    for log in logs:
        ended = [event.key for event in last_run(log.path, print) if event.event in ("done", "cached")]
        assert sorted(ended) == sorted(plan.jobs)
    assert not [path for path in (tmp_path / "shared" / "leases").rglob("*") if path.is_file()]
