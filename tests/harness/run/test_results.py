"""A run's folder and its store, made by hand, as reports and ``status`` see them."""

import errno
import io
import json
import multiprocessing
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from harness.cli import app
from harness.contracts import BadInput
from harness.contracts.results import RECORD_COLUMNS
from harness.discovery import discover
from harness.plan import make_plan
from harness.run.events import EventLog, last_run
from harness.run.results import EVENTS, PLAN, SEARCH, gather, read_plan, runs_in, write_plan
from harness.spec.resolve import resolve
from harness.work.artifacts import load_dataset, open_decoded
from harness.work.jobs import Context, run_job
from harness.work.store import Store
from harness.writing import write_json

NOTES = {
    "original_p_true": {"2": 0.5},
    "classes": ["a", "b"],
    "device": "cpu",
    "devices": {"cpu": "toy"},
    "versions": {"numpy": "2"},
    "original_accuracy": 0.5,
    "seconds": 2.0,
}


@pytest.fixture
def spec(make_spec):
    return make_spec(methods=["flat", "learned"], seeds=[0], baseline="flat")


@pytest.fixture
def plan(spec):
    return make_plan(spec)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture
def run(tmp_path, spec, plan, store):
    folder = tmp_path / "run"
    folder.mkdir()
    write_plan(folder, spec, plan, store)
    return folder


def finish(store, cell, pictures=(), columns=RECORD_COLUMNS):
    with store.write("cells", cell.key) as folder:
        pd.DataFrame({column: [cell.variant] for column in columns}).to_parquet(folder / "records.parquet")
        write_json(folder / "about.json", NOTES)
        (folder / "gallery").mkdir()
        for number in pictures:
            for name in (f"{number}.png", f"{number}-original.png"):
                (folder / "gallery" / name).write_text(name)


def cell_of(plan, variant, level):
    return next(cell for cell in plan.cells if (cell.variant, cell.level) == (variant, level))


def job_of(plan, stage, level):
    return next(job for job in plan.jobs.values() if job.stage == stage and job.levels == (level,))


def test_cells_that_are_ok_failed_and_not_run_yet(run, plan, store):
    finish(store, cell_of(plan, "flat", 2), pictures=(10, 2))
    log = EventLog(run / EVENTS)
    log("run-started")
    broken = job_of(plan, "quantizers", 2)
    log("failed", broken, message="ValueError: no", traceback="Traceback: ...")
    resting = [key for key in plan.jobs if broken.key in plan.ancestors(key)]
    for key in resting:
        log("blocked", plan.jobs[key], message="because")
    own = cell_of(plan, "flat", 4)
    log("failed", plan.jobs[own.key], message="ContractError: NaN", traceback="Traceback")
    results = gather(run)
    found = {(cell.variant, cell.level): cell for cell in results.cells}
    assert {place: (cell.status, cell.error) for place, cell in found.items()} == {
        ("flat", 2): ("ok", ""),
        ("flat", 4): ("failed", "ContractError: NaN"),
        ("learned", 2): ("failed", "ValueError: no"),
        ("learned", 4): ("blocked", "not run yet"),
    }
    assert [(f.job, f.message, f.traceback, f.cells, f.key) for f in results.failures] == [
        (f"quantizers: {broken.name}", "ValueError: no", "Traceback: ...", 1, broken.key),
        (f"cells: {plan.jobs[own.key].name}", "ContractError: NaN", "Traceback", 1, own.key),
    ]
    done = found["flat", 2]
    assert pd.read_parquet(done.records)["name"].tolist() == ["flat"]
    assert list(done.gallery) == [2, 10]
    assert [path.read_text() for path in (done.gallery[2].original, done.gallery[2].decoded)] == [
        "2-original.png",
        "2.png",
    ]
    assert (done.gallery[2].original_p_true, done.gallery[10].original_p_true) == (0.5, None)
    assert (done.split, done.notes, done.fitted_on) == ("test", NOTES, "")
    assert found["learned", 2].fitted_on == "net"
    assert found["learned", 2].records is None
    assert results.classes == {"dots": ("a", "b")}
    assert results.environment == {"devices": ["cpu (toy)"], "versions": {"numpy": "2"}}


def test_any_test_image_can_be_seen_until_the_store_has_it_no_longer(run, plan, store, registry):
    cell = cell_of(plan, "flat", 2)
    finish(store, cell)
    roles = plan.jobs[cell.key].inputs
    for role in ("dataset", "applied"):
        run_job(plan.jobs[roles[role][1]], Context(store, registry))
    images = load_dataset(store, roles["dataset"][1]).test.images

    def picture_of(number):
        return next(cell.picture for cell in gather(run).cells if cell.status == "ok")(number)

    original, decoded = (np.asarray(Image.open(io.BytesIO(png))) for png in picture_of(1))
    assert (original == images[1]).all()
    assert (decoded == open_decoded(store, roles["applied"][1], registry).take([1])[0]).all()
    palettes = store.path("applied", roles["applied"][1]) / "palettes.npy"
    palettes.write_bytes(palettes.read_bytes()[:-1] + b"?")
    assert picture_of(1) is None, "damaged"
    store.remove("applied", roles["applied"][1])
    assert picture_of(1) is None, "gone"


@pytest.mark.parametrize("stage", ["datasets", "classifiers"])
def test_cells_whose_task_is_not_there_are_blocked(run, plan, stage):
    log = EventLog(run / EVENTS)
    log("run-started")
    broken = next(job for job in plan.jobs.values() if job.stage == stage)
    log("failed", broken, message="RuntimeError: no")
    for cell in plan.cells:
        log("blocked", plan.jobs[cell.key], message=f"{broken.name}: RuntimeError: no")
    results = gather(run)
    assert {(cell.status, cell.error) for cell in results.cells} == {("blocked", f"{broken.name}: RuntimeError: no")}


def test_a_cell_that_an_older_version_stored_is_blocked_and_said(run, plan, store):
    finish(store, cell_of(plan, "flat", 2), columns=RECORD_COLUMNS - {"original_predicted"})
    (old,) = [cell for cell in gather(run).cells if (cell.variant, cell.level) == ("flat", 2)]
    assert (old.status, old.records) == ("blocked", None)
    assert old.error == "it was stored by an older fewcolors; fewcolors run with the run's spec mends it"


def test_a_failure_upstream_counts_all_cells_that_rest_on_it(run, plan):
    log = EventLog(run / EVENTS)
    log("run-started")
    log("failed", next(iter(plan.jobs.values())), message="OSError: disk full")
    (failure,) = gather(run).failures
    assert failure.cells == len(plan.cells) == 4


def test_all_that_a_report_reads_survives_the_disk(run, spec, plan, store):
    for cell in plan.cells:
        finish(store, cell)
    results = gather(run)
    assert results.name == "toy"
    assert results.spec == json.loads(json.dumps(spec.written_out()))
    assert {cell.status for cell in results.cells} == {"ok"}
    for cell, planned in zip(results.cells, plan.cells, strict=True):
        for name in (
            "dataset",
            "classifier",
            "method",
            "variant",
            "params",
            "level_kind",
            "level",
            "seed",
            "precision",
        ):
            assert getattr(cell, name) == getattr(planned, name)
    assert [(r["what"], r["name"]) for r in results.recipes] == [
        ("dataset", "dots"),
        ("classifier", "net"),
        ("quantizer", "learned"),
    ]
    assert results.recipes[2]["differs"] == ["gamma is 1.0, the paper has 0.5"]
    assert results.recipes[1]["differs"] == []


@pytest.mark.parametrize(
    ("stated", "epochs", "rate"), [({}, 3, 0.02), ({"epochs": 7}, 7, 0.02), ({"epochs": 1, "rate": 0.5}, 1, 0.5)]
)
def test_recipes_say_how_classifiers_were_retrained_their_parts_resolved(
    tmp_path, make_spec, store, stated, epochs, rate
):
    nets = [{"name": "net", "params": {"epochs": 30, "rate": 0.2}}, {"name": "net", "params": {"epochs": 2}}]
    datasets = ["dots", {"name": "dots", "params": {"n": 8}}]
    more = {"datasets": datasets, "classifiers": nets, "methods": ["flat"]}
    spec = make_spec(**more, judge=["frozen", "retrained"], retraining=stated)
    write_plan(tmp_path, spec, make_plan(spec), store)
    found = {recipe["name"]: recipe.get("retraining") for recipe in gather(tmp_path).recipes}
    rest = {"datasets": ["dots", "dots n=8"], "batch_size": None, "weight_decay": 0.0}
    short = {"epochs": stated.get("epochs", 1), "rate": stated.get("rate", 0.01)}
    assert found == {
        "dots": None,
        "dots n=8": None,
        "net epochs=30 rate=0.2": [{"epochs": epochs, "rate": pytest.approx(rate), **rest}],
        "net epochs=2": [short | rest],
    }
    spec = make_spec(**more)
    write_plan(tmp_path, spec, make_plan(spec), store)
    assert not any("retraining" in recipe for recipe in gather(tmp_path).recipes)


def thinned(make_spec, limit):
    """A plan of the four dots at most so many, and its dataset."""
    spec = make_spec(datasets=[{"name": "dots", "train_images": limit}], methods=["flat"])
    plan = make_plan(spec)
    return spec, plan, next(job for job in plan.jobs.values() if job.stage == "datasets")


@pytest.mark.parametrize(("limit", "said"), [(3, True), (4, False), (6, False)])
def test_a_limit_is_a_departure_where_the_dataset_has_more_images(tmp_path, make_spec, registry, store, limit, said):
    spec, plan, dataset = thinned(make_spec, limit)
    write_plan(tmp_path, spec, plan, store)
    sentence = f"at most {limit} of its training images are used, each class with its share"
    assert gather(tmp_path).recipes[0]["differs"] == [sentence], "as long as nobody has looked"
    run_job(dataset, Context(store, registry))
    assert gather(tmp_path).recipes[0]["differs"] == [sentence] * said


@pytest.mark.parametrize(("limit", "test_of"), [(3, 4), (4, None), (6, None)])
def test_it_is_known_of_how_many_images_those_that_are_tested_were_chosen(
    tmp_path, make_spec, registry, limit, test_of
):
    spec = make_spec(datasets=[{"name": "dots", "label": "spots", "test_images": limit}], methods=["flat"])
    plan, store = make_plan(spec), Store(tmp_path / "store")
    store.create()
    write_plan(tmp_path, spec, plan, store)
    run_job(next(iter(plan.jobs.values())), Context(store, registry))
    (recipe, *_) = gather(tmp_path).recipes
    assert (recipe["name"], recipe["plugin"], recipe.get("test_of")) == ("spots", "dots", test_of)
    sentence = f"at most {limit} of its test images are judged, whole sources, each class with its share"
    assert recipe["differs"] == [sentence] * (test_of is not None)


@pytest.mark.parametrize(("limit", "said"), [(4, True), (6, False)])
def test_datasets_stored_before_they_said_how_many_they_had(tmp_path, make_spec, store, limit, said):
    spec, plan, dataset = thinned(make_spec, limit)
    with store.write("datasets", dataset.key) as folder:
        write_json(folder / "about.json", {"train": 4})
    write_plan(tmp_path, spec, plan, store)
    assert len(gather(tmp_path).recipes[0]["differs"]) == said


def test_a_moved_store_is_named(run, plan, store, tmp_path):
    finish(store, cell_of(plan, "flat", 2))
    store.root.rename(tmp_path / "moved")
    with pytest.raises(BadInput, match="there is no store here; give its new place with --store"):
        gather(run)
    assert sum(cell.status == "ok" for cell in gather(run, tmp_path / "moved").cells) == 1


def test_a_run_that_never_started_has_only_cells_that_are_not_run_yet(run):
    results = gather(run)
    assert {(cell.status, cell.error) for cell in results.cells} == {("blocked", "not run yet")}
    assert results.failures == ()
    assert results.environment == {"devices": [], "versions": {}}


def test_what_an_earlier_run_failed_at_is_not_told_of_this_one(run, plan):
    log = EventLog(run / EVENTS)
    for message in ("first", "second"):
        log("run-started")
        if message == "first":
            log("failed", next(iter(plan.jobs.values())), message=message)
    assert gather(run).failures == ()


def test_the_plan_on_disk_has_jobs_with_keys_inputs_and_resources(run, plan):
    jobs = {job["key"]: job for job in read_plan(run)["jobs"]}
    assert list(jobs) == list(plan.jobs)
    for key, job in plan.jobs.items():
        assert {role: tuple(value) for role, value in jobs[key]["inputs"].items()} == job.inputs
        assert jobs[key]["needs"]["cpus"] == job.needs.cpus
        assert (jobs[key]["stage"], jobs[key]["name"]) == (job.stage, job.name)


def test_what_is_no_run_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"not a run's folder, it has no plan\.json\.$"):
        gather(tmp_path)
    (tmp_path / PLAN).write_text("{")
    with pytest.raises(BadInput, match=r"plan\.json: damaged \(.*\); run the spec again\.$"):
        gather(tmp_path)


def test_events_are_lines_of_json_that_come_back(tmp_path, plan):
    heard = []
    log = EventLog(tmp_path / EVENTS, heard.append)
    job = next(iter(plan.jobs.values()))
    log("run-started", message="one\ntwo\u2028three")
    log("done", job, host="there", seconds=1.23456)
    lines = (tmp_path / EVENTS).read_text().split("\n")
    assert [json.loads(line)["event"] for line in lines[:-1]] == ["run-started", "done"]
    assert list(last_run(tmp_path / EVENTS)) == heard
    assert heard[0].message == "one\ntwo\u2028three"
    assert (heard[1].job, heard[1].stage, heard[1].key) == (job.name, job.stage, job.key)
    assert (heard[1].host, heard[1].seconds) == ("there", 1.235)
    assert heard[0].host
    assert heard[0].time.endswith("+00:00")


def test_the_file_of_events_is_opened_once_and_anew_where_it_was_removed(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(os, "open", lambda *how, do=os.open: opened.append(how) or do(*how))
    log = EventLog(tmp_path / EVENTS)
    for message in ("first", "second"):
        log("run-started", message=message)
        assert [event.message for event in last_run(tmp_path / EVENTS)] == [message], "at once, not when it is closed"
    assert len(opened) == 1
    (tmp_path / EVENTS).unlink()
    log("run-started", message="third")
    assert [event.message for event in last_run(tmp_path / EVENTS)] == ["third"]
    before = len(os.listdir("/dev/fd"))
    del log
    assert len(os.listdir("/dev/fd")) == before - 1


def test_a_forked_process_writes_no_event_a_second_time(tmp_path):
    log = EventLog(tmp_path / EVENTS)
    log("run-started")
    program = multiprocessing.get_context("fork").Process(target=log, args=("warned",))
    program.start()
    program.join()
    log("run-ended")
    events = [event.event for event in last_run(tmp_path / EVENTS)]
    assert (program.exitcode, events) == (0, ["run-started", "warned", "run-ended"])


def test_ctrl_c_cuts_no_event_short_as_each_is_one_write(tmp_path, monkeypatch):
    log, lines = EventLog(tmp_path / EVENTS), []
    log("run-started")

    def write(file, line, do=os.write):
        lines.append(line)
        do(file, line)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(KeyboardInterrupt):
        log("warned", message="x" * 100_000)
    monkeypatch.undo()
    log("interrupted")
    assert [line[-1:] for line in lines] == [b"\n"]
    assert [event.event for event in last_run(tmp_path / EVENTS)] == ["run-started", "warned", "interrupted"]


def test_a_full_disk_is_told_with_the_file(tmp_path, monkeypatch):
    log, written = EventLog(tmp_path / EVENTS), []

    def write(file, line, do=os.write):
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(do(file, line[:10]))
        return written[0]

    log("run-started", message="first")
    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space left") as full:
        log("warned")
    assert full.value.filename == str(tmp_path / EVENTS)
    monkeypatch.undo()
    EventLog(tmp_path / EVENTS)("warned", message="later")
    assert [event.message for event in last_run(tmp_path / EVENTS)] == ["first", "later"]


def test_the_last_run_is_all_since_the_newest_start(tmp_path):
    log = EventLog(tmp_path / EVENTS)
    for message in ("first", "second", "third"):
        log("run-started", message=message)
        log("damaged", message=f"in the {message}")
    assert [event.message for event in last_run(tmp_path / EVENTS)] == ["third", "in the third"]
    assert list(last_run(tmp_path / "none")) == []


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_line_that_a_crash_cut_short_costs_only_itself(tmp_path, cut):
    path = tmp_path / EVENTS
    log = EventLog(path)
    log("run-started", message="first")
    log("damaged", message="kept")
    whole = path.read_text()
    log("damaged", message="lost")
    path.write_text(whole + path.read_text()[len(whole) :][:cut])
    assert [event.message for event in last_run(path)] == ["first", "kept"]
    EventLog(path)("run-started", message="second")
    assert [event.message for event in last_run(path)] == ["second"]


def test_lines_of_another_making_are_passed_over(tmp_path):
    path = tmp_path / EVENTS
    EventLog(path)("run-started", message="first")
    with path.open("a") as file:
        file.write('[1]\n"text"\n\n{"time": "", "job": "", "event": "done", "mood": "good"}\nnull\n')
    EventLog(path)("run-ended", message="last")
    assert [event.message for event in last_run(path)] == ["first", "last"]


def test_recipes_name_what_the_plugins_rules_make_of_the_task(tmp_path):
    spec = resolve(
        {
            "name": "x",
            "datasets": ["digits-on-photos"],
            "classifiers": ["alexnet", "resnet18"],
            "methods": [{"name": "colorcnn", "params": {"epochs": 2}}, "median-cut"],
            "colors": [2],
        },
        discover(),
    )
    write_plan(tmp_path, spec, make_plan(spec), Store(tmp_path))
    recipes = {recipe["name"]: recipe["differs"] for recipe in read_plan(tmp_path)["recipes"]}
    cycles = "momentum cycles from 0.95 to 0.85 and back as in the authors' code, the paper has 0.5"
    norm = "palette_norm is 1 for alexnet on digits-on-photos as in the authors' code, the paper has 4"
    assert recipes.pop("digits-on-photos") == []
    assert recipes == {"alexnet": [cycles], "resnet18": [cycles], "colorcnn": ["epochs is 2, the paper has 60", norm]}


@pytest.mark.parametrize(
    ("dataset", "classifier", "stated", "norm"),
    [
        (
            "digits-on-photos",
            "alexnet",
            1.0,
            "palette_norm is 1 for alexnet on digits-on-photos as in the authors' code",
        ),
        ("digits-on-photos", "vgg16", 1.0, "palette_norm is 1"),
        ("digits-on-photos", "alexnet", 2.0, "palette_norm is 2"),
        ("digits-on-photos", "alexnet", 4.0, None),
        ("cifar10", "alexnet", 1.0, "palette_norm is 1"),
        ("cifar10", "alexnet", None, None),
    ],
)
def test_the_authors_code_is_named_only_where_it_has_the_value(tmp_path, dataset, classifier, stated, norm):
    method = {"name": "colorcnn", "params": {"palette_norm": stated}}
    content = {"name": "x", "datasets": [dataset], "classifiers": [classifier], "methods": [method], "colors": [2]}
    spec = resolve(content, discover())
    write_plan(tmp_path, spec, make_plan(spec), Store(tmp_path))
    differs = next(r["differs"] for r in read_plan(tmp_path)["recipes"] if r["what"] == "quantizer")
    assert differs == ([] if norm is None else [f"{norm}, the paper has 4"])


def test_a_dataset_says_where_it_is_not_the_published_one(tmp_path, monkeypatch):
    spec = resolve(
        {"name": "x", "datasets": ["digits-on-photos"], "classifiers": ["alexnet"], "methods": ["otsu"]}, discover()
    )
    said = ["images are not those"]
    monkeypatch.setattr(spec.datasets[0].instance, "departures", lambda *task: said if task else [], raising=False)
    write_plan(tmp_path, spec, make_plan(spec), Store(tmp_path))
    assert read_plan(tmp_path)["recipes"][0]["differs"] == said


@pytest.mark.parametrize("content", ["{", "[{}]", "3"])
def test_damaged_searches_are_named(run, content):
    (run / "searches.json").write_text(content)
    with pytest.raises(BadInput, match=r"searches.json: damaged; remove it and run fewcolors tune again"):
        gather(run)


def test_a_search_over_several_tasks_holds_a_run_for_each(tmp_path, run):
    assert runs_in(run) == [run]
    (run / SEARCH).touch()
    assert runs_in(run) == [run], "a search over one task is a run itself"
    root = tmp_path / "searched"
    assert runs_in(root) == [root], "what is no run is refused by who reads it"
    (root / "searches").mkdir(parents=True)
    (root / SEARCH).touch()
    with pytest.raises(BadInput, match="searched: the search is not finished"):
        runs_in(root)
    for task in ("b", "a"):
        shutil.copytree(run, root / task)
    assert runs_in(root) == [root / "a", root / "b"]
    ended = CliRunner().invoke(app, ["report", str(root)])
    assert ended.exit_code == 1, "not a cell of theirs is there"
    for task in ("b", "a"):
        assert (root / task / "report/index.html").is_file()
        assert (root / task / "report/cells.csv").is_file()
