"""How a search stands, told from its folder: while it is under way, and after its driver was killed."""

from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.contracts import BadInput
from harness.plan import make_plan
from harness.run.events import EventLog
from harness.run.heartbeat import DRIVER, Heartbeat, read_driver
from harness.run.results import EVENTS, PLAN, SEARCH, write_plan
from harness.search.table import TABLE, TrialTable
from harness.work.bucket import Bucket
from harness.work.store import Store
from harness.writing import write_sealed, write_yaml


@pytest.fixture
def search(tmp_path):
    folder = tmp_path / "found"
    write_yaml(folder / SEARCH, {"spec": {}})
    return folder


def drive(folder, **changes):
    with Heartbeat(folder):
        pass
    write_sealed(folder / DRIVER, asdict(replace(read_driver(folder), ended="", **changes)))


def trials(place):
    place.mkdir(parents=True)
    table = TrialTable(place / TABLE)
    for _ in range(6):
        table.draw({"gamma": 1.0})
    for number in range(5):
        table.start(number)
    table.report(0, {"finished": True})
    table.end(0, "ended")
    table.end(1, "stopped")
    table.report(2, {"error": "ValueError: no\x1b"})
    table.end(2, "ended")
    table.end(3, "lost", "its worker kept dying")


def status(place):
    ended = CliRunner().invoke(app, ["status", str(place)])
    assert ended.exit_code == 0, ended.exception
    return ended.output.splitlines()


def test_a_search_that_has_begun(search, make_spec):
    drive(search)
    log = EventLog(search / EVENTS)
    log("run-started")
    data, net, *_ = make_plan(make_spec(methods=["learned"], colors=2)).jobs.values()
    log("done", data)
    log("started", net)
    first, *rest = status(search)
    assert first.startswith("running for ")
    assert rest == ["datasets: 1 done", "classifiers: 1 running", "no plan of jobs and no trial yet"]


@pytest.mark.parametrize("place", ["searches/learned-2-colors", "dots-net/searches/learned-2-colors"])
def test_trials_are_counted_while_the_driver_is_at_work_and_after(search, place):
    trials(search / place)
    name = place.replace("searches/", "")
    drive(search)
    lines = status(search)
    assert lines[0].startswith("running for ")
    assert lines[1:] == [
        f"trials of {name}: 1 finished, 1 stopped, 2 failed, 1 running, 1 waiting",
        rf"failed: {name}: trial 2: ValueError: no\x1b",
        f"failed: {name}: trial 3: its worker kept dying",
    ]
    drive(search, born="1")
    lines = status(search)
    assert lines[0].startswith("dead since ")
    assert lines[1].endswith("2 failed, 1 interrupted, 1 waiting")


def test_at_a_uri_it_is_the_same(search, tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "cache"))
    trials(search / "searches" / "learned")
    drive(search)
    bucket = Bucket(f"file://{tmp_path}/there", "the run")
    for path in search.rglob("*.*"):
        bucket.send(path, path.relative_to(search).as_posix())
    here, there = status(search), status(f"file://{tmp_path}/there")
    assert here[1:] == there[1:]
    assert there[0].startswith("running for ")


def test_a_task_whose_winner_is_compared_is_named(search, make_spec, tmp_path):
    trials(search / "dots-net" / "searches" / "learned")
    spec = make_spec(methods=["flat"], colors=2)
    write_plan(search / "dots-net", spec, make_plan(spec), Store(tmp_path / "store"))
    assert f"dots-net: the winners are compared; fewcolors status {search}/dots-net" in status(search)


@pytest.mark.parametrize("text", ["[", "{}", '{"rows": [{"number": 0}]}', '{"rows": [{"number": 0, "config": 1}]}'])
def test_damaged_trials_are_said(search, text):
    (search / "searches" / "learned").mkdir(parents=True)
    (search / "searches" / "learned" / TABLE).write_text(text)
    lines = status(search)
    assert "trials.json: damaged (" in lines[0]
    assert lines[1] == "trials of learned: none yet"


def test_a_driver_that_has_not_planned_yet_is_told_of_and_an_empty_folder_is_no_run(search):
    (search / SEARCH).unlink()
    with pytest.raises(BadInput, match=f"not a run's folder, it has no {PLAN}"):
        CliRunner().invoke(app, ["status", str(search)], catch_exceptions=False)
    drive(search)
    first, *rest = status(search)
    assert first.startswith("running for ")
    assert rest == ["no plan of jobs and no trial yet"]
