import io
import sys
import types

import pytest
from rich.console import Console

from harness.plan import make_plan
from harness.run import progress as showing
from harness.run.durations import Kind
from harness.run.events import EventLog
from harness.run.progress import Progress
from harness.work.store import Store
from harness.writing import write_json, write_sealed


class Clock:
    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(showing, "time", clock)
    return clock


@pytest.fixture
def plan(make_spec):
    return make_plan(make_spec(methods=["flat", {"name": "learned", "colors": 2}]))


class Pool:
    """Stands for a cluster of some CPUs, of which each job takes one."""

    def __init__(self, cpus):
        self.cpus = cpus

    def capacity(self):
        return self.cpus, 0.0

    def occupies(self, job):
        assert job.needs is not None
        return 1.0, 0.0


class Watched:
    """A progress with what it printed."""

    def __init__(self, plan, folder, workers=2, **console):
        self.screen = io.StringIO()
        console = Console(file=self.screen, width=100, **console)
        self.plan, self.store = plan, Store(folder / "store")
        self.progress = Progress(console, plan, list(plan.jobs), self.store, Pool(workers))
        self.log = EventLog(folder / "events.jsonl", self.progress)
        self.jobs = {f"{job.stage}: {job.name}": job for job in plan.jobs.values()}

    def lines(self):
        text = self.screen.getvalue()
        self.screen.seek(0)
        self.screen.truncate()
        return text.splitlines()


@pytest.fixture
def watched(plan, tmp_path, clock):
    assert showing.time is clock
    return Watched(plan, tmp_path)


CLASSIFIER = "classifiers: net on dots, seed 0"


def test_off_a_terminal_each_job_that_ends_is_a_line(watched, clock):
    dots, net = watched.jobs["datasets: dots"], watched.jobs[CLASSIFIER]
    with watched.progress:
        watched.log("run-started")
        watched.log("started", dots)
        clock.now += 75
        watched.log("done", dots, seconds=75)
        watched.log("failed", net, message="ValueError: [red]no[/red]")
        watched.log("retried", net, message="its worker process died; retry 1 of 2")
        watched.log("blocked", watched.jobs["applied: flat at 2 colors on dots"], message="because")
    assert watched.lines() == [
        "[1 min 15 s] 1/9: datasets: dots done in 1 min 15 s",
        "failed: classifiers: net on dots, seed 0: ValueError: [red]no[/red]",
        "retried: classifiers: net on dots, seed 0: its worker process died; retry 1 of 2",
    ]


def test_when_nothing_ends_for_a_while_it_says_what_is_running(watched, clock):
    net = watched.jobs[CLASSIFIER]
    watched.log("started", net)
    watched.progress.tick([net])
    clock.now += showing.PLAIN_SECONDS - 1
    watched.progress.tick([net])
    assert watched.lines() == []
    clock.now += 2
    watched.progress.tick([net])
    watched.progress.tick([net])
    assert watched.lines() == ["[16 s] 0/9: running classifiers: net on dots, seed 0"]
    write_epochs(watched, net, [10.0] * 3)
    clock.now += showing.PLAIN_SECONDS + 1
    watched.progress.tick([net])
    assert watched.lines() == [
        "[32 s] 0/9, at least 1 min 10 s left, not counting datasets and quantizers and applied and cells: "
        "running classifiers: net on dots, seed 0 (epoch 3 of 10)"
    ]


def test_a_dataset_that_is_being_made_says_how_far_it_is(watched, clock):
    (making,) = (job for job in watched.plan.jobs.values() if job.stage == "datasets")
    watched.log("started", making)
    watched.progress.tick([making])
    write_sealed(watched.store.checkpoints(making.key) / "history.json", {"of": 60_000, "done": 1_500})
    clock.now += showing.PLAIN_SECONDS + 1
    watched.progress.tick([making])
    assert watched.lines() == ["[16 s] 0/9: running datasets: dots (1,500 of 60,000 read)"]


def run_stage(watched, clock, stage, seconds):
    for job in watched.plan.jobs.values():
        if job.stage == stage:
            watched.log("started", job)
            clock.now += seconds
            watched.log("done", job, seconds=seconds)


def test_time_left_is_told_once_every_stage_has_a_measure(watched, clock):
    for stage, seconds in (("datasets", 10), ("classifiers", 60), ("quantizers", 30)):
        run_stage(watched, clock, stage, seconds)
    assert not any("about" in line for line in watched.lines()), "nothing is known of what comes"
    applied = [job for job in watched.plan.jobs.values() if job.stage == "applied"]
    cells = [job for job in watched.plan.jobs.values() if job.stage == "cells"]
    watched.log("done", applied[0], seconds=4)
    assert ", at least 4 s left, not counting cells: " in watched.lines()[-1], (
        "two to apply at 4 s on two workers; judging is not known"
    )
    watched.log("done", cells[0], seconds=10)
    # two of three to apply at 4 s, two of three to judge at 10 s, on two workers
    assert watched.lines() == [f"[1 min 40 s] 5/9, about 14 s left: cells: {cells[0].name} done in 10 s"]
    watched.log("failed", applied[1], message="no")
    watched.log("blocked", cells[1], message="no")
    watched.lines()
    watched.log("done", applied[2], seconds=4)
    assert watched.lines()[0].startswith("[1 min 40 s] 6/9, 2 failed or blocked, about 10 s left: ")
    watched.log("done", cells[2], seconds=10)
    assert watched.lines()[0].startswith("[1 min 40 s] 7/9, 2 failed or blocked, about 0 s left: ")


def test_a_training_under_way_is_measured_by_its_epochs(make_spec, tmp_path, clock):
    watched = Watched(make_plan(make_spec(methods=["flat"], colors=2)), tmp_path, workers=1)
    run_stage(watched, clock, "datasets", 1)
    net = watched.jobs[CLASSIFIER]
    for stage in ("applied", "cells"):
        watched.progress.durations.add(Kind(stage, "another", "", 1.0, 0.0), 5.0)
    watched.log("started", net)
    watched.progress.tick([net])
    clock.now += 40
    watched.progress.tick([net])
    assert ", at least 10 s left, not counting classifiers: " in watched.lines()[-1], "the two jobs of 5 s"
    write_epochs(watched, net, [25.0, 15.0, 15.0, 15.0])
    clock.now += 20
    watched.progress.tick([net])
    assert watched.lines() == ["[1 min 1 s] 1/4, about 1 min 40 s left: running " + CLASSIFIER + " (epoch 4 of 10)"]
    clock.now += 20
    watched.progress.tick([net])
    assert ", about 1 min 25 s left: " in watched.lines()[-1], "it counts down until an epoch's end is overdue"


def test_a_training_that_goes_on_counts_the_epochs_of_its_earlier_start_at_their_pace(make_spec, tmp_path, clock):
    watched = Watched(make_plan(make_spec(methods=["flat"], colors=2, seeds=[0, 1])), tmp_path, workers=1)
    nets = [job for job in watched.jobs.values() if job.stage == "classifiers"]
    for stage in ("datasets", "applied", "cells"):
        watched.progress.durations.add(Kind(stage, "another", "", 1.0, 0.0), 0.0)
    write_epochs(watched, nets[0], [20.0] * 19, of=60)
    watched.log("started", nets[0])
    watched.progress.tick([nets[0]])
    clock.now += 16
    watched.progress.tick([nets[0]])
    # 41 epochs of 20 s less 16 s, and the other seed's 60
    assert ", about 33 min 24 s left: " in watched.lines()[-1]
    write_epochs(watched, nets[0], [20.0] * 60, of=60)
    clock.now += 804
    watched.log("done", nets[0], seconds=820)
    assert ", about 20 min 0 s left: " in watched.lines()[-1], "the other seed takes as long as both starts together"


def write_epochs(watched, job, seconds, of=10):
    folder = watched.store.checkpoints(job.key)
    write_json(folder / "history.json", {"of": of, "epochs": [{"seconds": each} for each in seconds]})


def test_on_a_terminal_a_table_counts_jobs_by_stage(plan, tmp_path, clock):
    watched = Watched(plan, tmp_path, force_terminal=True)
    run_stage(watched, clock, "datasets", 1)
    broken = watched.jobs["quantizers: learned at 2 colors on dots, net, seed 0"]
    watched.log("failed", broken, message="no")
    watched.log("blocked", watched.jobs["applied: learned at 2 colors on dots, net, seed 0"], message="no")
    watched.progress.tick([watched.jobs[CLASSIFIER]])
    assert not any("done in" in line for line in watched.lines())
    console = Console(file=io.StringIO(), width=100)
    console.print(watched.progress._live.get_renderable())
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    assert rows[:6] == [
        ["done", "running", "failed", "of"],
        ["datasets", "1", "0", "0", "1"],
        ["classifiers", "0", "1", "0", "1"],
        ["quantizers", "0", "0", "1", "1"],
        ["applied", "0", "0", "1", "3"],
        ["cells", "0", "0", "0", "3"],
    ]
    assert " ".join(rows[6]) == CLASSIFIER
    assert rows[7] == ["1", "s", "elapsed"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (0.6, "1 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7300, "2 h 1 min")],
)
def test_durations(watched, seconds, shown):
    watched.log("done", watched.jobs["datasets: dots"], seconds=0.0)
    watched.lines()
    watched.log("done", watched.jobs[CLASSIFIER], seconds=seconds)
    assert watched.lines()[0].endswith(f"done in {shown}")


class Notebook:
    """Stands for IPython's display: the messages that a kernel would send."""

    def __init__(self, monkeypatch):
        self.messages = []
        module = types.ModuleType("IPython.display")
        module.display = self.display
        monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
        monkeypatch.setitem(sys.modules, "IPython.display", module)

    def display(self, content, raw, display_id):
        assert raw
        assert display_id
        self.messages.append(("display", content))
        return self

    def update(self, content, raw):
        assert raw
        self.messages.append(("update", content))


def test_a_notebook_shows_one_table_that_is_written_over(plan, tmp_path, clock, monkeypatch):
    notebook, repainted = Notebook(monkeypatch), Clock()
    monkeypatch.setattr("harness.run.notebook.time", repainted)
    watched = Watched(plan, tmp_path, force_jupyter=True)
    with watched.progress:
        run_stage(watched, clock, "datasets", 1)
        for _ in range(8):
            watched.progress.tick([watched.jobs[CLASSIFIER]])
            repainted.now += 0.25
    assert [kind for kind, _ in notebook.messages] == ["display", "update", "update"], "once a second, and at the end"
    shown = notebook.messages[1][1]
    assert CLASSIFIER in shown["text/plain"]
    assert CLASSIFIER in shown["text/html"]
    assert ["datasets", "1", "0", "0", "1"] in [line.split() for line in shown["text/plain"].splitlines()]
    assert notebook.messages[-1][1] == {"text/plain": ""}, "what is said at the end takes its place"


def test_a_quiet_notebook_shows_nothing(plan, tmp_path, monkeypatch):
    notebook = Notebook(monkeypatch)
    watched = Watched(plan, tmp_path, force_jupyter=True, quiet=True)
    with watched.progress:
        watched.progress.tick([watched.jobs[CLASSIFIER]])
    assert notebook.messages == []
