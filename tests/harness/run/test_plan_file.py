"""A run's folder from somebody else: what its plan says is checked before anything is looked for or written."""

import hashlib
import io
import json
import tarfile

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.contracts import BadInput
from harness.plan import make_plan
from harness.run.events import EventLog
from harness.run.heartbeat import DRIVER, Heartbeat
from harness.run.plan_file import checked_plan
from harness.run.results import EVENTS, PLAN, gather, read_plan, store_of, write_plan
from harness.work.remote import open_store
from harness.work.store import Store
from harness.writing import read_sealed


@pytest.fixture
def run(tmp_path, make_spec):
    spec, store, folder = make_spec(methods=["flat", "learned"], colors=2), Store(tmp_path / "store"), tmp_path / "run"
    store.create()
    folder.mkdir()
    write_plan(folder, spec, make_plan(spec), store)
    return folder


@pytest.fixture
def change(run):
    """Changes the plan with a function; nobody's checksum keeps a stranger from that."""

    def change(edit):
        content = json.loads((run / PLAN).read_text())
        del content["sha256"]
        edit(content)
        (run / PLAN).write_text(json.dumps(content))
        return content

    return change


def said_by(*arguments):
    ended = CliRunner().invoke(app, [*map(str, arguments)])
    assert isinstance(ended.exception, BadInput), ended.exception
    return str(ended.exception)


def test_what_a_run_wrote_is_a_plan(run):
    written = read_sealed(run / PLAN)
    assert read_plan(run) == checked_plan(written) == written


def test_what_older_runs_left_out_of_jobs_is_added(run, change):
    change(lambda plan: [job.pop("retraining") for job in plan["jobs"]])
    assert {job["retraining"] for job in read_plan(run)["jobs"]} == {None}


@pytest.mark.parametrize("key", ["/x/y", "../../x", "", "a" * 63, "A" * 64, "a" * 64 + "\n", 3, None])
def test_a_key_is_nothing_but_a_digest(run, change, key):
    change(lambda plan: plan["jobs"][0].update(key=key))
    for command in (["report", run], ["status", run], ["status", run, "--job", "dots"], ["store", "gc", run]):
        more = ["--store", run.parent / "store"] if command[0] == "store" else []
        assert "plan.json: not the plan of a run (jobs[0].key: " in said_by(*command, *more)


WRONG = {
    "no list of jobs": lambda plan: plan.update(jobs=3),
    "jobs of nothing": lambda plan: plan.update(jobs=[{}]),
    "a store that is a number": lambda plan: plan.update(store=5),
    "a store with a null character": lambda plan: plan.update(store="a\0b"),
    "cells of nothing but a key": lambda plan: plan.update(cells=[{"key": "x"}]),
    "a cell with more than there is": lambda plan: plan["cells"][0].update(more=1),
    "a cell that no job judges": lambda plan: plan["cells"][0].update(key="f" * 64),
    "a cell that is a dataset": lambda plan: plan["cells"][0].update(key=plan["jobs"][0]["key"]),
    "another stage": lambda plan: plan["jobs"][0].update(stage="../x"),
    "needs that nobody has": lambda plan: plan["jobs"][0].update(needs={"gpus": "many"}),
    "a job that rests on itself": lambda plan: plan["jobs"][1].update(
        inputs={"dataset": [plan["jobs"][1]["stage"], plan["jobs"][1]["key"]]}
    ),
    "more": lambda plan: plan.update(more=1),
    "no name": lambda plan: plan["spec"].pop("name"),
    "recipes that are text": lambda plan: plan.update(recipes=["x"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_plan_is_said_in_a_sentence(run, change, wrong):
    change(WRONG[wrong])
    for command in (["report", run], ["status", run]):
        said = said_by(*command)
        assert "plan.json: not the plan of a run (" in said
        assert said.endswith("); run the spec again.")
        assert "\n" not in said


def test_jobs_rest_on_few_others(run, change):
    def chain(plan):
        first = plan["jobs"][0]
        keys = [hashlib.sha256(bytes([n])).hexdigest() for n in range(40)]
        plan["jobs"] = [
            {**first, "key": key, "inputs": {"dataset": [first["stage"], keys[n - 1]]} if n else {}}
            for n, key in enumerate(keys)
        ]
        plan["cells"] = []

    change(chain)
    assert "more than 8 jobs rest on each other" in said_by("report", run)


def test_a_store_at_a_uri_is_asked_where_the_reader_says_so(run, change, tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FEWCOLORS_STORE", raising=False)
    uri = f"file://{tmp_path}/elsewhere"
    open_store(uri).create()
    content = change(lambda plan: plan.update(store=uri))
    for command in (["report", run], ["status", run], ["figures", run]):
        said = said_by(*command)
        assert said == (
            f"the run names {uri} as its store; give --store or set FEWCOLORS_STORE to say that it may be asked."
        )
    assert not gather(run, uri).failures
    monkeypatch.setenv("FEWCOLORS_STORE", f"{uri}/")
    assert store_of(content).name == uri
    assert CliRunner().invoke(app, ["status", str(run)]).exit_code == 0
    monkeypatch.setenv("FEWCOLORS_STORE", "s3://another/store")
    with pytest.raises(BadInput, match="to say that it may be asked"):
        store_of(content)


def test_a_run_folder_makes_no_file_outside_the_cache(run, change, tmp_path, monkeypatch):
    """A store whose artifact has a path for its key, and a plan that asks for it."""
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "cache"))
    target, uri = tmp_path / "home" / "autostart", f"file://{tmp_path}/theirs"
    open_store(uri).create()
    files = {"evil.sh": b"echo", "about.json": b"{}"}
    files["manifest.json"] = json.dumps({n: hashlib.sha256(c).hexdigest() for n, c in files.items()}).encode()
    packed = tmp_path / f"theirs/datasets{target}.tar"
    packed.parent.mkdir(parents=True)
    with tarfile.open(packed, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    change(lambda plan: (plan.update(store=uri), plan["jobs"][0].update(key=str(target))))
    for command in ("report", "status"):
        said_by(command, run, "--store", uri)
    for store in (open_store(uri), Store(tmp_path / "store")):
        for key in (str(target), "../../../home/autostart"):
            for ask in (
                lambda store=store, key=key: store.path("datasets", key),
                lambda store=store, key=key: store.has("datasets", key),
                lambda store=store, key=key: store.remove("datasets", key),
                lambda store=store, key=key: store.watched(key),
                lambda store=store, key=key: store.forget(key),
                lambda store=store, key=key: store.leases(lambda _key: True).take(key),
                lambda store=store, key=key: store.write("datasets", key).__enter__(),
            ):
                with pytest.raises(BadInput, match="is not the key of an artifact"):
                    ask()
        with pytest.raises(BadInput, match="is not a stage"):
            store.path("../datasets", "a" * 64)
    assert not target.parent.exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_an_artifact_is_files_and_folders(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "cache"))
    store = open_store(f"file://{tmp_path}/theirs")
    store.create()
    key = "a" * 64
    with store.write("cells", key) as folder:
        (folder / "about.json").write_text("{}")
    store.let_go("cells", key)
    packed = tmp_path / f"theirs/cells/{key}.tar"
    with tarfile.open(packed, "a") as tar:
        member = tarfile.TarInfo("strange")
        member.type, member.linkname = kind, "about.json"
        tar.addfile(member)
    with pytest.raises(BadInput, match="was damaged"):
        store.path("cells", key)
    assert not list((tmp_path / "cache").rglob("strange"))


def test_what_is_too_deep_or_has_no_end_is_damaged(run):
    whole = (run / PLAN).read_text()
    deep = 2000 * "[" + 2000 * "]"
    (run / EVENTS).write_text(f'{deep}\n{{"a": {deep}}}\n')
    told = CliRunner().invoke(app, ["status", str(run)])
    assert told.exit_code == 0
    assert "2 damaged lines are passed over" in " ".join(told.output.split())
    within = whole.replace('"params": {', f'"params": {{"x": {900 * "["}{900 * "]"}, ', 1)
    for text in (deep, f'{{"spec": {deep}}}', within):
        (run / PLAN).write_text(text)
        for command in (["report", run], ["status", run], ["status", run, "--job", "x"], ["store", "gc", run]):
            more = ["--store", run.parent / "store"] if command[0] == "store" else []
            said = said_by(*command, *more)
            assert "plan.json: " in said
            assert "\n" not in said
    (run / PLAN).unlink()
    (run / PLAN).symlink_to("/dev/zero")
    assert "plan.json: damaged (it is not a file)" in said_by("report", run)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_beyond_all_years_is_no_time(run, time):
    with Heartbeat(run):
        pass
    driver = read_sealed(run / DRIVER)
    for changes in ({"beat": time}, {"since": time}, {"cpus": 1e999}):
        (run / DRIVER).write_text(json.dumps({k: v for k, v in (driver | changes).items() if k != "sha256"}))
        told = CliRunner().invoke(app, ["status", str(run)])
        assert told.exit_code == 0, told.exception
    log = EventLog(run / EVENTS)
    log("run-started")
    (run / EVENTS).write_text(f'{{"time": "{time}", "job": "", "event": "run-started"}}\n')
    assert CliRunner().invoke(app, ["status", str(run)]).exit_code == 0
