"""Several runs as one: what is shared, what keeps apart, and why."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.contracts.results import RECORD_COLUMNS
from harness.plan import make_plan
from harness.run.events import EventLog
from harness.run.merging import merge, read_run, run_names
from harness.run.results import EVENTS, SEARCH, collected, write_plan
from harness.work.store import Store
from harness.writing import write_json
from tests.harness.conftest import Learned

NOTES = {
    "original_p_true": {},
    "classes": ["a", "b"],
    "device": "cpu",
    "devices": {"cpu": "toy"},
    "versions": {"numpy": "2"},
    "original_accuracy": 0.5,
    "accuracy": 0.5,
}


@pytest.fixture
def stored(tmp_path, make_spec):
    """Makes runs: ``stored("a", methods=[...])``, each with a store of its own; ``notes`` changes what cells say."""

    def make(folder: str, notes=(), finished=True, **content):
        spec = make_spec(**content)
        plan, store = make_plan(spec), Store(tmp_path / "stores" / folder)
        store.create()
        place = tmp_path / "runs" / folder
        place.mkdir(parents=True)
        write_plan(place, spec, plan, store)
        EventLog(place / EVENTS)("run-started")
        for cell in plan.cells if finished else ():
            with store.write("cells", cell.key) as artifact:
                pd.DataFrame({column: [0] for column in RECORD_COLUMNS}).to_parquet(artifact / "records.parquet")
                write_json(artifact / "about.json", NOTES | dict(notes))
                (artifact / "gallery").mkdir()
        return read_run(place)

    return make


BASE = {"methods": ["flat", "learned"], "seeds": [0], "baseline": "flat"}


def places(results):
    return [(cell.dataset, cell.classifier, cell.label, cell.level, cell.seed) for cell in results.cells]


def test_what_two_runs_share_is_there_once(stored) -> None:
    first, second = stored("a", **BASE), stored("b", **BASE | {"methods": ["flat", "squeeze"], "baseline": None})
    merged = merge([first, second])
    alone = [cell for cell in second.results.cells if cell.method == "squeeze"]
    assert [c.key for c in merged.cells] == [c.key for c in (*first.results.cells, *alone)]
    assert merged.differences == ()
    assert merged.spec == first.results.spec
    assert [origin.unused for origin in merged.origins] == [(), ('baseline null, not "flat"',)]
    assert all(origin.began.startswith("2") for origin in merged.origins)
    assert merged.environment == {"devices": ["cpu (toy)"], "versions": {"numpy": "2"}}


def test_a_cell_that_one_run_finished_is_finished(stored) -> None:
    merged = merge([stored("a", finished=False, **BASE), stored("b", **BASE)])
    assert {cell.status for cell in merged.cells} == {"ok"}
    assert len(merged.cells) == len(merged.origins[0].results.cells)


def test_runs_of_one_name_are_called_by_their_folders_wherever_one_is(stored, tmp_path, monkeypatch) -> None:
    runs = [stored(place, **BASE) for place in ("a", "b", "there/a", "one")] + [stored("c", name="one", **BASE)]
    expected = ["runs/a", "b", "there/a", "runs/one", "one"]
    for here in (tmp_path, tmp_path / "runs" / "there"):
        monkeypatch.chdir(here)
        assert run_names(runs) == expected, "the shortest end that is no other's, nor another's name"
        moved = [replace(run, folder=Path(os.path.relpath(run.folder))) for run in runs]
        assert run_names(moved) == expected
    merged = merge(runs[:2])
    assert [origin.name for origin in merged.origins] == ["a", "b"]
    assert merged.name == "a + b"


def named(results):
    return [(recipe["what"], recipe["name"]) for recipe in results.recipes]


def test_a_recipe_is_named_as_tables_name_what_it_made(stored, monkeypatch) -> None:
    monkeypatch.setattr(Learned, "departures", lambda _self, dataset, _classifiers: [f"for {dataset}"], raising=False)
    first = stored("a", name="one", **BASE)
    other = stored("b", name="two", **BASE | {"datasets": [{"name": "dots", "params": {"n": 9}, "label": "more"}]})
    merged = merge([first, other])
    assert merged.differences == ()
    assert named(merged) == [("dataset", "dots"), ("classifier", "net"), ("quantizer", "learned"), ("dataset", "more")]
    (learned,) = (recipe for recipe in merged.recipes if recipe["name"] == "learned")
    assert learned["differs"][-1:] == ["for dots"]
    longer = {"classifiers": [{"name": "net", "params": {"epochs": 9}}], "seeds": [1]}
    apart = merge([first, stored("c", name="three", **BASE | longer), stored("d", name="four", **BASE | longer)])
    assert [name for what, name in named(apart) if what == "classifier"] == ["net", "net (three)"]
    assert {cell.classifier for cell in apart.cells} == {"net", "net (three)"}
    fewer = BASE | {"datasets": [{"name": "dots", "train_images": 2}]}
    assert ("dataset", "dots (five)") in named(merge([first, stored("e", name="five", **fewer)]))
    shorter = {"datasets": [{"name": "dots", "label": "more"}], "classifiers": longer["classifiers"]}
    elsewhere = merge([first, stored("f", name="six", **BASE | shorter)])
    assert elsewhere.differences == (), "tables tell them apart by the dataset"
    assert [name for what, name in named(elsewhere) if what == "classifier"] == ["net", "net (six)"]


def test_a_method_of_other_parameters_under_one_name_keeps_apart(stored) -> None:
    first = stored("a", name="one", **BASE)
    changed = BASE | {"methods": [{"name": "flat", "params": {"gamma": 2.0}}, "learned"]}
    merged = merge([first, stored("b", name="two", notes={"versions": {"numpy": "3"}, "device": "cuda"}, **changed)])
    assert sorted({cell.label for cell in merged.cells}) == ["flat", "flat (two)", "learned"]
    (found,) = merged.differences
    assert (found.what, found.instead) == ("flat (two) on dots × net", "flat on dots × net")
    assert (found.run, found.other, found.cells) == ("two", "one", len({c.level for c in first.results.cells}))
    assert found.reasons == (
        "flat: gamma is 2.0, not 1.0",
        "computed with numpy 3, not 2",
        "computed on cuda, not cpu",
    )


def test_other_seeds_are_one_variant_only_where_the_recipe_is_the_same(stored) -> None:
    first = stored("a", name="one", **BASE)
    same = merge([first, stored("b", name="two", **BASE | {"seeds": [1]})])
    assert same.differences == ()
    assert {(cell.label, cell.seed) for cell in same.cells} == {(m, s) for m in ("flat", "learned") for s in (0, 1)}
    longer = {"classifiers": [{"name": "net", "params": {"epochs": 9}}], "seeds": [1]}
    other = merge([first, stored("c", name="three", **BASE | longer)])
    assert {(cell.classifier, cell.seed) for cell in other.cells} == {("net", 0), ("net (three)", 1)}
    assert {cell.fitted_on for cell in other.cells if cell.method == "learned"} == {"net", "net (three)"}
    assert {cell.label for cell in other.cells} == {"flat", "learned"}, "each was taught by its judge"
    assert [found.reasons for found in other.differences] == [("net: epochs is 9, not 1",)]


def test_another_dataset_of_one_name_is_another_task(stored) -> None:
    first = stored("a", name="one", **BASE)
    fewer = BASE | {"datasets": [{"name": "dots", "train_images": 2}]}
    second, third = stored("b", name="two", **fewer), stored("c", name="three", **fewer)
    merged = merge([first, second, third])
    assert {cell.dataset for cell in merged.cells} == {"dots", "dots (two)"}, "the third has what the second has"
    assert len(merged.cells) == 2 * len(first.results.cells)
    (found,) = merged.differences
    assert (found.what, found.reasons) == ("dataset dots (two)", ("dots: 2 training images at most, not null",))


def test_equal_keys_with_other_numbers_are_told(stored) -> None:
    merged = merge([stored("a", name="one", **BASE), stored("b", name="two", notes={"accuracy": 0.75}, **BASE)])
    assert {found.what for found in merged.differences} == {"flat on dots × net", "learned on dots × net"}
    assert merged.differences[0].reasons == ("the key is the same, an accuracy 0.7500, not 0.5000",)
    assert {cell.notes["accuracy"] for cell in merged.cells} == {0.5}, "the first run's"


ELSEWHERE = {"original_accuracy": 0.75, "accuracy": 0.25, "device": "cuda"}
MORE = BASE | {"methods": ["flat", "squeeze"], "baseline": None}


def test_a_classifier_trained_again_is_another_judge(stored) -> None:
    first, second = stored("a", name="one", **BASE), stored("b", name="two", notes=ELSEWHERE, **MORE)
    third, fourth = stored("c", name="three", **BASE), stored("d", name="four", notes=ELSEWHERE, **MORE)
    merged = merge([first, second, third, fourth])
    shown = {(cell.classifier, cell.label, cell.notes["accuracy"]) for cell in merged.cells}
    assert shown == {("net", "flat", 0.5), ("net", "learned", 0.5), ("net (two)", "squeeze", 0.25)}
    found, *again = merged.differences
    assert (found.what, found.run, found.other) == ("classifier net (two) on dots", "two", "one")
    assert found.reasons == (
        "the key is the same, but it was trained again and is another network: of the untouched images it recognizes "
        "0.7500, not 0.5000",
        "computed on cuda, not cpu",
    )
    assert {(one.what, one.run) for one in again} == {("flat on dots × net", "two"), ("flat on dots × net", "four")}
    assert "net (two)" in {recipe["name"] for recipe in merged.recipes}


@pytest.mark.parametrize("judged", [{}, {"classifier": "retrained"}])
def test_classifiers_are_told_apart_by_what_they_learned(stored, judged) -> None:
    role = "original" if judged else "classifier"
    made = [{"made_from": {**judged, role: network}} for network in "pqp"]
    runs = [stored(name, name=name, notes=notes, **MORE) for name, notes in zip("abc", made, strict=True)]
    merged = merge(runs)
    assert {cell.classifier for cell in merge([runs[0], runs[2]]).cells} == {"net"}
    assert merged.differences[0].what == "classifier net (b) on dots"
    assert (
        merged.differences[0].reasons[0].endswith("is another network: of the untouched images both recognize 0.5000")
    )


def test_one_seed_trained_again_keeps_the_classifier_apart(stored) -> None:
    first, second = (
        stored("a", name="one", **BASE | {"seeds": [0, 1]}),
        stored("b", name="two", **MORE | {"seeds": [0, 1]}),
    )
    cells = (replace(c, notes=c.notes | ELSEWHERE) if c.seed == 1 else c for c in second.results.cells)
    second = replace(second, results=replace(second.results, cells=tuple(cells)))
    merged = merge([first, second])
    assert {(cell.classifier, cell.seed) for cell in merged.cells if cell.method == "squeeze"} == {
        ("net (two)", 0),
        ("net (two)", 1),
    }


@pytest.mark.parametrize("finished", [(), ("flat",)])
def test_what_a_run_has_not_finished_is_not_judged_by_another_network(stored, finished) -> None:
    first = stored("a", name="one", **MORE)
    cells = tuple(
        cell if cell.method in finished else replace(cell, status="blocked", notes={}) for cell in first.results.cells
    )
    unfinished = replace(first, results=replace(first.results, cells=cells))
    second, third = stored("b", name="two", **MORE), stored("c", name="three", notes=ELSEWHERE, **MORE)
    for runs, other in (([unfinished, second, third], 0.5), ([unfinished, third, second], 0.75)):
        shown = {(cell.classifier, cell.label, cell.notes["original_accuracy"]) for cell in merge(runs).cells}
        mine = 0.5 if finished else other
        assert {share for name, _, share in shown if name == "net"} == {mine}
        assert len({name for name, _, _ in shown}) == len({share for _, _, share in shown})


def test_a_folder_of_runs_is_found(stored, tmp_path) -> None:
    run = stored("a", **BASE)
    assert collected(tmp_path / "runs") == [run.folder]
    assert collected(run.folder) == []
    search = tmp_path / "runs" / "search"
    (search / "task").mkdir(parents=True)
    (search / SEARCH).touch()
    (search / "task" / "plan.json").touch()
    assert collected(tmp_path / "runs") == [run.folder, search / "task"]
    assert collected(search) == [], "its tasks are reported as they are"
    assert collected(tmp_path / "nowhere") == []


def shown(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def unread(monkeypatch):
    """The reports that the command line writes, without reading records that are none."""
    from harness.run import execute

    asked = []

    def write(plugins, results, folder, _console):
        asked.append(([plugin.name for plugin in plugins], results, folder))
        return {}, ()

    monkeypatch.setattr(execute, "write_reports", write)
    return asked


def test_reports_of_one_run_of_several_and_by_name(stored, unread, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [stored(name, name=name, **BASE).folder for name in ("a", "b")]
    assert shown("report", runs[0]).exit_code == 0
    assert shown("report", *runs, "--as", "latex, markdown").exit_code == 0
    assert shown("report", *runs, runs[0], "-o", tmp_path / "there").exit_code == 0
    assert shown("report", runs[0], runs[0]).exit_code == 0
    names, results, folders = zip(*unread, strict=True)
    assert names[1] == ["latex", "markdown"]
    assert names[0] == names[2] == results[0].spec["reports"]
    assert [result.name for result in results] == ["a", "a + b", "a + b", "a"]
    assert list(map(str, folders)) == [str(runs[0] / "report"), "runs/compared", f"{tmp_path}/there", str(folders[3])]
    assert folders[3] == runs[0] / "report", "a run is not compared with itself"
    assert all(result.claims for result in results), "claims are judged in every report"


def test_a_run_whose_reports_break_is_left_out_of_the_index(stored, tmp_path, monkeypatch) -> None:
    from harness.run import execute

    for name in ("a", "b"):
        stored(name, name=name, **BASE)
    asked = []

    def write(plugins, results, folder, _console):
        asked.append((plugins[-1].name, results.name, folder))
        return {}, ("html",) if results.name == "a" else ()

    monkeypatch.setattr(execute, "write_reports", write)
    ended = shown("report", tmp_path / "runs")
    assert ended.exit_code == 1
    assert "runs/a: left out of the index." in ended.output
    assert asked[-1] == ("index", "b", tmp_path / "runs")
    assert [folder for _, _, folder in asked[:2]] == [tmp_path / "runs" / name / "report" for name in ("a", "b")]


def test_what_report_and_figures_cannot_do(stored, tmp_path) -> None:
    run = stored("a", **BASE).folder
    for arguments, sentence in (
        (("report", run, "--as", "latx"), "--as: there is no report 'latx', did you mean 'latex'?"),
        (("report", run, "--as", ","), "--as: it names no report"),
        (("report", run.parent, "-o", "x"), "--out: the reports of a folder of runs are written into the runs"),
        (("figures", run, "--width", "wide"), "figures.width: it should be a length such as 3.25in"),
        (("figures", run, "--format", "png"), "figures.format"),
        (("figures", run, "--font-size", "1"), "figures.font_size"),
        (("report", tmp_path / "nothing"), "not a run's folder"),
    ):
        assert sentence in str(shown(*arguments).exception), arguments
