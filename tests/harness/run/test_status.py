"""How a run stands, told from its folder: while its driver is at work, after it ended, and after it was killed."""

import datetime
import re
import socket
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.contracts import BadInput
from harness.plan import make_plan
from harness.run import heartbeat
from harness.run.estimate import TimeLeft
from harness.run.events import EventLog, moment, utc_now
from harness.run.heartbeat import DRIVER, SILENT_SECONDS, Heartbeat, read_driver, refuse_another
from harness.run.results import EVENTS, write_plan
from harness.run.status import read_status
from harness.work.folders import working_folder
from harness.work.jobs import _History
from harness.work.remote import open_store
from harness.work.store import Store
from harness.writing import write_json, write_sealed

NOW = datetime.datetime(2030, 5, 1, 12, 0, 0, tzinfo=datetime.UTC)


@pytest.fixture
def spec(make_spec):
    return make_spec(methods=["flat", "learned"], colors=2, resources={"quantizers": {"gpus": 0.5}})


@pytest.fixture
def plan(spec):
    return make_plan(spec)


@pytest.fixture
def run(tmp_path, spec, plan):
    folder, store = tmp_path / "run", Store(tmp_path / "store")
    store.create()
    folder.mkdir()
    write_plan(folder, spec, plan, store)
    return folder


@pytest.fixture
def store(run):
    return Store(run.parent / "store")


class Past:
    """Writes events as if they happened some seconds before NOW."""

    def __init__(self, run, plan, monkeypatch):
        self.log, self.monkeypatch = EventLog(run / EVENTS), monkeypatch
        self.jobs = {f"{job.stage}: {job.name}": job for job in plan.jobs.values()}

    def __call__(self, seconds_ago, event, job=None, **more):
        then = (NOW - datetime.timedelta(seconds=seconds_ago)).isoformat()
        self.monkeypatch.setattr("harness.run.events.utc_now", lambda: then)
        self.log(event, self.jobs[job] if job else None, **more)


@pytest.fixture
def past(run, plan, monkeypatch):
    return Past(run, plan, monkeypatch)


def stored(store, job):
    with store.write(job.stage, job.key):
        pass


def write_driver(run, **changes):
    with Heartbeat(run) as beat:
        beat.capacity = (4.0, 1.0)
    driver = replace(read_driver(run), ended="", since=NOW.isoformat(), beat=NOW.isoformat(), cpus=4.0, gpus=1.0)
    write_sealed(run / DRIVER, asdict(replace(driver, **changes)))


DOTS, NET = "datasets: dots", "classifiers: net on dots, seed 0"
FIT = "quantizers: learned at 2 colors on dots, net, seed 0"


def test_a_run_under_way(run, store, past):
    past(900, "run-started")
    for job in (DOTS, NET):
        past(890, "started", job)
        past(700 if job == DOTS else 120, "done", job, seconds=10, host="a/1" if job == DOTS else "b/2")
        stored(store, past.jobs[job])
    past(100, "started", FIT)
    history = {"of": 6, "epochs": [{"seconds": 30.0}] * 3, "noted": NOW.timestamp() - 10}
    write_json(store.checkpoints(past.jobs[FIT].key) / "history.json", history)
    write_driver(run)
    found = read_status(run, None, NOW)
    assert not found.gone
    assert found.states == {
        "datasets": {"done": 1},
        "classifiers": {"done": 1},
        "quantizers": {"running": 1},
        "applied": {"waiting": 2},
        "cells": {"waiting": 2},
    }
    (running,) = found.running
    assert running.name == FIT
    assert (len(running.under_way.epochs), running.under_way.of, running.under_way.gone) == (3, 6, 100)
    assert [(host.name, host.jobs, host.seconds) for host in found.hosts] == [("a/1", 1, 10), ("b/2", 1, 10)]
    assert (found.ended, found.within) == (1, 600), "one in the last ten minutes"
    assert found.left == TimeLeft(3 * 30 - 10, ("applied", "cells"))
    past(5, "failed", FIT, message="no")
    found = read_status(run, None, NOW)
    assert [event.message for event in found.failures] == ["no"]
    assert found.states["quantizers"] == {"failed": 1}
    assert found.running == ()


def test_epochs_of_a_training_on_another_machine_are_read_where_the_store_is(run, past, tmp_path, monkeypatch):
    uri = f"file://{tmp_path}/distant"
    past(100, "started", FIT)
    write_driver(run)
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "worker"))
    distant = open_store(uri)
    distant.create()
    with monkeypatch.context() as patch:
        patch.setattr("time.time", lambda: NOW.timestamp() - 40)
        _History(distant, past.jobs[FIT].key, None).note(1, 6, {"loss": 0.5})
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "watcher"))
    (running,) = read_status(run, uri, NOW).running
    assert (len(running.under_way.epochs), running.under_way.of) == (1, 6)
    assert (running.under_way.gone, running.under_way.since) == (100, 40), "not since it was fetched"
    (running,) = read_status(run, uri, NOW + datetime.timedelta(seconds=7)).running
    assert (running.under_way.gone, running.under_way.since) == (107, 47)


def test_what_ran_when_the_driver_was_killed_is_not_said_to_run(run, past):
    past(900, "run-started")
    past(890, "started", DOTS)
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    write_driver(run, process=int(dead.stdout))
    found = read_status(run, None, NOW)
    assert found.gone
    assert found.states["datasets"] == {"interrupted": 1}
    assert (found.left, found.running) == (None, ())
    told = CliRunner().invoke(app, ["status", str(run)]).output
    assert (
        f"dead since 2030-05-01 12:00:00 UTC: its driver, process {int(dead.stdout)} on {socket.gethostname()}, "
        in told
    )


def test_a_number_that_another_process_has_by_now_is_no_driver(run):
    write_driver(run)
    driver = read_driver(run)
    assert not driver.is_gone(NOW + datetime.timedelta(days=1)), "this process is at work, however long it is silent"
    assert replace(driver, born=str(int(driver.born) - 1)).is_gone(NOW)
    assert not replace(driver, born="1", ended="at its end").is_gone(NOW)


@pytest.mark.parametrize(("silent", "gone"), [(SILENT_SECONDS - 1, False), (SILENT_SECONDS + 1, True)])
def test_a_driver_on_another_machine_is_judged_by_its_heartbeat(run, silent, gone):
    write_driver(run, machine="another")
    assert read_driver(run).is_gone(NOW + datetime.timedelta(seconds=silent)) is gone


@pytest.mark.parametrize(
    ("error", "said"), [(None, "at its end"), (KeyboardInterrupt, "interrupted"), (OSError("disk full"), "disk full")]
)
def test_how_it_ended_is_kept(tmp_path, error, said):
    try:
        with Heartbeat(tmp_path):
            assert read_driver(tmp_path).ended == ""
            if error is not None:
                raise error
    except (KeyboardInterrupt, OSError):
        pass
    driver = read_driver(tmp_path)
    assert said in driver.ended
    assert moment(driver.since) <= moment(driver.beat) <= moment(utc_now())


def test_the_thread_goes_on_beating(tmp_path, monkeypatch):
    beats = []
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.0)
    with Heartbeat(tmp_path) as beat:
        monkeypatch.setattr(beat, "beat", lambda **_: beats.append(1) or (len(beats) > 2 and beat._over.set()))
        beat._thread.join(60)
    assert len(beats) >= 3


def test_a_folder_that_cannot_be_written_to_does_not_end_a_run(tmp_path):
    (tmp_path / "file").touch()
    with Heartbeat(tmp_path / "file" / "below"):
        pass
    assert read_driver(tmp_path / "file" / "below") is None


def test_what_is_not_needed_is_not_waited_for(run, plan, store):
    for cell in plan.cells:
        stored(store, plan.jobs[cell.key])
    states = read_status(run, None, NOW).states
    assert states["cells"] == {"done": 2}
    assert states["classifiers"] == {"not needed": 1}


def test_artifacts_are_listed_and_not_read(run, plan, store, monkeypatch):
    for cell in plan.cells[:1]:
        stored(store, plan.jobs[cell.key])
    (store.root / "cells" / ".partial-1").mkdir()
    for reading in ("verify", "read", "look_up"):
        monkeypatch.setattr(Store, reading, None)
    monkeypatch.setattr("harness.work.store.wrong_in", None)
    assert read_status(run, None, NOW).states["cells"] == {"done": 1, "waiting": 1}


def test_a_failed_job_is_told_with_its_traceback_and_what_its_worker_printed(run, past, tmp_path):
    past(900, "run-started")
    (tmp_path / "worker.out").write_text("".join(f"line {number}\n" for number in range(30)))
    (tmp_path / "worker.err").write_text("\x1b[31mSegmentation fault\n")
    here = f"{socket.gethostname()}/abc"
    past(60, "started", FIT)
    past(30, "retried", FIT, message="its worker process died; retry 1 of 2", host="b/2", log="/nowhere/worker")
    past(20, "started", FIT)
    past(
        10,
        "failed",
        FIT,
        message="ValueError: no",
        traceback="Traceback\n  File x",
        seconds=9.0,
        host=here,
        log=str(tmp_path / "worker"),
    )
    command = CliRunner()
    told = command.invoke(app, ["status", str(run)]).output
    (key,) = re.findall(r"failed: quantizers: .*\n  more: fewcolors status \S+ --job (\w+)", told)
    lines = command.invoke(app, ["status", str(run), "--job", key]).output.splitlines()
    assert "  2030-05-01 11:59:50 UTC failed after 9 s on " + here + ": ValueError: no" in lines
    assert "      File x" in lines
    assert "    (a file of that host)" in lines
    assert "    line 10" in lines
    assert "    line 9" not in lines
    assert "    \\x1b[31mSegmentation fault" in lines
    assert command.invoke(app, ["status", str(run), "--job", "learned at 2"]).output.count(FIT) == 1
    for wanted, complaint in (("nothing like it", "no job of this run"),):
        assert complaint in str(command.invoke(app, ["status", str(run), "--job", wanted]).exception)


@pytest.mark.parametrize("place", [".", "task"])
def test_a_folder_in_which_another_machine_is_at_work_is_refused_until_it_ended_or_was_silent(tmp_path, place):
    refuse_another(tmp_path)
    (tmp_path / place).mkdir(exist_ok=True)
    with Heartbeat(tmp_path / place):
        refuse_another(tmp_path)  # it is this process
        mine = read_driver(tmp_path / place)
    silent = (moment(utc_now()) - datetime.timedelta(seconds=SILENT_SECONDS + 1)).isoformat()
    another = replace(mine, host="node2", machine="another", process=4711, ended="", beat=utc_now())
    write_sealed(tmp_path / place / DRIVER, asdict(another))
    with pytest.raises(BadInput, match=r"process 4711 on node2 works in it; choose another --out, or start again 60 s"):
        refuse_another(tmp_path)
    for over in (replace(another, beat=silent), replace(another, ended="at its end")):
        write_sealed(tmp_path / place / DRIVER, asdict(over))
        refuse_another(tmp_path)


BEATING = """
import sys, time
from pathlib import Path
from harness.run.heartbeat import Heartbeat
with Heartbeat(Path(sys.argv[1])):
    print("at work", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("born", [True, False])
def test_a_folder_on_a_disk_has_one_driver_until_that_is_killed(run, tmp_path, born):
    """born: whether the system tells when a process was started."""
    spec = tmp_path / "spec.yaml"
    spec.write_text("datasets: [digits-on-photos]\nclassifiers: [alexnet]\nmethods: [otsu]\ncolors: [2]\n")
    start = ["run", str(spec), "--out", str(run), "--store", str(tmp_path / "store"), "--cpus", "1"]
    with subprocess.Popen([sys.executable, "-c", BEATING, str(run)], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout.readline() == "at work\n"
        ended = CliRunner().invoke(app, start)
        assert isinstance(ended.exception, BadInput)
        assert str(ended.exception).startswith(f"--out {run}: process {driver.pid} on {socket.gethostname()} works in")
        with pytest.raises(BadInput), working_folder(run, check=refuse_another):
            raise AssertionError
        driver.kill()
        driver.wait()
    if not born:
        write_sealed(run / DRIVER, asdict(replace(read_driver(run), born="")))
    with working_folder(run, check=refuse_another) as folder:
        assert folder == run
